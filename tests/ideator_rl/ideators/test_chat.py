from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.ideators.language_model.chat import END_THINK, THINK, read_answer


@pytest.mark.parametrize(
    ("text", "thinking", "idea"),
    [
        ("[Experiment] x", "", "[Experiment] x"),
        ("<think>why</think>[Experiment] x", "why", "[Experiment] x"),
        # Qwen3's template writes the opening mark into the prompt.
        ("why\n</think>\n\n[Experiment] x", "why", "[Experiment] x"),
        ("<think>never ends", "never ends", ""),
        ("<think>a</think>b</think>c", "a</think>b", "c"),
        ("", "", ""),
    ],
)
def test_an_idea_is_what_follows_the_thinking(text, thinking, idea):
    assert read_answer(text) == (thinking, idea)


@given(st.text(), st.text().filter(lambda t: THINK not in t and END_THINK not in t))
def test_whatever_was_thought_the_idea_comes_back(thinking, idea):
    assert read_answer(f"{THINK}{thinking}{END_THINK}{idea}").idea == idea.strip()
