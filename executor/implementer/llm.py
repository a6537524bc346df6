"""A language model turns an idea in plain words into a patched codebase.

    implementer = LLMImplementer(problem, llm, samples=2, revisions=2)
    implementation = await implementer.implement(Idea("a", "Warm up for half as long."))
    implementation.exchange      # every question and answer, with tokens, cost, and what was wrong

Several answers are asked for at once. One whose edit does not apply, or whose tree could not even
start, is given back with the precise error, a few times; the first that is fine wins, and the
others are cancelled. A trial that crashes in its first seconds may be given back, too, once.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.resources import files
from string import Template

from executor.causes import cause_of
from executor.edits import too_long
from executor.errors import UserError
from executor.implementer.edit_format import EditFormat
from executor.implementer.implementer import apply_idea
from executor.implementer.source_checks import source_problems
from executor.llm.records import (
    LLM,
    BudgetSpent,
    LLMError,
    Message,
    NoReply,
    Purpose,
    Request,
    Response,
)
from executor.problem.problem import MAX_FILE_BYTES, Problem
from executor.records import Idea, Implementation, Outcome, Turn
from executor.text.outside_text import clean_line
from executor.text.quoted import QUOTED, quoted

_log = logging.getLogger(__name__)

MOST_PROBLEMS = 8
# So much of an answer that was not taken is shown to its writer again.
LONGEST_ANSWER = 60_000
LONGEST_LOG = 6_000
LONGEST_IDEA = 200_000
LONGEST_PROBLEM = 8_000
LONGEST_PATH = 500
CHANGED = "Earlier ideas have changed it: files that are not the problem's own are quoted.\n"


class LLMImplementer:
    """Implements ideas through a language model.

    Args:
        problem: what the ideas are about.
        llm: the model; it bounds how many requests are under way.
        samples: answers asked for at once, for each idea.
        revisions: how often each of them may be revised.
        edit_format: the form that the prompt asks for; answers in every form are read.
        repair_within_s: a trial that crashes within so many seconds of wall time is repaired.

    `implement` raises LLMError where no further request would mend it, such as a wrong key or a
    spent budget, unless an answer that is under way brings an edit all the same.
    """

    def __init__(
        self,
        problem: Problem,
        llm: LLM,
        *,
        samples: int = 2,
        revisions: int = 2,
        edit_format: EditFormat = "blocks",
        repair_within_s: float = 0.0,
    ) -> None:
        if samples < 1 or revisions < 0:
            raise UserError(
                "samples must be at least 1 and revisions at least 0 "
                f"(got {samples} and {revisions})"
            )
        self._problem, self._llm = problem, llm
        self._samples, self._revisions = samples, revisions
        self._repair_within_s = repair_within_s
        self._system = system_text(edit_format)
        self._shared = problem_text(problem)

    async def implement(self, idea: Idea, base: Mapping[str, str] | None = None) -> Implementation:
        if not idea.text.strip():
            return Implementation("not_implemented", detail="the idea is empty")
        if wrong := too_long(idea.text):
            return Implementation("not_implemented", detail=wrong)
        asked = (Message("user", question_text(idea.text)),)
        turns: list[Turn] = []
        tasks = [
            asyncio.create_task(self._answer("implement", asked, number, turns, base))
            for number in range(self._samples)
        ]
        told: Exception | None = None
        try:
            made = await _first_completed(tasks)
        except Exception as error:
            told = error
            raise
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            for number, end in enumerate(ends):
                if isinstance(end, Exception) and end is not told:
                    _log_lost(idea, number, end)
        return replace(made, exchange=tuple(turns))

    async def repair(
        self,
        idea: Idea,
        exchange: Sequence[Turn],
        outcome: Outcome,
        log: str,
        base: Mapping[str, str] | None = None,
    ) -> Implementation | None:
        taken = next((turn for turn in exchange if turn.answer and not turn.problem), None)
        if taken is None or outcome.duration_s > self._repair_within_s:
            return None
        wrong = filled(
            "repair",
            detail=quoted(outcome.detail, LONGEST_PROBLEM),
            log=quoted(log[-LONGEST_LOG:], LONGEST_LOG),
        )
        # A kill may have left turns of this very repair.
        turns = list(itertools.takewhile(lambda turn: turn.purpose != "repair", exchange))
        question = Message("user", question_text(idea.text))
        messages = (question, Message("assistant", _shown(taken.answer)))
        try:
            made = await self._answer(
                "repair", (*messages, Message("user", wrong)), taken.sample, turns, base
            )
        except BudgetSpent:
            # The trial is paid for: its crash is the outcome.
            return None
        return replace(made, exchange=tuple(turns))

    async def close(self) -> None:
        await self._llm.close()

    async def _answer(
        self,
        purpose: Purpose,
        messages: tuple[Message, ...],
        number: int,
        turns: list[Turn],
        base: Mapping[str, str] | None,
    ) -> Implementation:
        """One answer and its revisions, each noted in `turns` as soon as it is there."""
        shared = self._shared if base is None else problem_text(self._problem, base)
        for _ in range(1 + self._revisions):
            request = Request(purpose, self._system, shared, messages, number)
            try:
                response = await self._llm.complete(request)
            except NoReply as error:
                made = Implementation("not_implemented", detail=f"the model gave no reply: {error}")
                turns.append(_turn(request, None, made.detail))
                return made
            made = await asyncio.to_thread(read_answer, self._problem, response, base)
            turns.append(_turn(request, response, made.detail))
            if made.status == "completed" or response.stop == "refusal":
                break
            given = Message("assistant", _shown(response.text))
            wrong = Message("user", revision_text(made.detail))
            messages, purpose = (*messages, given, wrong), "revise"
        return made


def _shown(answer: str) -> str:
    """An answer as its writer is shown it again."""
    return answer.strip()[:LONGEST_ANSWER] or "(an empty answer)"


def read_answer(
    problem: Problem, response: Response, base: Mapping[str, str] | None = None
) -> Implementation:
    """What an answer makes of the baseline or another codebase, or what is wrong with it, told to
    its writer."""
    if response.stop == "refusal":
        said = " ".join(response.text.split())[:200]
        return Implementation("not_implemented", detail=f"the model refused: {said}")
    if response.stop == "length":
        return Implementation(
            "not_implemented",
            detail="the answer was cut off at its bound of tokens: write a shorter one, with fewer "
            "words around the edit and fewer unchanged lines in it",
        )
    made = apply_idea(problem, response.text, base)
    if made.status != "completed":
        return made
    before = problem.codebase if base is None else base
    problems = source_problems(before, made.files, problem.file.run.preload)
    if not problems:
        return made
    return Implementation("not_implemented", detail="\n".join(problems[:MOST_PROBLEMS]))


async def _first_completed(tasks: Sequence[asyncio.Task[Implementation]]) -> Implementation:
    """The first implementation that is complete; without one, why the first sample has none."""
    pending = set(tasks)
    failures: list[Implementation] = []
    final: LLMError | None = None
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in sorted(done, key=tasks.index):
            try:
                made = task.result()
            except LLMError as error:
                final = error
                continue
            if made.status == "completed":
                return made
            failures.append(made)
    if final:
        raise final
    # One sample that broke no rule shows that the idea did not ask for it.
    return next((made for made in failures if made.status != "rejected"), failures[0])


def _log_lost(idea: Idea, number: int, error: Exception) -> None:
    """Tells of a sample's error that the idea does not end with, and of its cause."""
    _log.warning("sample %d of idea %s failed: %s", number, idea.id, clean_line(str(error), 500))
    _log.debug("%s", cause_of(error))


