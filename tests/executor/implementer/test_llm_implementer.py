"""Ideas in plain words become code through a language model, whatever it answers.

The model is a server on this machine that speaks the real protocol, asked through the real SDK.
"""

from __future__ import annotations

import asyncio
import logging
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from executor import Executor, Idea, Problem, load_problem
from executor.edits import apply_edits
from executor.errors import UserError
from executor.implementer.edit_format import EditFormat
from executor.implementer.llm import LLMImplementer, filled
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.llm.records import BudgetSpent, LLMError
from executor.records import Implementation, Turn
from executor.store.runs import Store
from tests.executor.llm.asking import APIS, KEY, settings_for, with_llm
from tests.executor.runs import tiny
from tests.llm_servers import Answer, Asked, Fault, LLMServer, Reply, random_faults, serve

pytest.importorskip("anthropic")
pytest.importorskip("openai")

NANOGPT = load_problem(Path(__file__).parents[3] / "gym_envs" / "nanogpt" / "problem-tiny.toml")
IDEA = Idea("a", "Use a squared ReLU instead of the GELU in the MLP. It costs $0.")
OLD, NEW = "        hidden = F.gelu(hidden)\n", "        hidden = F.relu(hidden).square()\n"
BLOCK = "<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n"
RIGHT = "Here it is.\n\nmodel.py\n" + BLOCK.format(OLD, NEW)
PATCHED = {
    **NANOGPT.codebase,
    "model.py": NANOGPT.codebase["model.py"].replace(OLD, NEW),
}
NOT_FOUND = "model.py\n" + BLOCK.format("        hidden = F.tanh(hidden)\n", NEW)
FROZEN = "serve.py\n" + BLOCK.format("import json\n", "import json, os\n")
NO_SYNTAX = "model.py\n" + BLOCK.format(OLD, NEW.replace(")\n", "\n"))
NO_MODULE = "model.py\n" + BLOCK.format(OLD, "        import einops_fast\n" + OLD)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@dataclass
class Model:
    """A server and what an implementer makes of an idea through it."""

    server: LLMServer
    folder: Path
    api: str

    def implement(self, idea: Idea = IDEA, **options: Any) -> Implementation:
        return self.implement_all([idea], **options)[0]

    def implement_all(
        self,
        ideas: list[Idea],
        *,
        samples: int = 1,
        revisions: int = 2,
        edit_format: EditFormat = "blocks",
        **fields: Any,
    ) -> list[Implementation]:
        async def use(llm: Any) -> list[Implementation]:
            implementer = LLMImplementer(
                NANOGPT, llm, samples=samples, revisions=revisions, edit_format=edit_format
            )
            return list(await asyncio.gather(*map(implementer.implement, ideas)))

        return with_llm(settings_for(self.api, self.server, **fields), self.folder / "llm", use)


@pytest.fixture(params=APIS)
def model(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[Callable[[Asked], Answer]], Any]]:
    """Starts a server that answers like this."""

    @contextmanager
    def start(answer: Callable[[Asked], Answer]) -> Iterator[Model]:
        with serve(request.param, answer) as server:
            yield Model(server, tmp_path, request.param)

    yield start


def in_turn(*texts: str | Answer) -> Callable[[Asked], Answer]:
    """These answers, one after the other, and the last one for ever."""
    answers = [Reply(text) if isinstance(text, str) else text for text in texts]
    return lambda asked: answers[min(asked.number, len(answers) - 1)]


# --- one answer and its revisions -----------------------------------------------------------------


def test_an_idea_in_words_becomes_a_codebase(model: Any) -> None:
    with model(in_turn(RIGHT)) as it:
        made = it.implement()
    assert (made.status, made.detail) == ("completed", "")
    assert made.files == PATCHED
    assert "-        hidden = F.gelu(hidden)\n+        hidden = F.relu" in made.diff
    [turn] = made.exchange
    assert (turn.sample, turn.purpose, turn.stop, turn.problem) == (0, "implement", "end", "")
    assert IDEA.text in turn.asked and turn.answer == RIGHT
    assert turn.usage["output"] > 0 and turn.seconds > 0


