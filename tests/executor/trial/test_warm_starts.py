"""Warm starts: a fork of a server finds what a cold start finds, and nothing of other trials."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.errors import UserError
from executor.processes.processes import stat_fields
from executor.sandbox import choose
from tests.executor.runs import wait_until
from tests.executor.trials import TRAIN, Slot, is_alive, make_spec, warm_servers

# Takes a while to import, so that no server is ready at once.
HEAVY = "sklearn.linear_model"
FACTS = """
import sys
modules = sorted(sys.modules)
import json, os, resource, signal, threading
print(json.dumps({
    "modules": modules,
    "path": sys.path,
    "flags": str(sys.flags),
    "argv": sys.argv,
    "name": __name__,
    "folder": os.getcwd(),
    "variables": dict(os.environ),
    "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
    "limits": [resource.getrlimit(number) for number in range(16)],
    "signals": [str(signal.getsignal(number)) for number in range(1, 65)],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "threads": threading.active_count(),
    "session leader": os.getsid(0) == os.getpid(),
    "identity": [os.getuid(), os.getgid(), os.getgroups(), os.uname().nodename],
    "umask": os.umask(0),
    "own memory": os.access("/proc/self/maps", os.R_OK),
    "capabilities": [
        line for line in open("/proc/self/status") if line.startswith(("Cap", "NoNew", "Seccomp:"))
    ],
}))
"""


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slot]:
    try:
        lock = choose("strict", ("namespaces",))
    except UserError as error:
        pytest.skip(str(error))
    slot = Slot(tmp_path_factory.mktemp("slot"), lock)
    yield slot
    assert slot.close() == 0


def printed(slot: Slot, folder: Path, code: str, **fields: Any) -> Any:
    """What training prints as JSON."""
    trial = slot.run(make_spec(folder, code + TRAIN, **fields))
    assert trial.status == "completed", trial.detail
    return json.loads(trial.log)


def test_a_warm_start_finds_what_a_cold_one_finds(slot: Slot, tmp_path: Path) -> None:
    warm = printed(slot, tmp_path / "warm", FACTS, preload=[HEAVY], env={"START": "warm"})
    servers = warm_servers(slot.process.pid)
    # So little time to start that no server is there in time.
    cold = printed(
        slot, tmp_path / "cold", FACTS, preload=[HEAVY], env={"START": "cold"}, startup_seconds=0.0
    )
    assert warm_servers(slot.process.pid) == servers
    assert warm["variables"].pop("START") == "warm" and cold["variables"].pop("START") == "cold"
    # The bound on CPU time follows from the time to start.
    assert warm["limits"].pop(0) > cold["limits"].pop(0)
    assert sorted(warm["variables"].items()) == sorted(cold["variables"].items())
    assert warm == cold


# What Python does for a script when it has ended.
ENDING = """
import atexit, sys, threading, time, weakref
import beside

class Last:
    def __init__(self, name):
        self.name = name
    def __del__(self):
        open(f"candidate/{self.name}", "w").write("deleted")

alone, ring, beside.kept = Last("alone"), Last("ring"), Last("beside")
ring.itself = ring
left_open = open("candidate/open", "w")
left_open.write("written")
atexit.register(lambda: open("candidate/atexit", "w").write("called"))
weakref.finalize(alone, open("candidate/finalize", "w").write, "finalized")
def write_late():
    time.sleep(0.2)
    open("candidate/thread", "w").write("waited")
threading.Thread(target=write_late).start()
print("printed", end="")
"""


LEFT = {
    "alone": "deleted",
    "atexit": "called",
    "beside": "deleted",
    "finalize": "finalized",
    "open": "written",
    "ring": "deleted",
    "thread": "waited",
}
SHOW = """
import os
import numpy as np
from exam_pipe import answer, questions
print({name: open(f"candidate/{name}").read() for name in sorted(os.listdir("candidate"))}, end="")
for x in questions():
    answer(x)
"""
ASK = """
import numpy as np

def examine(candidate, held_out):
    return {"value": candidate.ask(np.zeros(1), shape=(1,), dtype="float64").sum()}
