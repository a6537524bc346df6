from __future__ import annotations

from concurrent.futures import Future

import pytest

pytest.importorskip("ray")

from executor import Outcome
from gym_envs import find_problem
from ideator_rl.rl.failures import RunFailed
from ideator_rl.rl.watch import check_baselines


def _ended(status: str) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(Outcome("baseline", status, 0.0, detail="used 2.0 of 2 CPU seconds"))
    return future


def test_a_baseline_that_fails_ends_the_run_and_one_that_runs_does_not():
    problem = find_problem("digits")
    check_baselines(problem, [_ended("completed"), Future()])
    with pytest.raises(RunFailed, match=r"baseline of digits did not complete \(timeout: used 2"):
        check_baselines(problem, [_ended("completed"), _ended("timeout")])
