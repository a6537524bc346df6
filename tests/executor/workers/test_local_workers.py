"""Slots on this machine: each is a process, and each may die."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.processes.owned_names import owned_name
from executor.processes.processes import descendants
from executor.records import Job, Trial
from executor.sandbox import Sandbox
from executor.trial.spec import TrialSpec
from executor.workers.local import TRIES, LocalWorkers, available_cores
from tests.executor.trials import TRAIN, all_gone, is_alive, make_spec, marked

# Its bounds are for a machine that does nothing else.
pytestmark = pytest.mark.alone

JOB = Job("a", "hash")
# Here training has to be able to leave signs on the host.
OPEN = Sandbox("process", "none")
NAP = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(600)\n"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield tmp_path / "tmp"
    assert all_gone(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


def nap(tmp_path: Path) -> TrialSpec:
    return make_spec(tmp_path / "spec", NAP, entry=["python", "train.py", str(tmp_path / "pid")])


async def written(path: Path) -> str:
    while not path.exists() or not path.read_text():
        await asyncio.sleep(0.02)
    return path.read_text()


def test_every_slot_runs_a_trial_of_its_own_at_the_same_time(tmp_path: Path) -> None:
    # Each waits for the other: one after the other they would never end.
    meet = (
        "open(sys.argv[1] + '/' + sys.argv[2], 'w')\nwhile len(os.listdir(sys.argv[1])) < 3: pass\n"
    )
    train = f"import os, sys\n{meet}{TRAIN}"
    meeting = tmp_path / "meeting"
    meeting.mkdir()

    async def scene() -> list[Trial]:
        workers = LocalWorkers(3, OPEN)
        specs = [
            make_spec(tmp_path / name, train, entry=["python", "train.py", str(meeting), name])
            for name in "abc"
        ]
        trials = await asyncio.gather(*(workers.run(JOB, spec) for spec in specs))
        await workers.close()
        return list(trials)

    assert [trial.status for trial in asyncio.run(scene())] == ["completed"] * 3


def test_a_trial_whose_slot_is_killed_runs_again_and_completes(tmp_path: Path) -> None:
    train = f"""
import os, sys, time
first = not os.path.exists(sys.argv[1])
open(sys.argv[1], 'w').write(str(os.getppid()))
if first: time.sleep(600)
{TRAIN}"""

    async def scene() -> Trial:
        workers = LocalWorkers(1, OPEN)
        entry = ["python", "train.py", str(tmp_path / "pid")]
        running = asyncio.create_task(
            workers.run(JOB, make_spec(tmp_path / "s", train, entry=entry))
        )
        os.kill(int(await written(tmp_path / "pid")), signal.SIGKILL)
        trial = await asyncio.wait_for(running, 30)
        await workers.close()
        return trial

    assert asyncio.run(scene()).status == "completed"


def test_a_training_that_kills_its_slot_every_time_crashed(tmp_path: Path) -> None:
    train = "import os, sys\nopen(sys.argv[1], 'a').write('x')\nos.kill(os.getppid(), 9)\n"

    async def scene() -> tuple[Trial, Trial]:
        workers = LocalWorkers(1, OPEN)
        entry = ["python", "train.py", str(tmp_path / "tries")]
        deadly = await workers.run(JOB, make_spec(tmp_path / "deadly", train, entry=entry))
        healthy = await workers.run(JOB, make_spec(tmp_path / "healthy"))
        await workers.close()
        return deadly, healthy

    deadly, healthy = asyncio.run(scene())
    assert (deadly.status, deadly.stage) == ("crashed", "train")
    assert f"died {TRIES} times" in deadly.detail
    assert (tmp_path / "tries").read_text() == "x" * TRIES
    assert healthy.status == "completed"


def test_cancelling_ends_the_trial_and_the_slot_is_used_again(tmp_path: Path) -> None:
    async def scene() -> None:
        workers = LocalWorkers(1, OPEN)
        running = asyncio.create_task(workers.run(JOB, nap(tmp_path)))
        pid = int(await written(tmp_path / "pid"))
        running.cancel()
        await asyncio.wait([running], timeout=10)
        assert running.cancelled() and not is_alive(pid)
        again = await workers.run(JOB, make_spec(tmp_path / "next"))
        assert again.status == "completed"
        await workers.close()

    asyncio.run(scene())


def test_closing_ends_what_runs_at_once(tmp_path: Path) -> None:
    async def scene() -> float:
        workers = LocalWorkers(2, OPEN)
        await workers.start()
        running = asyncio.create_task(workers.run(JOB, nap(tmp_path)))
        pid = int(await written(tmp_path / "pid"))
        begun = time.monotonic()
        running.cancel()
        await workers.close()
        took = time.monotonic() - begun
        assert not is_alive(pid)
        return took

    assert asyncio.run(scene()) < 3


def test_closing_waits_for_a_slot_that_is_already_ending(tmp_path: Path) -> None:
    async def scene() -> None:
        workers = LocalWorkers(1, OPEN)
        running = asyncio.create_task(workers.run(JOB, nap(tmp_path)))
        await written(tmp_path / "pid")
        for _ in range(3):
            running.cancel()
            await asyncio.sleep(0)
        await workers.close()
        assert marked(tmp_path / "tmp") == []

    asyncio.run(scene())


def test_slots_that_have_enough_cores_are_pinned_to_cores_of_their_own(tmp_path: Path) -> None:
    train = f"import json, os\nprint(json.dumps(sorted(os.sched_getaffinity(0))))\n{TRAIN}"
    cores = available_cores()

    async def scene(slots: int) -> list[list[int]]:
        workers = LocalWorkers(slots, OPEN)
        specs = [make_spec(tmp_path / f"{slots}-{i}", train) for i in range(slots)]
        trials = await asyncio.gather(*(workers.run(JOB, spec) for spec in specs))
        await workers.close()
        return sorted(json.loads(trial.log) for trial in trials)

    assert asyncio.run(scene(len(cores))) == [[core] for core in cores]
    assert asyncio.run(scene(len(cores) + 1)) == [cores] * (len(cores) + 1)


def test_what_a_killed_run_left_in_the_temporary_folder_is_removed(
    own_temporary_folder: Path,
) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    stale = own_temporary_folder / owned_name("abc", int(ended.stdout))
    used = own_temporary_folder / owned_name("abc", os.getppid())
    # The same process number in another PID namespace: another container with this folder.
    other = own_temporary_folder / f"ideator-rl-1-{int(ended.stdout)}-abc"
    unknown = own_temporary_folder / "ideator-rl-again-x"
    for folder in (stale, used, other, unknown):
        (folder / "slot-0").mkdir(parents=True)

    async def scene() -> None:
        await LocalWorkers(1, OPEN).close()

    asyncio.run(scene())
    assert not stale.exists() and used.exists() and other.exists() and unknown.exists()
    for folder in (used, other, unknown):
        (folder / "slot-0").rmdir()
        folder.rmdir()


def test_slots_start_ahead_of_the_first_job_and_end_on_closing(tmp_path: Path) -> None:
    async def scene() -> None:
        workers = LocalWorkers(2, OPEN)
        assert marked(tmp_path) == []
        await workers.start()
        slots = marked(tmp_path)
        assert len(slots) == 2 and set(slots) <= set(descendants())
        await workers.close()
        assert marked(tmp_path) == []
        await workers.close()

    asyncio.run(scene())
