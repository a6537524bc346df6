"""A run as it stands in the store, small enough to be held in memory whole.

    data = load_run(Store("store").run("digits-evolution-seed0"))
    max(data.ideas, key=lambda trial: trial.reward).text

Only trials with an outcome are here; the others are counted. Texts are cut to a bound and cleaned,
see `executor.text.outside_text`: every one can be written as UTF-8, and holds nothing that is not
seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import yaml

from executor.errors import UserError
from executor.llm.journal import Journal, JournalEntry
from executor.llm.records import Purpose
from executor.records import Idea, Outcome
from executor.run_records import RunSession, RunStart, read_sessions, read_start
from executor.store.open import open_storage
from executor.store.runs import RunFolder
from executor.store.threads import THREADS, in_threads
from executor.trial_keys import BASELINE
from ideator_rl.analysis.confirmed import (
    Confirmation,
    Plan,
    confirmed_elsewhere,
    judge,
    read_plans,
    winners_of,
)
from ideator_rl.analysis.cost import NOTHING, Cost
from ideator_rl.analysis.idea_kinds import Change, change_of
from ideator_rl.analysis.metrics_file import METRICS, parse_steps, steps_of
from ideator_rl.analysis.shown_text import MAX_TEXT_CHARS, clean, idea_title, tail
from ideator_rl.run_parts import parts_of, whole_of

# The journals of a run's requests to language models, below `llm/`.
ASKERS = ("ideator", "implementer")


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


def load_run(run: RunFolder) -> RunData:
    """Reads a run, finished or not. Raises UserError when the folder holds none."""
    with ThreadPoolExecutor(THREADS) as threads:
        # All at once, since a store may be far away.
        listed, started = threads.submit(run.trials), threads.submit(read_start, run)
        in_parts = threads.submit(parts_of, run)
        reading = [threads.submit(read_requests, run, asker) for asker in ASKERS]
        recipe, logged = threads.submit(run.recipe), threads.submit(run.events)
        sessions, plans = threads.submit(read_sessions, run), threads.submit(read_plans, run)
        whose, other_runs = (
            threads.submit(winners_of, run),
            threads.submit(confirmed_elsewhere, run),
        )
        keys, start = listed.result(), started.result()
        outcomes = threads.submit(run.outcomes, keys)
        steps = threads.submit(_steps, run, start.problem if start else "")
        # A run has one problem, and its trials need the same of a machine.
        gpus = threads.submit(lambda: next((job.gpus for job in map(run.job, keys) if job), 0))
        parts = in_parts.result()
    if not keys and start is None and not parts:
        raise UserError(f"{run.url} holds no run; check the store and the run's name")
    requests = [asked for read in reading for asked in read.result()]
    ended, events = outcomes.result(), logged.result()
    slot_s = trial_seconds(events)
    unpatched_keys = [key for key, outcome in ended.items() if outcome.idea_id == BASELINE]
    baseline = {ended[key].seed: ended[key] for key in unpatched_keys}
    baseline_s = {ended[key].seed: slot_s.get(key, 0.0) for key in unpatched_keys}
    trees = (run.codebase(key, repaired=False) for key in unpatched_keys)
    unpatched = next(filter(None, trees), None)

    def read_trial(key: str) -> TrialData:
        return _trial(run, key, ended[key], unpatched, slot_s.get(key, 0.0), asked=bool(requests))

    trials = in_threads(read_trial, [key for key in ended if ended[key].idea_id != BASELINE])
    trials.sort(key=lambda trial: (trial.finished_at, trial.key))
    return RunData(
        name=run.name,
        url=run.url,
        recipe=clean(recipe.result() or "", MAX_TEXT_CHARS),
        start=start,
        sessions=tuple(sessions.result()),
        plans=tuple(plans.result()),
        trials=tuple(trials),
        baseline=dict(sorted(baseline.items())),
        baseline_s=baseline_s,
        events=tuple(events),
        unfinished=len(keys) - len(ended),
        steps=steps.result(),
        requests=tuple(requests),
        gpus=gpus.result(),
        winners_of=whose.result(),
        # Those that confirm have nothing confirmed themselves.
        elsewhere=() if whose.result() else tuple(map(load_run, other_runs.result())),
        parts=tuple(map(load_run, parts)),
    )


def _steps(run: RunFolder, problem: str) -> dict[int, dict[str, float]]:
    whole = whole_of(run)
    text = open_storage((whole or run).url).read(METRICS) or b""
    steps = parse_steps(text.decode(errors="replace"))
    return steps_of(steps, problem) if whole else steps


def trial_seconds(events: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of a slot by trial: of everything that workers ran for it, a codebase that was
    repaired included; nothing where an identical codebase had run before."""
    found: dict[str, float] = {}
    for event in events:
        if event.get("event") == "trial":
            key = str(event.get("key", ""))
            found[key] = found.get(key, 0.0) + event["ended"] - event["started"]
    return found


def read_requests(run: RunFolder, asker: str) -> list[AskedData]:
    """The requests that a run's ideator or implementer has made; leaves no folder behind."""
    if not open_storage(run.url).list(f"llm/{asker}"):
        return []
    return [_asked(entry) for entry in Journal(f"{run.url}/llm/{asker}").entries()]


def _asked(entry: JournalEntry) -> AskedData:
    spent = entry.spent + entry.at_risk
    told = asdict(entry.response.usage) if entry.response else {}
    other = max(0, spent.tokens - sum(told.values()))
    cost = Cost(calls=spent.calls, **told, other=other, money=spent.money)
    return AskedData(entry.purpose, cost, entry.response.seconds if entry.response else 0.0)


def _paid(run: RunFolder, key: str, idea: Idea) -> Cost:
    share = idea.meta.get("cost")
    # `meta` is the ideator's own, who may be anybody's.
    paid = Cost(money=share) if isinstance(share, float) and math.isfinite(share) else NOTHING
    for turn in run.exchange(key):
        if turn.usage:
            paid += Cost(calls=1, **turn.usage, money=turn.cost)
    return paid


def _trial(
    run: RunFolder,
    key: str,
    outcome: Outcome,
    unpatched: Mapping[str, str] | None,
    slot_s: float,
    *,
    asked: bool,
) -> TrialData:
    idea = run.idea(key) or Idea(outcome.idea_id, "")
    files = run.codebase(key, repaired=outcome.repaired) if unpatched else None
    shown = vars(outcome) | {
        "idea_id": clean(outcome.idea_id),
        "metrics": {clean(name): value for name, value in outcome.metrics.items()},
        "final": {clean(name): value for name, value in outcome.final.items()},
        "detail": clean(outcome.detail, MAX_TEXT_CHARS),
    }
    return TrialData(
        **shown,
        key=key,
        epoch=idea.epoch,
        origin=clean(idea.origin),
        parents=tuple(clean(parent) for parent in idea.parents),
        base=clean(idea.base),
        title=idea_title(idea),
        text=clean(idea.text, MAX_TEXT_CHARS),
        thinking=clean(str(idea.meta.get("thinking") or ""), MAX_TEXT_CHARS),
        diff=clean(run.diff(key, repaired=outcome.repaired), MAX_TEXT_CHARS),
        base_diff=clean(run.base_diff(key, repaired=outcome.repaired), MAX_TEXT_CHARS)
        if idea.base
        else "",
        log_tail=tail(run.log(key, repaired=outcome.repaired)),
        change=change_of(unpatched, files) if unpatched and files else None,
        slot_s=slot_s,
        paid=_paid(run, key, idea) if asked and key == idea.id else NOTHING,
    )
