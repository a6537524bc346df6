"""Memory that processes hold is seen wherever it lies, where no control group counts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from executor.sandbox.box import Limits
from executor.sandbox.meter import Meter

_HOLDERS = """
import os, time
file = os.memfd_create("held")
for _ in range(2**10):
    os.write(file, bytes(2**16))
os.fork()
print("held", flush=True)
time.sleep(60)
"""


def peak_mib(folder: Path) -> float:
    """Of all that this process has started, other tests' processes included."""
    meter = Meter(folder, None, group=None, mounted=True)
    meter.excess()
    return meter.peak_mib


def test_a_file_without_a_name_counts_once_though_two_processes_hold_it(tmp_path: Path) -> None:
    before = peak_mib(tmp_path)
    holders = subprocess.Popen(
        [sys.executable, "-ISc", _HOLDERS], stdout=subprocess.PIPE, start_new_session=True
    )
    assert holders.stdout
    try:
        for _ in range(2):
            holders.stdout.readline()
        held = peak_mib(tmp_path) - before
    finally:
        os.killpg(holders.pid, 9)
        holders.communicate()
    assert 64 < held < 128


def test_the_kernels_tables_of_what_is_mapped_count(tmp_path: Path) -> None:
    code = """
import mmap, time
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000
region = mmap.mmap(-1, 2**40, flags=flags, prot=mmap.PROT_READ)
for table in range(2**14):
    region[table * 2**21]
print("held", flush=True)
time.sleep(60)
"""
    before = peak_mib(tmp_path)
    holder = subprocess.Popen([sys.executable, "-ISc", code], stdout=subprocess.PIPE)
    assert holder.stdout
    try:
        holder.stdout.readline()
        held = peak_mib(tmp_path) - before
    finally:
        holder.kill()
        holder.communicate()
    assert 64 < held < 128


def test_many_files_are_counted_bit_by_bit_until_they_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        (tmp_path / f"{number}").write_bytes(bytes(4096))
    monkeypatch.setattr("executor.sandbox.meter._LOOK_S", 0.0)
    meter = Meter(tmp_path, Limits(disk_mib=3), group=None, mounted=False)
    looks = [meter.excess() for _ in range(4)]
    assert looks == ["", "", "", "over 3 MiB of files"]
    assert meter.disk_mib == pytest.approx(1000 * 4 / 1024)
