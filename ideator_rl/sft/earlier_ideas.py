"""The best ideas of earlier searches: completed, measured on the same problem, ranked by reward.

ideas = earlier_ideas(Store("store"), problem, searches="*", top=0.2)
ideas = claimed_ideas(Store("store"), problem, claims="theirs", top=0.2)      # of imported sets
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

import yaml

from executor.problem.problem import Problem
from executor.records import Idea, Outcome
from executor.run_records import read_start
from executor.store.runs import RunFolder, Store
from executor.trial_keys import BASELINE
from ideator_rl.claims.claim import as_idea
from ideator_rl.claims.kept_claims import read_claims, read_import


def earlier_ideas(store: Store, problem: Problem, searches: str, top: float) -> list[Idea]:
    """The share `top` of the distinct completed ideas with the highest rewards, best first.

    `searches` is a pattern over the names of runs. Runs of training are never among them: what one
    model has learnt is no start for another that is compared with it.
    """
    names = [name for name in store.runs() if fnmatchcase(name, searches)]
    runs = [run for run in map(store.run, names) if _searched(run, problem)]
    best: dict[str, tuple[float, Idea]] = {}
    for run in runs:
        for idea, outcome in _measured(run):
            if idea.text not in best or best[idea.text][0] < outcome.reward:
                best[idea.text] = (outcome.reward, idea)
    return _top(best, top)


def claimed_ideas(store: Store, problem: Problem, claims: str, top: float) -> list[Idea]:
    """The same of the ideas in imported sets on this problem, ranked by what is claimed of them.

    `claims` is a pattern over the names of runs. Claims only choose what is imitated.
    """
    best: dict[str, tuple[float, Idea]] = {}
    for run in (store.run(name) for name in store.runs() if fnmatchcase(name, claims)):
        imported = read_import(run)
        for claim in read_claims(run) if imported and imported.problem == problem.name else ():
            reward = claim.reward if claim.reward is not None and claim.succeeded else -math.inf
            if reward > best.get(claim.text, (-math.inf,))[0]:
                best[claim.text] = (reward, as_idea(claim))
    return _top(best, top)


def _top(best: Mapping[str, tuple[float, Idea]], share: float) -> list[Idea]:
    ranked = sorted(best.values(), key=lambda entry: (-entry[0], entry[1].text))
    return [idea for _, idea in ranked[: math.ceil(share * len(ranked))]]


def _searched(run: RunFolder, problem: Problem) -> bool:
    """Whether a run is a search on this very problem, so that its rewards compare."""
    kept = yaml.safe_load(run.recipe() or "")
    if not isinstance(kept, dict) or "search" not in kept:
        return False
    start = read_start(run)
    # The version takes the prepared data: it is asked for only where the name fits.
    return start is not None and start.problem == problem.name and start.version == problem.version


def _measured(run: RunFolder) -> Iterator[tuple[Idea, Outcome]]:
    """The completed trials with the run's own seed, the baseline's left out, and what edits another
    idea's codebase: no prompt of a warm start shows that."""
    for key in run.trials():
        idea, outcome = run.idea(key), run.outcome(key)
        if idea and outcome and outcome.completed and key == idea.id != BASELINE and not idea.base:
            yield idea, outcome
