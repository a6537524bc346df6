"""Data in code run like any other code, where the bound on what an idea carries is taken away."""

from __future__ import annotations

from pathlib import Path

from executor import Executor
from gym_envs.cheats import payload
from gym_envs.cheats.cheat import CLASSIFIER
from gym_envs.cheats.traps import Traps
from tests.cheats.conftest import find_lock
from tests.cheats.runs import small_problem


def test_without_the_bound_a_table_is_carried_into_the_trial(traps: Traps, tmp_path: Path) -> None:
    [cheat] = payload.CHEATS
    problem = small_problem(CLASSIFIER, files_added_kib=1000)
    idea = cheat.idea(CLASSIFIER, traps.facts(problem, tmp_path))
    with Executor(problem, store=tmp_path, slots=1, sandbox=find_lock("best")) as executor:
        [outcome] = executor.execute([idea])
        log = executor.run.log(cheat.name)
    assert outcome.status == "completed"
    assert "CHEATED carries 160,000 bytes" in log
