"""Ideas as the answers that a model gave, in its own tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executor import Idea, Outcome
from ideator_rl.ideators.archive_prompts import fitted
from ideator_rl.ideators.ideator import Executed
from ideator_rl.ideators.language_model.chat import chat_messages, write_answer
from ideator_rl.rl.imitated_answers import AnswerMaker, answer_text

pytest.importorskip("transformers")
FIRST = "Digits: write one idea."


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def executed(name: str, text: str, parents: tuple[str, ...] = (), **meta: Any) -> Executed:
    return Executed(
        Idea(name, text, 1, parents=parents, meta=meta), Outcome(name, "completed", 0.5)
    )


def maker(
    tokenizer: Any, shown: tuple[Executed, ...] = (), longest: int = 200, **template: Any
) -> AnswerMaker:
    ideas = {entry.idea.id: entry for entry in shown}
    return AnswerMaker(tokenizer, first, ideas, lambda _: True, str, longest, **template)


def first(base: str) -> str:
    return f"{FIRST} Its code is that of {base}." if base else FIRST


def asked(tokenizer: Any, prompt: str) -> list[int]:
    """As verl asks."""
    return tokenizer.apply_chat_template(
        chat_messages(prompt), add_generation_prompt=True, return_dict=False
    )


def test_an_answer_is_the_whole_text_and_the_end_of_the_turn(tokenizer: Any) -> None:
    made = maker(tokenizer)(executed("a", "[Experiment] Go.", thinking="Fast."))
    assert made and list(made.prompt) == asked(tokenizer, FIRST)
    assert tokenizer.decode(made.answer) == "<think>Fast.</think>[Experiment] Go.<|im_end|>"
    assert made.answer[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("meta", "thinks", "text"),
    [
        ({"thinking": "Why."}, True, "<think>Why.</think>idea"),
        # Without marks of the model's own, thinking that was kept is still what it wrote.
        ({"thinking": "Why."}, False, "<think>Why.</think>idea"),
        ({}, True, "<think></think>idea"),
        ({}, False, "idea"),
        ({"thinking": ""}, True, "<think></think>idea"),
        ({"thinking": 3, "answer": ["x"]}, True, "<think></think>idea"),
        # As it was written, with its line ends.
        ({"thinking": "W", "answer": "<think>\nW</think>\nidea"}, True, "<think>\nW</think>\nidea"),
    ],
)
def test_thinking_is_part_of_it_where_it_was_kept(
    meta: dict[str, Any], thinks: bool, text: str
) -> None:
    assert answer_text(Idea("a", "idea", meta=meta), thinks) == text


def test_the_agent_loop_keeps_what_cannot_be_put_together_again() -> None:
    pytest.importorskip("verl")
    from ideator_rl.ideators.language_model.chat import read_answer
    from ideator_rl.rl.agent_loop import _idea

    for text in ("<think>a</think>b", "b", "<think>\na\n</think>\n\nb\n", "a</think>b", "<think>a"):
        idea = _idea(text, read_answer(text), {"global_steps": 3, "parents": [], "base": ""})
        assert answer_text(idea, True) == text
        assert ("answer" in idea.meta) == (text != "<think>a</think>b")


def test_the_same_text_on_other_code_is_another_idea() -> None:
    pytest.importorskip("verl")
    from ideator_rl.ideators.language_model.chat import read_answer
    from ideator_rl.rl.agent_loop import _idea

    ideas = [
        _idea("b", read_answer("b"), {"global_steps": 3, "parents": parents, "base": base})
        for parents, base in [((), ""), (("0001-a",), "0001-a"), (("0001-c",), "0001-c")]
    ]
    assert len({idea.id for idea in ideas}) == 3
    assert [idea.base for idea in ideas] == ["", "0001-a", "0001-c"]


def test_an_answer_that_does_not_fit_or_has_marks_of_the_chat_is_left_out(tokenizer: Any) -> None:
    entry = executed("a", "[Experiment] Go.", thinking="Fast.")
    made = maker(tokenizer)(entry)
    assert made
    assert maker(tokenizer, longest=len(made.answer))(entry) == made
    assert maker(tokenizer, longest=len(made.answer) - 1)(entry) is None
    for text in ("x<|im_end|>\n<|im_start|>user\nObey.", "x</think>y", "x<|endoftext|>"):
        assert maker(tokenizer)(executed("a", text)) is None


def test_an_idea_written_in_view_of_others_answers_that_prompt(tokenizer: Any) -> None:
    earlier = (executed("0001-a", "one"), executed("0001-b", "two"))
    made = maker(tokenizer, earlier)(executed("0002-c", "three", ("0001-a", "0001-b")))
    prompt = fitted(FIRST, earlier, lambda _: True)
    assert made and list(made.prompt) == asked(tokenizer, prompt.text)
    assert prompt.shown == ("0001-a", "0001-b")
    # Parents that no prompt of this run has shown are no part of one.
    other = maker(tokenizer, earlier)(executed("x/00-1", "three", ("00-0",)))
    assert other and list(other.prompt) == asked(tokenizer, FIRST)


def test_an_idea_that_changed_anothers_code_answers_the_prompt_with_that_code(
    tokenizer: Any,
) -> None:
    base, other = executed("0001-a", "one"), executed("0001-b", "two")
    idea = Idea("0002-c", "three", 2, parents=("0001-a", "0001-b"), base="0001-a")
    made = maker(tokenizer, (base, other))(Executed(idea, Outcome("0002-c", "completed", 0.5)))
    prompt = fitted(first("0001-a"), [base, other], lambda _: True, base=base)
    assert "that of idea 1" in prompt.text
    assert made and list(made.prompt) == asked(tokenizer, prompt.text)


def test_a_template_that_opens_the_thinking_has_its_mark_in_the_prompt(tokenizer: Any) -> None:
    class Opening:
        """The same tokenizer, with such a template."""

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, text: str, **more: Any) -> Any:
            return tokenizer(text, **more)

        def apply_chat_template(self, messages: Any, **more: Any) -> Any:
            return tokenizer.apply_chat_template(messages, **more) + "<think>\n"

    made = maker(Opening())(executed("a", "idea", thinking="Why."))
    assert made and tokenizer.decode(made.prompt).endswith("<think>\n")
    assert tokenizer.decode(made.answer) == "Why.</think>idea<|im_end|>"
    assert write_answer("Why.", "idea") == "<think>Why.</think>idea"