def test_the_model_is_told_the_rules_the_code_and_the_idea(model: Any) -> None:
    with model(in_turn(RIGHT)) as it:
        it.implement()
        [asked] = it.server.asked
    told = asked.system + asked.text
    for words in (
        IDEA.text,
        "Files that may be changed: *.py",
        "stay as they are: serve.py",
        "20 seconds of processor time",
        "1 CPU core(s), 0 GPU(s) and 2 GiB",
        "1 / loss",
        "Nothing can be installed",
        NANOGPT.file.task.strip(),
        *NANOGPT.codebase.values(),
    ):
        assert words.strip() in told
    assert told.count(IDEA.text) == 1 and "$" not in told.replace(IDEA.text, "")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (NOT_FOUND, "`        hidden = F.tanh(hidden)`"),
        (FROZEN, "serve.py is frozen"),
        (NO_SYNTAX, "model.py line 101: '(' was never closed"),
        (NO_MODULE, "model.py line 101: the module `einops_fast` is not installed"),
        ("I would rather discuss it first.", "no code edit found"),
        ("", "no code edit found"),
        ("word " * 220_000, "1,100,000 characters, more than 1,000,000"),
        (Reply(RIGHT, stop="length"), "cut off at its bound of tokens"),
    ],
    ids=["place", "frozen", "syntax", "import", "prose", "empty", "a megabyte", "truncated"],
)
def test_what_is_wrong_with_an_answer_is_told_to_its_writer(
    model: Any, wrong: str | Answer, told: str
) -> None:
    with model(in_turn(wrong, RIGHT)) as it:
        made = it.implement()
        second = it.server.asked[1]
        assert len(it.server.asked) == 2
    assert made.files == PATCHED
    assert [turn.purpose for turn in made.exchange] == ["implement", "revise"]
    assert told in made.exchange[0].problem and made.exchange[1].problem == ""
    assert told in second.text and IDEA.text not in second.text
    assert IDEA.text in str(second.body["messages"]) and len(str(second.body)) < 200_000


def test_revisions_end_and_say_why(model: Any) -> None:
    with model(in_turn(NOT_FOUND)) as it:
        made = it.implement(revisions=2)
        assert len(it.server.asked) == 3
    assert (made.status, made.files) == ("not_implemented", {})
    assert "`        hidden = F.tanh(hidden)`" in made.detail
    assert len(made.exchange) == 3


def test_a_refusal_is_not_argued_with(model: Any) -> None:
    with model(in_turn(Reply("I cannot help with that.", stop="refusal"), RIGHT)) as it:
        made = it.implement()
        assert len(it.server.asked) == 1
    assert made.status == "not_implemented"
    assert made.detail.startswith("the model refused")


def test_no_reply_at_all_is_an_outcome(model: Any) -> None:
    with model(in_turn(Fault("500"))) as it:
        made = it.implement(tries=1)
    assert made.status == "not_implemented"
    assert made.detail.startswith("the model gave no reply: ")
    assert [turn.answer for turn in made.exchange] == [""]


def test_an_empty_idea_costs_nothing(model: Any) -> None:
    with model(in_turn(RIGHT)) as it:
        made = it.implement(Idea("e", " \n"))
        assert it.server.asked == []
    assert (made.status, made.detail) == ("not_implemented", "the idea is empty")


def test_an_endless_idea_costs_nothing(model: Any) -> None:
    with model(in_turn(RIGHT)) as it:
        made = it.implement(Idea("e", "Use ReLU. " * 110_000))
        assert it.server.asked == []
    assert made.status == "not_implemented" and "more than 1,000,000: shorten it" in made.detail


