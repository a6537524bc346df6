"""Commands in boxes begin as forks of the launcher, and find nothing of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.errors import UserError
from executor.processes.processes import descendants
from executor.sandbox import Sandbox, choose
from tests.executor.runs import wait_until
from tests.executor.trials import TRAIN, Slot, is_alive, make_spec, servers

FACTS = """
import json, os, signal
print(json.dumps({
    "variables": sorted(os.environ),
    "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
    "ignored": [n for n in range(1, 65) if signal.getsignal(n) == signal.SIG_IGN],
    "process 1": os.access("/proc/1/environ", os.R_OK),
}))
"""


@pytest.fixture(params=["namespaces", "bubblewrap"])
def lock(request: pytest.FixtureRequest) -> Sandbox:
    try:
        return choose("strict", (request.param,))
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture
def slot(lock: Sandbox, tmp_path: Path) -> Iterator[Slot]:
    slot = Slot(tmp_path / "slot", lock, {"SECRET": "of the worker"})
    yield slot
    slot.close()


def launcher(slot: Slot) -> int:
    wait_until(lambda: servers(slot.process.pid, b"launcher.py"))
    [pid] = servers(slot.process.pid, b"launcher.py")
    return pid


def test_a_command_finds_nothing_of_the_launcher(slot: Slot, tmp_path: Path) -> None:
    entry = ["bash", "-c", "exec python -B train.py"]
    trial = slot.run(make_spec(tmp_path, FACTS + TRAIN, entry=entry, env={"OWN": "1"}))
    assert trial.status == "completed", trial.detail
    found = json.loads(trial.log)
    assert "OWN" in found["variables"] and "SECRET" not in found["variables"]
    assert found["descriptors"] == [0, 1, 2] and not found["process 1"]
    # The slot's, and those of the script's own Python.
    ours = [n for n in range(1, 65) if signal.getsignal(n) == signal.SIG_IGN]
    assert set(found["ignored"]) <= {signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, *ours}
    entry = ["bash", "-c", "mkdir candidate; kill -PIPE $BASHPID"]
    assert "SIGPIPE" in slot.run(make_spec(tmp_path / "b", "", entry=entry)).detail


def test_a_command_that_does_not_exist_is_named(slot: Slot, tmp_path: Path) -> None:
    trial = slot.run(make_spec(tmp_path, "", entry=["no-such-command"]))
    assert trial.status == "crashed" and "no-such-command: No such file" in trial.detail


def test_a_killed_launcher_is_started_again(slot: Slot, tmp_path: Path) -> None:
    spec = make_spec(tmp_path, TRAIN, entry=["bash", "-c", "exec python -B train.py"])
    for _ in range(2):
        killed = launcher(slot)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda pid=killed: not is_alive(pid))
        assert slot.run(spec).status == "completed"


def test_a_launcher_that_dies_in_a_trial_ends_the_slot_and_all_that_it_started(
    slot: Slot, tmp_path: Path
) -> None:
    slot.send(make_spec(tmp_path, "", entry=["bash", "-c", "sleep 600"]))
    killed = launcher(slot)
    wait_until(lambda: len(descendants(killed)) > 1)
    begun = descendants(killed)
    os.kill(killed, signal.SIGKILL)
    # Without an answer: the trial runs again in another slot.
    assert slot.process.wait(20) == 0
    assert not any(map(is_alive, begun))


def test_a_launcher_ends_with_its_slot(slot: Slot) -> None:
    pid = launcher(slot)
    slot.process.kill()
    wait_until(lambda: not is_alive(pid))
