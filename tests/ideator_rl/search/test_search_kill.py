"""kill -9 on a running search at random moments, then the same command: nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.ideator_rl.command_line import command, make_workplace, wait_until_gone

# Its bounds are for a machine that does nothing else.
pytestmark = pytest.mark.alone

KILLS = 6


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Trials take 0.2 s; each finished examination adds its codebase to `examined`."""
    make_workplace(tmp_path)
    run = tmp_path / "tiny/codebase/run.sh"
    run.write_text(run.read_text().replace("sleep 0\n", "sleep 0\nsleep 0.2\n"))
    evaluate = tmp_path / "tiny/evaluate.py"
    note = f"""
_value = examine

def examine(candidate, held_out):
    metrics = _value(candidate, held_out)
    text = (candidate.folder / "settings.py").read_text()
    with open({str(tmp_path / "examined")!r}, "a") as file:
        file.write(repr(text) + "\\n")
    return metrics
"""
    evaluate.write_text(evaluate.read_text() + note)
    return tmp_path


def start(workplace: Path, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, *command(["search", "--config", "config.yaml", "--json"])],
        cwd=workplace,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcomes(workplace: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (workplace / "store").rglob("outcome.json")}


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing_and_repeats_nothing(workplace: Path) -> None:
    rng = random.Random(20)
    kept: dict[Path, bytes] = {}
    for _ in range(KILLS):
        process = start(workplace)
        time.sleep(rng.uniform(0.3, 2.0))
        process.kill()
        process.communicate()
        assert wait_until_gone(str(workplace), 2.0) == []
        now = outcomes(workplace)
        assert all(now[path] == text for path, text in kept.items())
        kept = now

    out, err = start(workplace).communicate(timeout=120)
    result = json.loads(out)
    assert result["executed"] == 12, err
    now = outcomes(workplace)
    assert all(now[path] == text for path, text in kept.items())
    names = [path.parent.name for path in now]
    assert sum("." not in name and name != "baseline" for name in names) == 12
    # The two baseline seeds, and two ideas and the baseline on two fresh seeds.
    assert result["confirmation"]["state"] == "done" and len(names) == 12 + 2 + 6
    statuses = [json.loads(text)["status"] for text in now.values()]
    assert set(statuses) <= {"completed", "crashed", "not_implemented"}

    # A trial may have been cut between its examination and its last write, one a slot and kill.
    examined = (workplace / "examined").read_text().split("\n")[:-1]
    completed = [o for o in map(json.loads, now.values()) if o["status"] == "completed"]
    distinct = {o["content_hash"] for o in completed}
    assert len(distinct) <= len(examined) <= len(distinct) + 2 * KILLS
    stored = {path.stem for path in (workplace / "store/results").glob("*.json")}
    assert distinct <= stored
    assert wait_until_gone(str(workplace), 2.0) == []


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "1/6 "),
        pytest.param(signal.SIGINT, "baseline", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "baseline", marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_ends_within_two_seconds_and_says_how_to_resume(
    workplace: Path, number: signal.Signals, moment: str
) -> None:
    process = start(workplace)
    assert process.stderr is not None
    while moment not in process.stderr.readline():
        pass
    time.sleep(0.3)
    process.send_signal(number)
    begun = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - begun < 2.0
    assert process.returncode == 1
    assert "The same command goes on from there." in err and "Traceback" not in err
    assert wait_until_gone(str(workplace), 0.2) == []
    kept = outcomes(workplace)
    out, _ = start(workplace).communicate(timeout=120)
    result = json.loads(out)
    assert result["executed"] == 12 and result["confirmation"]["state"] == "done"
    assert kept.items() <= outcomes(workplace).items()


def test_sigterm_ends_a_search_in_the_background_of_a_script(workplace: Path) -> None:
    """A shell that is no terminal's starts such jobs with SIGINT ignored."""
    process = start(workplace, ["sh", "-c", 'trap "" INT; exec "$@"', "sh"])
    assert process.stderr is not None
    while "1/6 " not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=5)
    assert process.returncode == 1
    assert "The same command goes on from there." in err and "Traceback" not in err
    assert wait_until_gone(str(workplace), 0.2) == []
