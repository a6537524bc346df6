"""Which ideas say the same, and which only look alike."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.ideators.near_duplicates import NearDuplicates

IDEA = (
    "[Experiment] Raise the learning rate to 0.02, since the loss is still falling fast when the "
    "last epoch ends.\n[Code Changes]\nIn train.py set learning_rate to 0.02."
)


@pytest.mark.parametrize(
    "same",
    [
        IDEA,
        IDEA.upper(),
        IDEA.replace("[Experiment]", "**Experiment:**").replace("\n", "\n\n  "),
        IDEA.replace("0.02", "2e-2").replace(",", " —").replace("Raise", "*Raising*"),
        IDEA.replace("since the loss is still falling", "as the losses still fall"),
        "[Code Changes] In train.py, learning_rate is set to 0.020. [Experiment] The loss is still "
        "falling fast when the last epoch ends: raise the learning rate.",
    ],
)
def test_the_same_in_other_dress_is_found(same: str) -> None:
    assert NearDuplicates(["[Experiment] Use Muon.", IDEA]).find(same) == IDEA


@pytest.mark.parametrize(
    "other",
    [
        IDEA.replace("0.02", "0.05"),
        IDEA.replace("train.py", "model.py"),
        IDEA.replace("learning_rate", "peak_rate"),
        IDEA.replace("Raise the learning rate", "Replace GELU by SiLU"),
        "[Experiment] Lower the weight decay, since the network is underfitted.\n[Code Changes]\n"
        "In train.py set learning_rate to 0.02.",
        "",
    ],
)
def test_another_idea_is_not_found(other: str) -> None:
    known = NearDuplicates([IDEA])
    assert known.find(other) is None
    known.add(other)
    assert known.find(other) == other and known.find(IDEA) == IDEA


def test_names_in_capitals_tell_ideas_apart() -> None:
    known = NearDuplicates(["Replace ReLU by GELU in every block of the network, it is smoother."])
    assert known.find("Replace ReLU by SiLU in every block of the network, it is smoother.") is None


@given(st.lists(st.text(), max_size=8))
def test_every_text_that_was_added_is_found(texts: list[str]) -> None:
    known = NearDuplicates(texts)
    assert all(known.find(f" {text}\n") in texts for text in texts)


def test_a_thousand_ideas_are_compared_in_a_moment() -> None:
    texts = [f"{IDEA} {' '.join(f'word{n}x{m}' for m in range(100))}" for n in range(1000)]
    begun = time.monotonic()
    known = NearDuplicates(texts)
    assert [known.find(text) for text in texts] == texts
    assert time.monotonic() - begun < 10


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["1" * 20_000 + "x", "1." * 10_000 + "x", "1e" * 10_000 + "!"])
def test_endless_numbers_are_read_in_time(text: str) -> None:
    assert NearDuplicates([text]).find(text) == text
