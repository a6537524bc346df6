"""After the whole suite the host is as it was; this file's tests run last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gym_envs.cheats import CHEATS
from gym_envs.cheats.cheat import CLASSIFIER
from gym_envs.cheats.traps import Traps
from tests.cheats.conftest import find_lock
from tests.cheats.runs import run_cheats, small_problem
from tests.cheats.snapshot import Snapshot, Workers, left_behind, take_snapshot

# Those that try hardest to leave something.
_LEAVING = (
    "daemon-for-the-next-trial",
    "left-in-files",
    "left-in-keyrings",
    "left-in-posix-memory",
    "left-in-shared-memory",
    "network-between-trials",
    "poisoned-data",
    "shadows-by-training",
    "writes-everywhere",
)


@pytest.mark.parametrize("lock", ["best", pytest.param("fallback", marks=pytest.mark.slow)])
def test_the_host_is_as_before(
    lock: str,
    host_before: Snapshot,
    traps: Traps,
    workers: Workers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cheats = [cheat for cheat in CHEATS if cheat.name in _LEAVING]
    assert len(cheats) == len(_LEAVING)
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    small_problem(CLASSIFIER).data()
    data = take_snapshot(traps, workers.pids).lines["prepared data"]
    assert data
    before = replace(host_before, lines={**host_before.lines, "prepared data": data})
    run_cheats(CLASSIFIER, cheats, traps, tmp_path / "store", find_lock(lock))
    assert workers.pids
    assert left_behind(before, take_snapshot(traps, workers.pids)) == []


def test_nobody_came_out_of_a_box(traps: Traps) -> None:
    assert traps.visits == []