def test_an_idea_with_a_lone_surrogate_is_asked_without_it(model: Any) -> None:
    with model(in_turn(RIGHT)) as it:
        assert it.implement(Idea("s", "squared \ud800 ReLU")).files == PATCHED
        assert r"squared \ud800 ReLU" in it.server.asked[0].text


# --- several samples ------------------------------------------------------------------------------


def test_the_first_that_applies_wins_and_the_others_are_cancelled(model: Any) -> None:
    def answer(asked: Asked) -> Answer:
        return Reply(RIGHT, delay_s=0 if asked.number == 1 else 60)

    started = time.monotonic()
    with model(answer) as it:
        made = it.implement(samples=3)
        assert len(it.server.asked) == 3
        assert time.monotonic() - started < 30
    assert made.files == PATCHED
    assert len(made.exchange) == 1


def test_a_sample_that_fails_leaves_the_others_their_time(model: Any) -> None:
    def answer(asked: Asked) -> Answer:
        return Reply(RIGHT, delay_s=1) if asked.number == 0 else Reply(NOT_FOUND)

    with model(answer) as it:
        made = it.implement(samples=2, revisions=0)
    assert made.files == PATCHED
    assert [turn.problem == "" for turn in made.exchange] == [False, True]


def test_an_idea_is_rejected_only_if_every_sample_breaks_a_rule(model: Any) -> None:
    with model(in_turn(FROZEN)) as it:
        made = it.implement(samples=2, revisions=1)
        assert made.status == "rejected" and "serve.py is frozen" in made.detail
        assert len(it.server.asked) == 4
    with model(in_turn(FROZEN, NOT_FOUND)) as it:
        assert (
            it.implement(IDEA, samples=2, revisions=0, max_tokens=999).status == "not_implemented"
        )


def test_a_wrong_key_ends_it_at_once(model: Any) -> None:
    with model(in_turn(RIGHT)) as it:
        it.server.key = "another"
        with pytest.raises(LLMError) as caught:
            it.implement(samples=2)
    assert "\n" not in str(caught.value) and KEY not in str(caught.value)


def test_a_spent_budget_lets_what_is_under_way_finish(model: Any) -> None:
    with model(in_turn(Reply(RIGHT, delay_s=0.5))) as it:
        assert it.implement(samples=2, budget={"calls": 1}).files == PATCHED
    with model(in_turn(NOT_FOUND)) as it, pytest.raises(BudgetSpent):
        it.implement(Idea("b", "Another."), samples=2, budget={"calls": 2})


def test_an_error_that_the_idea_does_not_end_with_is_logged(
    model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "executor.implementer.llm")
    with model(in_turn(Reply(RIGHT, delay_s=0.5))) as it:
        assert it.implement(samples=2, budget={"calls": 1}).files == PATCHED
    line, cause = (record.getMessage() for record in caplog.records)
    # Which of the two asks first is not promised.
    assert re.match(r"sample [01] of idea a failed: llm\.budget\.calls: 1 of 1 are spent", line)
    assert "Traceback" in cause and "BudgetSpent" in cause


def test_samples_and_revisions_are_counts() -> None:
    for wrong in ({"samples": 0}, {"revisions": -1}):
        with pytest.raises(UserError, match="at least"):
            LLMImplementer(NANOGPT, None, **wrong)  # type: ignore[arg-type]


# --- bad replies, many of them --------------------------------------------------------------------

