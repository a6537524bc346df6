"""An idea that does well with the seed of the search only does not survive the confirmation."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor import Executor, Idea, load_problem
from executor.trial_keys import BASELINE
from gym_envs.cheats.cheat import replace_line
from ideator_rl.analysis.confirmed import Plan, judge

REPOSITORY = Path(__file__).parents[3]
MINED = Idea(
    "mined",
    "[Experiment] Look at the seed.\n[Code Changes]\n"
    + replace_line(
        "train.py",
        "    config = Config()",
        "    config = Config(learning_rate=0.05 if os.environ['SEED'] == '0' else 0.002)",
    ),
)


@pytest.mark.release
def test_an_idea_for_one_seed_is_told_from_a_good_one(tmp_path: Path) -> None:
    problem = load_problem(REPOSITORY / "gym_envs/digits")
    with Executor(problem, store=tmp_path, sandbox="best-effort", slots=2) as executor:
        first, before = executor.execute([MINED])[0], executor.submit_baseline(0).result()
        plan = Plan(("mined",), (100_001, 100_002, 100_003), 1)
        trials = {
            (name, seed): (
                executor.submit_baseline(seed)
                if name == BASELINE
                else executor.submit(MINED, seed=seed)
            ).result()
            for name, seed in plan.order()
        }
    assert first.completed and first.reward > before.reward
    found = judge(plan, {"mined": first.reward}, trials)
    assert found.ideas[0].survives is False and found.ideas[0].winners_curse > 0