def _turn(request: Request, response: Response | None, problem: str) -> Turn:
    asked = request.messages[-1].text
    turn = Turn(request.sample, request.purpose, asked, problem=problem)
    if response is None:
        return turn
    return replace(
        turn,
        answer=response.text,
        thinking=response.thinking,
        stop=response.stop,
        model=response.model,
        usage=asdict(response.usage),
        cost=response.cost,
        seconds=response.seconds,
    )


# --- what the model is told -----------------------------------------------------------------------


def filled(name: str, **values: object) -> str:
    """The prompt of this name with its placeholders filled in."""
    text = (files("executor.implementer") / "prompts" / f"{name}.md").read_text(encoding="utf-8")
    return Template(text).substitute(values).strip() + "\n"


def system_text(edit_format: EditFormat) -> str:
    """What the model is, and the form of its answers."""
    return filled("system", quoted=QUOTED, format=filled(f"format_{edit_format}"))


def question_text(idea: str) -> str:
    """The task of one idea."""
    return filled("implement", idea=quoted(idea.strip(), LONGEST_IDEA))


def revision_text(problem: str) -> str:
    """What is asked of the writer of an answer that could not be taken."""
    return filled("revise", problem=quoted(problem, LONGEST_PROBLEM))


def problem_text(problem: Problem, base: Mapping[str, str] | None = None) -> str:
    """The problem's task, its rules and the whole codebase: the same for each idea that changes it.
    What of another codebase than the baseline others wrote is quoted."""
    file = problem.file
    files = problem.codebase if base is None else base
    listed = [] if base is None else [CHANGED]
    for path, text in files.items():
        is_own = problem.codebase.get(path) == text
        listed.append(_listed(path, text) if is_own else _quoted(path, text))
    return filled(
        "problem",
        title=file.title,
        task=file.task.strip(),
        editable=file.files.editable_in_words,
        frozen=", ".join(file.files.frozen) or "(none)",
        seconds=f"{file.budget.seconds:g}",
        kind={"cpu": "processor", "wall": "wall-clock"}[file.budget.kind],
        cpus=file.resources.cpus,
        gpus=file.resources.gpus,
        memory=f"{file.resources.memory_gb:g}",
        reward=file.reward.in_words(),
        codebase="\n".join(listed),
    )


def _listed(path: str, text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{path}\n{fence}\n{text.rstrip()}\n{fence}\n"


def _quoted(path: str, text: str) -> str:
    return f"{clean_line(path, LONGEST_PATH)}\n{quoted(text, MAX_FILE_BYTES)}\n"