"""


@pytest.fixture(params=["warm", "cold"])
def either(request: pytest.FixtureRequest, slot: Slot, tmp_path: Path) -> Iterator[Slot]:
    if request.param == "warm":
        yield slot
        return
    cold = Slot(tmp_path / "slot", choose("none"))
    yield cold
    assert cold.close() == 0


def test_a_script_ends_as_python_ends_it(either: Slot, tmp_path: Path) -> None:
    files = {"beside.py": "kept = None\n"}
    spec = make_spec(
        tmp_path, TRAIN + ENDING, serve=SHOW, evaluate=ASK, files=files, preload=["json"]
    )
    trial = either.run(spec)
    assert (trial.status, trial.log) == ("completed", f"printed{LEFT}"), trial.detail


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("sys.exit()", "completed"),
        ("sys.exit(0)", "completed"),
        ("sys.exit(3)", "crashed"),
        ("1 / 0", "crashed"),
        ("sys.stdout.close()", "completed"),
        ("threading.Thread(target=lambda: 1 / 0).start()", "completed"),
    ],
)
def test_the_end_of_a_script_decides_how_it_ended(
    either: Slot, tmp_path: Path, end: str, status: str
) -> None:
    code = f"{TRAIN}import sys, threading\n{end}\n"
    assert either.run(make_spec(tmp_path, code, preload=["json"])).status == status


def test_random_numbers_differ_from_trial_to_trial(slot: Slot, tmp_path: Path) -> None:
    code = """
import json, os, random, tempfile, numpy
print(json.dumps([
    random.random(), numpy.random.random(), numpy.random.default_rng().random(),
    os.urandom(4).hex(), os.path.basename(tempfile.mktemp()),
]))
"""
    first, second = (
        printed(slot, tmp_path / name, code, preload=["random", "numpy.random", "tempfile"])
        for name in "ab"
    )
    assert not set(first) & set(second)


def test_a_fork_holds_nothing_of_the_trial_before_it(slot: Slot, tmp_path: Path) -> None:
    first = "left = 'a word that ' + 'is never said again'\nimport decimal\ndecimal.left = left\n"
    search = """
import json, decimal
# Backwards, so that what is sought is not found in itself.
sought = [b"niaga dias reven si taht drow", b"drow nwo ym"]
own, found = "my own ".strip() + " word", [0, 0]
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb") as memory:
    for line in maps:
        span, mode, *_ = line.split()
        if mode.startswith("rw"):
            start, end = (int(part, 16) for part in span.split("-"))
            memory.seek(start)
            read = memory.read(end - start)[::-1]
            found = [n + read.count(word) for n, word in zip(found, sought)]
            del read  # or its words would be found in what is read next
print(json.dumps([found[0], found[1] > 0, hasattr(decimal, "left")]))
"""
    trial = slot.run(make_spec(tmp_path / "a", first + TRAIN, preload=["decimal"]))
    assert trial.status == "completed"
    assert printed(slot, tmp_path / "b", search, preload=["decimal"]) == [0, True, False]


def test_modules_that_cannot_be_imported_are_told_by_a_cold_start(
    slot: Slot, tmp_path: Path
) -> None:
    trial = slot.run(make_spec(tmp_path, TRAIN, preload=["no_such_module_at_all"]))
    assert trial.status == "crashed" and "no_such_module_at_all" in trial.detail


def test_the_exit_code_and_the_last_line_of_a_warm_start_are_its_own(
    slot: Slot, tmp_path: Path
) -> None:
    for code, detail in (
        ("raise SystemExit(3)\n", "training ended with exit code 3"),
        ("raise SystemExit('no data')\n", "no data"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "was ended by SIGSEGV"),
        ("import os\nos._exit(0)\n", "training ended without leaving a folder candidate/"),
    ):
        trial = slot.run(make_spec(tmp_path, code))
        assert trial.status == "crashed" and detail in trial.detail


def test_what_exit_handlers_print_is_kept(slot: Slot, tmp_path: Path) -> None:
    code = "import atexit\natexit.register(print, 'bye')\nprint('hello', end=' ')\n"
    assert slot.run(make_spec(tmp_path, code + TRAIN)).log == "hello bye\n"


def test_a_server_has_one_thread_and_does_not_grow(slot: Slot, tmp_path: Path) -> None:
    def pages() -> list[int]:
        return [int(stat_fields(pid)[21]) for pid in warm_servers(slot.process.pid)]

    fields = {"preload": ["numpy"], "serve": None}
    for n in range(3):
        slot.run(make_spec(tmp_path / f"first{n}", TRAIN, **fields))
    before = pages()
    for n in range(20):
        slot.run(make_spec(tmp_path / f"{n}", TRAIN, **fields))
    assert pages() == before
    for pid in warm_servers(slot.process.pid):
        assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_a_server_that_was_killed_between_two_trials_is_started_again(
    slot: Slot, tmp_path: Path
) -> None:
    slot.run(make_spec(tmp_path / "a"))
    killed = warm_servers(slot.process.pid)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, killed)))
    assert slot.run(make_spec(tmp_path / "b")).status == "completed"
    assert warm_servers(slot.process.pid) and not set(warm_servers(slot.process.pid)) & set(killed)
