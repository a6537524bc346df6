"""Limits hold under every lock: memory, processes, disk, files, time; and what was used is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.sandbox import Sandbox
from tests.executor.trials import TRAIN, Slot, make_spec

LIMITS = {"memory_mib": 200, "disk_mib": 16, "processes": 24, "budget_seconds": 20.0}


def test_memory_is_bounded(slot: Slot, tmp_path: Path) -> None:
    train = "x = []\nwhile True: x.append(bytearray(2**24))\n"
    trial = slot.run(make_spec(tmp_path, train, **LIMITS))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert "200 MiB of memory" in trial.detail or "MemoryError" in trial.detail
    assert trial.memory_mib < 400


def test_memory_of_many_processes_adds_up(slot: Slot, tmp_path: Path) -> None:
    train = """
    import os, time
    for _ in range(8):
        if os.fork() == 0:
            x = bytearray(60 * 2**20)
            for i in range(0, len(x), 4096): x[i] = 1
            time.sleep(600)
    time.sleep(600)
    """
    trial = slot.run(make_spec(tmp_path, train, **{**LIMITS, "budget_seconds": 4.0}))
    assert trial.status in ("crashed", "timeout")
    # Eight times sixty are never there at once.
    assert 100 < trial.memory_mib < 420


@pytest.mark.slow
def test_processes_are_bounded(slot: Slot, lock: Sandbox, tmp_path: Path) -> None:
    train = """
    import os, time
    for _ in range(600):
        if os.fork() == 0:
            time.sleep(600)
    """
    trial = slot.run(make_spec(tmp_path, train, **LIMITS))
    if not lock.grouped and os_is_root():
        pytest.skip("the kernel does not count root's processes")
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert "BlockingIOError" in trial.detail


def os_is_root() -> bool:
    import os

    return os.geteuid() == 0


@pytest.mark.parametrize("place", [".", "/tmp", "/dev/shm"])
def test_bytes_on_disk_are_bounded(slot: Slot, lock: Sandbox, tmp_path: Path, place: str) -> None:
    if not lock.isolates and place != ".":
        pytest.skip("the host's own")
    train = f"""
    import time
    for i in range(40):
        open(f"{place}/{{i}}", "wb").write(bytes(2**20))
    time.sleep(600)
    """
    trial = slot.run(make_spec(tmp_path, train, **LIMITS))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert "No space left" in trial.detail or "16 MiB of files" in trial.detail


def test_one_large_file_is_bounded(slot: Slot, tmp_path: Path) -> None:
    train = "with open('x', 'wb') as f:\n    f.truncate(100 * 2**30)\n"
    trial = slot.run(make_spec(tmp_path, train, **LIMITS))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert "File too large" in trial.detail


def test_the_log_is_bounded(slot: Slot, tmp_path: Path) -> None:
    train = "line = 'x' * 1000\nwhile True: print(line)\n"
    trial = slot.run(make_spec(tmp_path, train, **LIMITS))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert len(trial.log) < 300_000


def test_the_number_of_files_is_bounded(slot: Slot, lock: Sandbox, tmp_path: Path) -> None:
    if not lock.mounted:
        pytest.skip("only a file system of its own counts files")
    train = "for i in range(10**6): open(f'{i}', 'w').close()\n"
    trial = slot.run(make_spec(tmp_path, train, **LIMITS))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert "No space left" in trial.detail


def test_what_was_used_is_in_the_trial(slot: Slot, tmp_path: Path) -> None:
    train = f"""
import time
x = bytearray(80 * 2**20)
for i in range(0, len(x), 4096): x[i] = 1
open("y", "wb").write(bytes(3 * 2**20))
while time.process_time() < 0.4: pass
{TRAIN}"""
    trial = slot.run(make_spec(tmp_path, train, **LIMITS))
    assert trial.status == "completed", trial.detail
    assert 80 < trial.memory_mib < 200 and 3 < trial.disk_mib < 8
    assert 0.35 < trial.cpu_s < 3 and trial.charged_s <= trial.train_s


def test_a_trial_says_how_it_was_locked_in_and_what_was_frozen(
    slot: Slot, lock: Sandbox, tmp_path: Path
) -> None:
    trial = slot.run(make_spec(tmp_path, frozen={"serve.py": "abc"}))
    assert trial.sandbox == str(lock)
    assert trial.frozen["serve.py"].startswith("ba7816bf8f01cfea414140de5dae2223")


def test_a_candidate_s_memory_is_bounded(slot: Slot, tmp_path: Path) -> None:
    serve = "x = []\nwhile True: x.append(bytearray(2**24))\n"
    evaluate = """
    import numpy as np
    def examine(candidate, held_out):
        return {"x": float(candidate.ask(np.zeros(1), shape=(), dtype="float64"))}
    """
    trial = slot.run(make_spec(tmp_path, serve=serve, evaluate=evaluate, **LIMITS))
    assert (trial.status, trial.stage) == ("crashed", "examine")
    assert "200 MiB of memory" in trial.detail or "MemoryError" in trial.detail
