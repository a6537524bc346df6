from __future__ import annotations

from concurrent.futures import Future

import pytest

pytest.importorskip("ray")

from executor import Outcome
from ideator_rl.rl.failures import RunFailed
from ideator_rl.rl.parts import open_parts
from ideator_rl.rl.train_recipe import LearntEnvSettings, TrainRecipe
from ideator_rl.rl.watch import Baselines, check_baselines

ENVS = (LearntEnvSettings("digits"), LearntEnvSettings("grpo-tiny", unit=0.01))


def _ended(status: str, reward: float = 0.0) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    outcome = Outcome("baseline", status, reward, detail="used 2.0 of 2 CPU seconds")
    future.set_result(outcome)
    return future


def test_a_baseline_that_fails_ends_the_run_and_one_that_runs_does_not():
    [part] = open_parts(TrainRecipe(env="digits", run="a"))
    check_baselines([Baselines(part, [_ended("completed"), Future()])])
    with pytest.raises(RunFailed, match=r"baseline of digits did not complete \(timeout: used 2"):
        check_baselines([Baselines(part, [_ended("completed"), _ended("timeout")])])


def test_of_several_problems_one_whose_baseline_has_no_noise_ends_the_run():
    digits, grpo = open_parts(TrainRecipe(env="several", run="a", envs=ENVS))
    steady = [_ended("completed", 0.5), _ended("completed", 0.5)]
    # The recipe says the unit of the other one, and one baseline may still be another.
    check_baselines([Baselines(grpo, steady), Baselines(digits, [*steady, Future()])])
    with pytest.raises(RunFailed, match="the baseline of digits earns the same with every seed"):
        check_baselines([Baselines(grpo, steady), Baselines(digits, steady)])