FAULTS: dict[str, Answer] = {
    "prose": Reply("The activation matters. I would try a squared ReLU and see."),
    "empty": Reply(""),
    "truncated": Reply(RIGHT[: len(RIGHT) * 2 // 3], stop="length"),
    "truncated unnoticed": Reply(RIGHT[: len(RIGHT) * 2 // 3]),
    "syntax error": Reply(NO_SYNTAX),
    "refusal": Reply("I cannot help with that.", stop="refusal"),
    "another language": Reply("我建议把激活函数换成平方 ReLU。"),
    "500": Fault("500"),
    "429": Fault("429", retry_after="0"),
    "invalid json": Fault("invalid_json"),
    "no choices": Fault("no_choices"),
    "stops mid-stream": Fault("mid_stream", text=RIGHT[: len(RIGHT) // 2]),
    "reset": Fault("reset"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_with_three_bad_replies_in_ten_every_idea_ends_right(model: Any, kind: str) -> None:
    ideas = [Idea(f"i{n}", f"Use a squared ReLU ({n}).") for n in range(20)]
    with model(random_faults(lambda asked: Reply(RIGHT), [FAULTS[kind]], 0.3, seed=1)) as it:
        made = it.implement_all(ideas, samples=2, revisions=2)
    completed = [one for one in made if one.status == "completed"]
    assert all(one.files == PATCHED for one in completed)
    assert all(one.detail and not one.files for one in made if one not in completed)
    assert len(completed) >= (16 if kind == "refusal" else 19)


# --- what is kept ---------------------------------------------------------------------------------


def test_the_exchange_is_kept_with_the_idea_also_without_code(tmp_path: Path) -> None:
    run = Store(tmp_path).run("r")
    turns = (
        Turn(0, "implement", "an idea", "ü \ud800", problem="no", usage={"input": 3}, cost=0.5),
        Turn(0, "revise", "what is wrong: no", "an edit", "thoughts", "end", "model"),
    )
    run.write_implementation("a", Implementation("completed", {"a.py": "x"}, "diff", "", turns))
    run.write_implementation("b", Implementation("not_implemented", detail="no", exchange=turns))
    run.write_implementation("c", Implementation("completed", {"a.py": "x"}, "diff"))
    run = Store(tmp_path).run("r")
    assert run.exchange("a") == run.exchange("b") == turns
    assert run.exchange("c") == ()
    assert (run.codebase("a"), run.codebase("b")) == ({"a.py": "x"}, None)
    made = Implementation("completed", exchange=turns)
    assert Implementation.from_json(made.to_json()) == made


def test_an_executor_runs_ideas_in_plain_words(model: Any, tmp_path: Path) -> None:
    problem: Problem = tiny(tmp_path / "tiny")
    with model(in_turn("value: 11 -> 12", "value: 10 -> 12")) as it:
        llm = open_llm(settings_for(it.api, it.server), Journal(tmp_path / "llm"))
        implementer = LLMImplementer(problem, llm, samples=1)
        store = tmp_path / "store"
        with Executor(problem, store=store, slots=1, implementer=implementer) as executor:
            [outcome] = executor.execute([Idea("w", "Write a dozen.")])
            turns = executor.run.exchange("w")
    assert (outcome.status, outcome.reward) == ("completed", 12)
    assert [turn.answer for turn in turns] == ["value: 11 -> 12", "value: 10 -> 12"]


# --- the prompts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("edit_format", ["blocks", "diff", "whole"])
def test_the_example_of_each_form_is_itself_understood(edit_format: str) -> None:
    """What the prompt shows is what the engine takes."""
    prompt = filled(f"format_{edit_format}")
    before = textwrap.dedent(
        """\
        def lr_fraction(step: int) -> float:
            warmup = min(1.0, step / 100)
            return warmup
        """
    )
    shortened = before.replace("100", "50")
    text = prompt.replace("the complete text of train.py after the change\n", shortened)
    after = apply_edits({"train.py": before}, text, editable=["*.py"], frozen=[])["train.py"]
    assert "min(1.0, step / 50)" in after and "step / 100" not in after


def test_the_prompt_asks_for_the_chosen_form(model: Any) -> None:
    for edit_format, words in (
        ("diff", "--- a/train.py"),
        ("whole", "as a whole"),
        ("blocks", "<<<"),
    ):
        with model(in_turn(RIGHT)) as it:
            it.implement(Idea("f", edit_format), edit_format=edit_format)
            assert words in it.server.asked[0].system
