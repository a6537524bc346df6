"""A test run's cheats: all that were selected for a problem and a lock run together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from executor.errors import UserError
from executor.processes import processes
from executor.sandbox import SANDBOXES, Sandbox, choose, syscalls
from gym_envs.cheats.attempts import CheatSession
from gym_envs.cheats.cheat import Cheat, Kind
from gym_envs.cheats.traps import Traps
from tests.cheats.runs import run_cheats
from tests.cheats.snapshot import Snapshot, Workers, take_snapshot


@pytest.fixture(scope="package", autouse=True)
def workers() -> Iterator[Workers]:
    """The slots of this folder's tests. Whatever they let go comes to this process."""
    processes.adopt_orphans()
    with Workers() as workers:
        yield workers
    # Other tests wait for orphans to be gone, which somebody else has to see to.
    syscalls.prctl(processes._PR_SET_CHILD_SUBREAPER, 0)


@pytest.fixture(scope="package", autouse=True)
def host_before(traps: Traps, workers: Workers) -> Snapshot:
    """The host before the first cheat."""
    return take_snapshot(traps, workers.pids)


@pytest.fixture(scope="session")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traps]:
    with Traps(tmp_path_factory.mktemp("traps")) as traps:
        yield traps


@cache
def find_lock(name: str) -> Sandbox:
    """The `best` strict lock of this machine, or its `fallback`: the next one. Skips without."""
    names = list(SANDBOXES)
    try:
        best = choose("strict", names)
        if name == "best":
            return best
        return choose("strict", names[names.index(best.name) + 1 :])
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def session_of(
    request: pytest.FixtureRequest, traps: Traps, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Kind, str], CheatSession]:
    """Runs every cheat that this test run selected for a problem and a lock, all in one go."""

    @cache
    def results(kind: Kind, lock: str) -> CheatSession:
        selected: list[Cheat] = []
        for item in request.session.items:
            call = getattr(item, "callspec", None)
            params = call.params if call else {}
            if "cheat" in params and (params["kind"], params["lock"]) == (kind, lock):
                selected.append(params["cheat"])
        folder = tmp_path_factory.mktemp("store")
        return run_cheats(kind, selected, traps, folder, find_lock(lock))

    return results
