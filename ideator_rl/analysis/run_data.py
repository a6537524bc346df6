"""A run as it stands in the store, small enough to be held in memory whole; `read_run.py` reads it.

    data = load_run(Store("store").run("digits-evolution-seed0"))
    max(data.ideas, key=lambda trial: trial.reward).text

Only trials with an outcome are here; the others are counted. Texts are cut to a bound and cleaned,
see `executor.text.outside_text`: every one can be written as UTF-8, and holds nothing that is not
seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from executor.llm.records import Purpose
from executor.records import Outcome
from executor.run_records import RunSession, RunStart
from executor.trial_keys import BASELINE
from ideator_rl.analysis.confirmed import Confirmation, Plan, judge
from ideator_rl.analysis.cost import Cost
from ideator_rl.analysis.idea_kinds import Change
from ideator_rl.analysis.shown_text import clean


@dataclass(frozen=True, kw_only=True)
class TrialData(Outcome):
    """The outcome of a trial, its texts cleaned, with what was tried and what that took.

    `base` is the idea whose codebase it changes, and `base_diff` how; empty for the baseline's.
    `title` is one line on the idea, `thinking` what its ideator wrote before it, `log_tail` the
    log's last lines; `reward` is what the ideator got, and `measured` says whether it comes from a
    measurement. `change` is how its codebase differs from the baseline, None where either is not
    there. `slot_s` are seconds of a slot that it took in this run. `paid` is the idea's share
    of its ideator's replies, and the answers of its implementer; what was paid for requests that
    were cancelled or failed is in the run's `requests` only.
    """

    key: str
    epoch: int
    origin: str
    parents: tuple[str, ...]
    base: str
    title: str
    text: str
    thinking: str
    diff: str
    base_diff: str
    log_tail: str
    change: Change | None
    slot_s: float
    paid: Cost

    @property
    def measured(self) -> bool:
        return self.status == "completed" and math.isfinite(self.reward)


@dataclass(frozen=True)
class AskedData:
    """A request to a language model: what every attempt at it has cost, one without an end at the
    most that it can; `seconds` is how long the answer took, 0 where there is none."""

    purpose: Purpose
    cost: Cost
    seconds: float


@dataclass(frozen=True)
class RunData:
    """A run. `trials` are in the order in which they finished, `baseline` is by seed, `steps` are
    the figures of a training run by step, `requests` those to language models, `gpus` a slot's.
    `baseline_s` are seconds of a slot by seed, `plans` the confirmations that began; `start` is
    None where no executor has begun the run. `elsewhere` are the runs that confirmed its winners as
    other problems, and `winners_of` names the run whose winners this one confirms; `parts` are the
    runs of the problems of a training on several, whose figures a part shares."""

    name: str
    url: str
    recipe: str
    start: RunStart | None
    sessions: tuple[RunSession, ...]
    plans: tuple[Plan, ...]
    trials: tuple[TrialData, ...]
    baseline: Mapping[int, Outcome]
    baseline_s: Mapping[int, float]
    events: tuple[Mapping[str, Any], ...]
    unfinished: int
    steps: Mapping[int, Mapping[str, float]]
    requests: tuple[AskedData, ...]
    gpus: int
    winners_of: str
    elsewhere: tuple[RunData, ...]
    parts: tuple[RunData, ...] = ()

    @cached_property
    def ideas(self) -> tuple[TrialData, ...]:
        """One trial an idea: that with the run's own seed if it has ended, else another."""
        first: dict[str, TrialData] = {}
        for trial in sorted(
            self.trials, key=lambda trial: (trial.key != trial.idea_id, trial.seed)
        ):
            first.setdefault(trial.idea_id, trial)
        return tuple(trial for trial in self.trials if first[trial.idea_id] is trial)

    @cached_property
    def repeats(self) -> Mapping[str, tuple[TrialData, ...]]:
        """By idea, its other trials in the order of their seeds; only ideas that have some."""
        first = {trial.key for trial in self.ideas}
        found: dict[str, tuple[TrialData, ...]] = {}
        for trial in sorted(self.trials, key=lambda trial: trial.seed):
            if trial.key not in first:
                found[trial.idea_id] = (*found.get(trial.idea_id, ()), trial)
        return found

    @cached_property
    def confirmation_seeds(self) -> frozenset[int]:
        """The fresh seeds of every confirmation that began."""
        return frozenset(seed for plan in self.plans for seed in plan.seeds)

    @cached_property
    def search_baseline(self) -> tuple[float, ...]:
        """The rewards that the gain of a search is measured against, one a seed: the completed
        trials of the baseline that ran beside the search. Confirmations have their own."""
        return tuple(
            outcome.reward
            for seed, outcome in self.baseline.items()
            if outcome.completed and seed not in self.confirmation_seeds
        )

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """What the confirmation that began last found; None where none began."""
        if not self.plans:
            return None
        trials: dict[tuple[str, int], Outcome] = {(t.idea_id, t.seed): t for t in self.trials}
        trials |= {(BASELINE, seed): outcome for seed, outcome in self.baseline.items()}
        first = {trial.idea_id: trial.reward for trial in self.ideas}
        return judge(self.plans[-1], None if self.winners_of else first, trials)

    @property
    def problem(self) -> str:
        """The problem's name; empty when no executor has recorded one."""
        return clean(self.start.problem) if self.start else ""

    @property
    def metric(self) -> str:
        """The metric from which rewards are made; empty when no executor has recorded one."""
        return clean(self.start.reward.metric) if self.start else ""

    @property
    def reward(self) -> str:
        """How that metric makes the reward, in words; empty when no executor has recorded it."""
        return clean(self.start.reward.in_words()) if self.start else ""

    @cached_property
    def sandboxes(self) -> tuple[str, ...]:
        """How code was locked in, in the order of the sessions; each way once."""
        return tuple(dict.fromkeys(clean(session.sandbox) for session in self.sessions))

    @cached_property
    def idea_budget(self) -> int | None:
        """`budget.ideas` of the recipe."""
        try:
            ideas = yaml.safe_load(self.recipe)["budget"]["ideas"]
        except (yaml.YAMLError, KeyError, TypeError):
            return None
        return ideas if isinstance(ideas, int) else None
