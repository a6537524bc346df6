"""The problems of a training as its trainer has them: what is asked, and what answers are worth.

    problems = Problems([LearntProblem(learning, executor)], groups=8, staleness=0)
    problems.of_group(step=3, row=1).prompt(3, 1)      # what a group is asked
    problems.advantages(uids, infos, rewards_B)        # one for each answer
    problems.figures(3, infos, metrics_path)           # for metrics.jsonl

Each group of a step is about one problem, and they take turns by weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from executor import Store
from executor.cluster.remote import RemoteExecutor
from executor.errors import UserError
from ideator_rl.analysis.metrics_file import best_before
from ideator_rl.ideators.archive import Archive
from ideator_rl.ideators.archive_prompts import Prompt
from ideator_rl.ideators.language_model.chat import style_prompt
from ideator_rl.recipe.shares import Shares
from ideator_rl.rl.imitated_answers import AnswerMaker
from ideator_rl.rl.objectives.group import Floats
from ideator_rl.rl.objectives.imitation import StepImitation
from ideator_rl.rl.objectives.step import Info, Learning, StepAdvantages
from ideator_rl.rl.step_kinds import step_kinds
from ideator_rl.rl.step_metrics import several_metrics, step_metrics
from ideator_rl.rl.step_prompts import StepPrompts
from ideator_rl.run_parts import whole_of


class LearntProblem:
    """One of them: its run, its executor, what its steps ran and show."""

    def __init__(self, learning: Learning, executor: RemoteExecutor) -> None:
        self.learning, self.executor = learning, executor
        self.name = learning.problem
        self.run = Store(learning.store).run(learning.run)
        self.step = StepAdvantages(learning, executor)
        self.prompts: StepPrompts | None = None

    def show_earlier(
        self, fits: Callable[[str], bool], without_marks: Callable[[str], str]
    ) -> None:
        """Prompts show earlier ideas from now on, where the recipe says so; see `StepPrompts`."""
        learning = self.learning
        if learning.prompts.kind != "fixed":
            self.prompts = StepPrompts(
                learning.prompts,
                self.run,
                learning.seeds[0],
                self._first(without_marks),
                fits,
                without_marks,
            )

    def prompt(self, step: int, row: int) -> Prompt:
        """What a group is asked."""
        if self.prompts:
            return self.prompts.prompt(step, row)
        return Prompt(style_prompt(self.executor.problem, self.learning.style))

    def _first(self, without_marks: Callable[[str], str]) -> Callable[[str], str]:
        """See `StepPrompts`."""

        @lru_cache(maxsize=64)
        def first(base: str) -> str:
            if not base:
                return style_prompt(self.executor.problem, self.learning.style)
            if not (files := self.run.codebase(base)):
                raise UserError(f"{self.run.url}: the code of idea {base} is gone; put it back")
            code = {path: without_marks(text) for path, text in files.items()}
            return style_prompt(self.executor.problem, self.learning.style, code)

        return first

    def imitation(
        self,
        tokenizer: Any,
        fits: Callable[[str], bool],
        without_marks: Callable[[str], str],
        template: Mapping[str, Any],
    ) -> StepImitation | None:
        """What is imitated of it, where the recipe imitates; see `AnswerMaker`."""
        learning = self.learning
        if learning.imitation is None:
            return None
        archive = self.prompts.archive if self.prompts else Archive(self.run)
        maker = AnswerMaker(
            tokenizer,
            self._first(without_marks),
            archive.ideas,
            fits,
            without_marks,
            learning.longest,
            **template,
        )
        return StepImitation(learning.imitation, self.run, archive, maker)

    def figures(self, infos: Sequence[Info], best: float) -> dict[str, float]:
        """Of its answers in a step; `best` is the best reward before."""
        return {
            **step_metrics(infos, best),
            **step_kinds(self.run, self.executor.problem.codebase, infos),
            "codebases/new": self.step.new(infos),
        }


class Problems:
    """One problem, or several; `run` is that of the training. `groups` and `staleness` are those of
    the recipe."""

    def __init__(self, each: Sequence[LearntProblem], groups: int, staleness: int) -> None:
        self.each, self._groups, self._staleness = each, groups, staleness
        first = each[0].learning
        self._shares = Shares([one.learning.weight for one in each], first.seeds[0])
        self._several = first.comparable
        own = each[0].run
        self.run = whole_of(own) or own

    def of_group(self, step: int, row: int) -> LearntProblem:
        """What a group is about, by the step that asks it and its row among the prompts."""
        return self.each[self._shares.at(group_number(step, row, self._groups, self._staleness))]

    def advantages(self, uids: Sequence[str], infos: Sequence[Info], rewards_B: Floats) -> Floats:
        """See `StepAdvantages`."""
        found_B = np.zeros(len(infos))
        for problem, rows in self._rows(infos):
            own, their_uids = [infos[row] for row in rows], [uids[row] for row in rows]
            found_B[rows] = problem.step.advantages(their_uids, own, rewards_B[rows])
        return found_B

    def unseen(self, infos: Sequence[Info]) -> float | None:
        """See `StepAdvantages`; of several problems over all their answers that became code."""
        coded = [
            (shares, sum(bool(infos[row]["content_hash"]) for row in rows))
            for problem, rows in self._rows(infos)
            if (shares := problem.step.unseen([infos[row] for row in rows])) is not None
        ]
        answers = sum(count for _, count in coded)
        return sum(share * count for share, count in coded) / answers if coded else None

    def executed(self, step: int) -> int:
        """See `StepAdvantages`; of all problems together."""
        return sum(problem.step.executed(step) for problem in self.each)

    def figures(self, step: int, infos: Sequence[Info], metrics: Path) -> dict[str, float]:
        """Of the answers of a step; of several problems those of each begin with its name."""
        if not self._several:
            return self.each[0].figures(infos, best_before(metrics, step))
        gains: list[float] = []
        found: dict[str, float] = {}
        for problem, rows in self._rows(infos):
            own = [infos[row] for row in rows]
            gains += problem.step.gains(own).tolist()
            best = best_before(metrics, step, f"{problem.name}/reward/max")
            figures = problem.figures(own, best)
            found |= {f"{problem.name}/{name}": value for name, value in figures.items()}
        best = best_before(metrics, step, "gain/max")
        return {**several_metrics(infos, gains, best), **found}

    def _rows(self, infos: Sequence[Info]) -> list[tuple[LearntProblem, list[int]]]:
        """Where the answers of each problem are; without problems that have none."""
        rows = [
            (problem, [row for row, info in enumerate(infos) if info["problem"] == problem.name])
            for problem in self.each
        ]
        return [(problem, own) for problem, own in rows if own]


def group_number(step: int, row: int, groups: int, staleness: int) -> int:
    """The how manieth group of a run is asked, from 0.

    Rows of prompts are asked in turn, `groups` at a time. The first step asks `staleness` times
    more than the others, and there are as many rows as it asks, so that row and step tell it.
    """
    behind, place = divmod(row, groups)
    batch = step - 1 + (behind - (step - 1)) % (staleness + 1)
    return batch * groups + place
