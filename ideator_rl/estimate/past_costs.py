"""What earlier runs of a store have cost: the ground on which a price is estimated.

    past = read_past(recipe, problem)            # writes nothing; an empty Past without a store
    past.trial_s                                 # mean wall seconds of an idea's trial, or None

Runs count when they are about the same problem, with the same fields overridden; their requests to
a language model count when the recipe asks the same model in the same role.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from executor.budget import BASELINE
from executor.errors import DamagedRecord, StoreError
from executor.problem import Problem
from executor.records import Outcome
from executor.run_records import read_sessions, read_start
from executor.settings import to_dict
from executor.store.runs import RunFolder, Store
from ideator_rl.analysis.run_data import AskedData, read_requests
from ideator_rl.recipe import SearchRecipe

# The latest ones tell enough, and a store may hold hundreds.
MOST_RUNS = 10


@dataclass(frozen=True)
class Past:
    """Means over what has ended; None where there is nothing to learn from.

    `idea_bytes` is the length of an idea, `idea_tokens` what was written for one. `edit_tokens` and
    `edit_s` are of an implementer's answer, `prompt_tokens` of its first question, `ideation_s` of
    an ideator's. `revised` are revisions for each first answer; `executed`, `above`, `repaired`
    are shares of ideas: those that took a trial of their own, those above the baseline, those whose
    first codebase crashed at once.
    """

    runs: tuple[str, ...] = ()
    trial_s: float | None = None
    baseline_s: float | None = None
    executed: float | None = None
    above: float | None = None
    repaired: float | None = None
    idea_bytes: float | None = None
    idea_tokens: float | None = None
    ideation_s: float | None = None
    edit_tokens: float | None = None
    edit_s: float | None = None
    prompt_tokens: float | None = None
    revised: float | None = None


def read_past(recipe: SearchRecipe, problem: Problem) -> Past:
    """A store that is not there, or not to be reached, has no past."""
    # Opening a folder makes it.
    if "://" not in recipe.store and not Path(recipe.store).expanduser().is_dir():
        return Past()
    try:
        return _read(Store(recipe.store), recipe, problem)
    except StoreError:
        return Past()


def _read(store: Store, recipe: SearchRecipe, problem: Problem) -> Past:
    known = []
    for name in store.runs():
        run = store.run(name)
        kept = _recipe(run)
        if kept.get("problem", {}) == recipe.problem and (began := _began(run, problem)):
            known.append((began, run, kept))
    latest = sorted(known, key=lambda found: found[0])[-MOST_RUNS:]
    ideators, implementers, trials = [], [], []
    for _, run, kept in latest:
        trials.append(_Trials.of(run))
        if _model(kept, "ideator") == _model(to_dict(recipe), "ideator"):
            ideators.append((len(trials[-1].ideas), read_requests(run, "ideator")))
        if _model(kept, "implementer") == _model(to_dict(recipe), "implementer"):
            implementers += read_requests(run, "implementer")
    return Past(
        runs=tuple(run.name for _, run, _ in latest),
        **_of_trials(trials),
        **_of_ideation(ideators),
        **_of_implementation(implementers),
    )


def _began(run: RunFolder, problem: Problem) -> float | None:
    """The Unix time of a run's last session; None for one about something else."""
    try:
        start, sessions = read_start(run), read_sessions(run)
    except DamagedRecord:
        return None
    same = start is not None and start.problem == problem.name
    return sessions[-1].began if same and sessions else None


@dataclass(frozen=True)
class _Trials:
    """Of one run: lengths of its ideas' texts, and the outcomes of ideas and baseline."""

    ideas: Sequence[Outcome]
    baselines: Sequence[Outcome]
    lengths: Sequence[int]

    @classmethod
    def of(cls, run: RunFolder) -> _Trials:
        ideas, baselines, lengths = [], [], []
        for key in run.trials():
            outcome = run.outcome(key)
            if outcome is None:
                continue
            if outcome.idea_id == BASELINE:
                baselines.append(outcome)
            elif key == outcome.idea_id:
                ideas.append(outcome)
                idea = run.idea(key)
                lengths.append(len(idea.text.encode(errors="replace")) if idea else 0)
        return cls(ideas, baselines, lengths)


def _of_trials(runs: Sequence[_Trials]) -> dict[str, float | None]:
    ideas = [outcome for run in runs for outcome in run.ideas]
    baselines = [outcome for run in runs for outcome in run.baselines]
    own = [o for o in ideas if o.stage != "implement" and not o.cached]
    above = 0
    for run in runs:
        rewards = [outcome.reward for outcome in run.baselines if outcome.completed]
        mean = statistics.fmean(rewards) if rewards else float("inf")
        above += sum(outcome.completed and outcome.reward > mean for outcome in run.ideas)
    return {
        "trial_s": _mean(own, lambda outcome: outcome.duration_s),
        "baseline_s": _mean(baselines, lambda outcome: outcome.duration_s),
        "executed": len(own) / len(ideas) if ideas else None,
        "above": above / len(ideas) if ideas and baselines else None,
        "repaired": sum(o.repaired for o in ideas) / len(ideas) if ideas else None,
        "idea_bytes": _mean([n for run in runs for n in run.lengths], float),
    }


def _of_ideation(runs: Sequence[tuple[int, Sequence[AskedData]]]) -> dict[str, float | None]:
    answers = [asked for _, requests in runs for asked in requests if asked.seconds]
    ideas = sum(count for count, requests in runs if requests)
    written = sum(asked.cost.output for asked in answers)
    return {
        "idea_tokens": written / ideas if ideas and written else None,
        "ideation_s": _mean(answers, lambda asked: asked.seconds),
    }


def _of_implementation(requests: Sequence[AskedData]) -> dict[str, float | None]:
    counts = Counter(asked.purpose for asked in requests)
    answers = [asked for asked in requests if asked.seconds]
    first = [asked for asked in answers if asked.purpose == "implement" and asked.cost.prompt]
    return {
        "edit_tokens": _mean(answers, lambda asked: asked.cost.output),
        "edit_s": _mean(answers, lambda asked: asked.seconds),
        "prompt_tokens": _mean(first, lambda asked: asked.cost.prompt),
        "revised": counts["revise"] / counts["implement"] if counts["implement"] else None,
    }


def _mean(items: Iterable[Any], value: Callable[[Any], float]) -> float | None:
    """None for no items, and for a mean of nothing."""
    values = [value(item) for item in items]
    return statistics.fmean(values) or None if values else None


def _recipe(run: RunFolder) -> dict[str, Any]:
    try:
        kept = yaml.safe_load(run.recipe() or "")
    except yaml.YAMLError:
        kept = None
    # Without one, nobody knows which fields of the problem were overridden.
    return kept if isinstance(kept, dict) else {"problem": None}


def _model(recipe: dict[str, Any], section: str) -> str | None:
    settings = recipe.get(section)
    llm = settings.get("llm") if isinstance(settings, dict) else None
    return str(llm["model"]) if isinstance(llm, dict) and "model" in llm else None
