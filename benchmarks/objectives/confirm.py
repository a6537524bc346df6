"""How good a run's best idea is, without the luck that made it the best.

The best codebases of a run meet again on three fresh seeds, and the best of them there is measured
on eight others, with the final part of the held-out data examined, too. The baseline is measured on
the same eight. All runs share these seeds.

The budget of a trial is twice the run's here: an idea that has kept it once, if only just, is asked
how good it is with other seeds, and not how busy the machine is meanwhile.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from concurrent.futures import Future

import msgspec

from executor import Executor, Idea, Outcome, Store
from gym_envs import find_problem
from ideator_rl.analysis import TrialData

FINALISTS, CHOOSING_SEEDS = 5, range(10_000, 10_003)
FRESH_SEEDS = range(10_100, 10_108)
ROOM = 2  # times the budget


class Confirmed(msgspec.Struct, frozen=True):
    """Mean rewards over the fresh seeds, on the examined part and on the final part; `spread` is
    the standard deviation of the winner's reward over the seeds. `winner` is its text."""

    reward: float
    final: float
    baseline: float
    baseline_final: float
    spread: float
    winner: str


def confirm(env: str, store: str, run: str, executed: Sequence[TrialData]) -> Confirmed:
    """Of the first executions of a run."""
    seconds = find_problem(env).file.budget.seconds
    problem = find_problem(env, {"budget.seconds": ROOM * seconds})
    best = sorted(executed, key=lambda trial: -trial.reward)[:FINALISTS]
    kept = Store(store).run(run)
    with Executor(problem, store=store, run=f"{run}-confirmed", sandbox="best-effort") as executor:

        def submit(trial: TrialData, seed: int, final: bool) -> Future[Outcome]:
            # Not its text, which may be an edit of an earlier idea's code.
            files = kept.codebase(trial.idea_id)
            assert files is not None, trial.idea_id
            idea = Idea(trial.idea_id, trial.text)
            return executor.submit_codebase(idea, files, seed=seed, final=final)

        again = [[submit(trial, seed, False) for seed in CHOOSING_SEEDS] for trial in best]
        means = [statistics.fmean(f.result().reward for f in futures) for futures in again]
        winner = best[means.index(max(means))]
        futures = [submit(winner, seed, True) for seed in FRESH_SEEDS]
        baselines = [executor.submit_baseline(seed, final=True) for seed in FRESH_SEEDS]
        trials = [future.result() for future in futures]
        unpatched = [future.result() for future in baselines]
    rewards = [trial.reward for trial in trials]
    return Confirmed(
        reward=statistics.fmean(rewards),
        final=final_mean(trials),
        baseline=statistics.fmean(trial.reward for trial in unpatched),
        baseline_final=final_mean(unpatched),
        spread=statistics.stdev(rewards),
        winner=winner.text,
    )


def final_mean(outcomes: Sequence[Outcome]) -> float:
    """A trial that failed has the failure's reward there, too."""
    return statistics.fmean(
        outcome.reward if outcome.final_reward is None else outcome.final_reward
        for outcome in outcomes
    )
