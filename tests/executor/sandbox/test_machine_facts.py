"""What a box reads of the machine in /proc."""

from __future__ import annotations

import os
from pathlib import Path

from executor.sandbox import Box, Limits
from executor.sandbox.machine_facts import covers


def sources(box: Box) -> dict[str, Path]:
    return {Path(place).name: Path(source) for source, place in covers(box)}


def test_every_readable_entry_is_covered_or_constant(tmp_path: Path) -> None:
    places = sources(Box(tmp_path, tmp_path / "s"))
    assert {"stat", "meminfo", "vmstat", "loadavg", "uptime", "sys", "diskstats"} <= set(places)
    assert not {"self", "mounts", "version", "1"} & set(places)
    assert places["vmstat"] == Path("/dev/null")
    assert not (places["sys"] / "fs").exists() and (places["sys"] / "kernel/osrelease").exists()


def test_a_box_reads_its_own_size(tmp_path: Path) -> None:
    box = Box(tmp_path, tmp_path / "s", limits=Limits(memory_mib=300))
    texts = {name: source for name, source in sources(box).items() if source.is_file()}
    assert f"MemTotal: {300 * 1024:10} kB" in texts["meminfo"].read_text()
    assert texts["stat"].read_text().count("cpu") == 1 + (os.cpu_count() or 1)
    assert "MHz" not in texts["cpuinfo"].read_text()


def test_only_a_box_with_gpus_sees_their_driver(tmp_path: Path) -> None:
    for gpus in (False, True):
        box = Box(tmp_path, tmp_path / "s", gpus=gpus)
        assert ("driver" in sources(box)) == (Path("/proc/driver").exists() and not gpus)
