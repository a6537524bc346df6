"""The clock of a watched process: what is free, and that nothing written to it buys time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Watches a process that computes, writes a text to the clock's pipe and computes again.
_HOST = """
import dataclasses, json, os, sys
from pathlib import Path
from executor.processes import processes
from executor.sandbox.meter import Meter
from executor.sandbox.watch import TimeLimits, watch
processes.adopt_orphans()
reader, writer = os.pipe()
text, spent, more = sys.argv[1], *map(float, sys.argv[2:])
code = f'''
import os, time
while time.process_time() < {spent}: pass
os.write({writer}, {text!r}.encode())
while time.process_time() < {spent + more}: pass
'''
command = [sys.executable, "-ISc", code]
process = processes.start(command, cwd=Path.cwd(), env={}, output=2, pass_fds=[writer])
limits = TimeLimits("cpu", 0.3, startup_s=60.0, wall_s=8.0)
try:
    meter = Meter(Path.cwd(), None, None, False)
    run = watch(process, limits, meter=meter, clock_start=reader)
finally:
    processes.end_tree(process)
print(json.dumps(dataclasses.asdict(run)))
"""


def watched(folder: Path, text: str, spent: float, more: float) -> dict[str, Any]:
    """What a run is charged that spends `spent` CPU seconds before the text and `more` after it."""
    words = [text.replace("\0", "\\0"), str(spent), str(more)]
    host = subprocess.run(
        [sys.executable, "-c", _HOST, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(host.stdout)


@pytest.mark.parametrize(
    "text", ["0.01", "1e9", "0.01e9", "inf", "nan", "-1e9", "-inf", "0.010.02", "no number", "\0"]
)
def test_a_forged_start_of_the_clock_buys_no_time(tmp_path: Path, text: str) -> None:
    assert "0.3 cpu seconds" in watched(tmp_path, text, spent=0.0, more=60.0)["reason"]


def test_what_the_box_used_before_the_clock_started_is_free(tmp_path: Path) -> None:
    run = watched(tmp_path, "0.01", spent=0.6, more=0.1)
    assert run["exit_code"] == 0 and run["charged_s"] < 0.3


def test_a_long_set_up_is_charged(tmp_path: Path) -> None:
    # As what is read of the clock's start too late would be.
    assert "0.3 cpu seconds" in watched(tmp_path, "0.01", spent=1.6, more=60.0)["reason"]
