"""A disk that fills up during a search: one line, nothing half-written; with space it goes on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from executor import Store, StoreError
from executor.store.tree import unzip
from tests.executor.runs import wait_until
from tests.executor.trials import all_gone
from tests.faults.searches import check_complete, make_slow_workplace, outcomes, start


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, but: int) -> Path:
    """Takes all space except for some bytes, or what of it a search beside this does not take."""
    ballast = disk / "ballast"
    space = os.statvfs(disk)
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        file.write(b"\0" * max(0, space.f_bavail * space.f_frsize - but))
    return ballast


def check_whole(store: Path) -> None:
    """Every file that has a final name is complete, and no other one is left."""
    for path in store.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".jsonl":
            assert [json.loads(line) for line in path.read_text().splitlines()]
            assert path.read_bytes().endswith(b"\n")
        elif path.suffix == ".zip":
            assert unzip(path.read_bytes())
        assert not path.name.startswith("."), path


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 40_000])
def test_a_search_on_a_full_disk_ends_in_one_line_and_goes_on_once_there_is_space(
    tmp_path: Path, disk: Path, left: int
) -> None:
    workplace, store = make_slow_workplace(tmp_path), disk / "store"
    process = start(workplace, str(store))
    wait_until(lambda: list(store.glob("results/*.json")))
    ballast = fill(disk, left)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and out == "" and "Traceback" not in err
    assert err.splitlines()[-1] == (
        f"ideator-rl: the store {store} cannot be written: No space left on device; "
        "what is finished is kept, and the same command goes on from there"
    )
    assert all_gone(workplace / "tmp") and list((workplace / "tmp").iterdir()) == []
    check_whole(store)
    kept = outcomes(str(store))
    assert kept
    # A session that finds the disk full says so, too.
    if left == 0:
        _, err = start(workplace, str(store)).communicate(timeout=60)
        assert "No space left on device" in err.splitlines()[-1]
        assert list((workplace / "tmp").iterdir()) == []
    ballast.unlink()
    check_complete(start(workplace, str(store)), str(store), kept)
    check_whole(store)


def test_a_line_that_does_not_fit_leaves_the_log_as_it_was(disk: Path) -> None:
    run = Store(disk / "store").run("first")
    run.record("start")
    ballast = fill(disk, 4096)
    with pytest.raises(StoreError, match="No space left on device"):
        for _ in range(1000):
            run.record("finished", key="x" * 100)
    check_whole(disk / "store")
    ballast.unlink()
    run.record("stop")
    assert run.events()[-1]["event"] == "stop"
