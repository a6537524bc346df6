"""From the answers of a step to advantages: what ran before, also before a restart."""

from __future__ import annotations

import random
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from executor import Executor, Outcome
from ideator_rl.rl.objectives.settings import GrpoObjective, MaxAtKObjective, Objective
from ideator_rl.rl.objectives.signal import SignalSettings
from ideator_rl.rl.objectives.step import (
    Learning,
    StepAdvantages,
    executed_by,
    first_steps,
    step_of,
)
from ideator_rl.rl.step_prompts import StepPromptsSettings
from tests.executor.runs import idea, tiny
from tests.ideator_rl.rl.objectives.test_objectives import OBJECTIVES


class Baselines:
    """Two baselines that have run."""

    def submit_baseline(self, seed: int) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_result(Outcome("baseline", "completed", 0.5 + 0.01 * seed))
        return future


def info(code: str, reward: float = 0.6, step: int = 1) -> dict[str, Any]:
    return {
        "idea_id": f"{step:04d}-{code}",
        "idea": f"idea of {code}",
        "content_hash": code,
        "completed": reward > 0,
        "status": "completed" if reward > 0 else "crashed",
        "thinking_tokens": 3,
    }


def learning(store: Path, objective: Objective, signal: SignalSettings) -> Learning:
    return Learning(objective, signal, 100, str(store), "first", (0, 1), StepPromptsSettings())


def test_groups_are_told_apart_however_their_answers_lie(tmp_path: Path) -> None:
    step = StepAdvantages(learning(tmp_path, GrpoObjective(), SignalSettings()), Baselines())
    infos = [info(name) for name in "abcd"]
    found = step.advantages(["x", "y", "x", "y"], infos, np.array([1.0, 5.0, 2.0, 5.0]))
    assert found == pytest.approx([-(0.5**0.5), 0, 0.5**0.5, 0], abs=1e-5)


def test_a_codebase_of_an_earlier_step_or_earlier_in_the_group_is_a_duplicate(
    tmp_path: Path,
) -> None:
    settings = learning(tmp_path, MaxAtKObjective(k=2), SignalSettings(duplicates="fail"))
    step = StepAdvantages(settings, Baselines())
    uids, rewards = ["x"] * 4, np.array([0.9, 0.9, 0.6, 0.7])
    infos = [info("a"), info("a"), info("b"), info("c")]
    found = step.advantages(uids, infos, rewards)
    assert (found > 0).tolist() == [True, False, False, True]
    assert step.new(infos) == step.unseen(infos) == 3 / 4
    assert step.executed(0) == 0 and step.executed(1) == 3
    infos = [info("a", step=2), info("d", step=2), info("e", step=2), info("", 0.0, step=2)]
    found = step.advantages(uids, infos, rewards)
    assert found[0] == 0 and found[1] > 0
    assert step.new(infos) == 2 / 4 and step.unseen(infos) == 2 / 3
    # The step is repeated after a kill: what it ran itself is no duplicate.
    again = step.advantages(uids, infos, rewards)
    assert again.tolist() == found.tolist()
    assert step.unseen([info("", 0.0, step=3)]) is None


def test_what_is_learnt_from_a_step_later_is_no_duplicate_of_itself(tmp_path: Path) -> None:
    with Executor(
        tiny(tmp_path / "tiny"), store=tmp_path, run="first", slots=1, sandbox="none"
    ) as executor:
        code = executor.submit(idea("0001-aa", 20)).result().content_hash
    # Restarted: the store has the trial of an answer that step 2 will learn from.
    step = StepAdvantages(learning(tmp_path, GrpoObjective(), SignalSettings()), Baselines())
    assert step.new([info(code, step=1)]) == 1 and step.new([info(code, step=2)]) == 0


def test_what_ran_before_a_restart_is_read_from_the_store(tmp_path: Path) -> None:
    problem = tiny(tmp_path / "tiny")
    with Executor(
        problem, store=tmp_path / "store", run="first", slots=2, sandbox="none"
    ) as executor:
        baseline = executor.submit_baseline().result()
        first = executor.submit(idea("0001-aa", 20)).result()
        executor.submit(idea("0002-bb", 20)).result()
        second = executor.submit(idea("0002-cc", 21)).result()
    found = first_steps(str(tmp_path / "store"), "first")
    assert found == {baseline.content_hash: 0, first.content_hash: 1, second.content_hash: 2}
    assert [step_of(key) for key in ("0012-ab", "baseline", "baseline.seed3")] == [12, 0, 0]
    # The baseline is none of training's executions.
    assert [executed_by(step, found) for step in range(4)] == [0, 1, 2, 2]


def test_the_estimator_of_grpo_is_verls() -> None:
    torch = pytest.importorskip("torch")
    core = pytest.importorskip("verl.trainer.ppo.core_algos")
    from ideator_rl.rl.objectives.settings import advantages
    from tests.ideator_rl.rl.objectives.test_objectives import group

    values = [0.3, 0.9, 0.0, 0.7, 0.7]
    rewards_BT = torch.zeros(5, 3)
    rewards_BT[:, -1] = torch.tensor(values)
    index = np.array(["x"] * 5, dtype=object)
    for normalize in (True, False):
        theirs, _ = core.compute_grpo_outcome_advantage(
            rewards_BT, torch.ones(5, 3), index, norm_adv_by_std_in_grpo=normalize
        )
        ours = advantages(GrpoObjective(normalize=normalize), group(values))
        assert theirs[:, 0].tolist() == pytest.approx(ours.tolist(), abs=1e-5)


SHORTEST_STEP_S = 3.7  # of 64 answers under verl alone, docs/training.md


@pytest.mark.alone
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_an_objective_and_all_signals_take_a_hundredth_of_a_step_at_most(
    tmp_path: Path, objective: Objective
) -> None:
    signal = SignalSettings("floor", "bonus", length=0.1, similarity=0.1)
    rng, words = random.Random(0), [f"word{n}" for n in range(100)]
    infos = [
        info(f"code{n % 50}", rng.random() * (n % 3)) | {"idea": " ".join(rng.choices(words, k=80))}
        for n in range(64)
    ]
    rewards = np.array([rng.random() if one["completed"] else 0.0 for one in infos])
    step = StepAdvantages(learning(tmp_path, objective, signal), Baselines())
    took = []
    # A slow moment of the machine only ever adds: the quickest is what it takes.
    for _ in range(40):
        begun = time.perf_counter()
        step.advantages(["x", "y"] * 32, infos, rewards)
        took.append(time.perf_counter() - begun)
    assert min(took) <= 0.01 * SHORTEST_STEP_S
