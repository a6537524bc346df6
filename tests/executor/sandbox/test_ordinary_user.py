"""Trials of an ordinary user: in its own user namespace a process begins with every capability."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import executor
from tests.tiny_problem import make_problem

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user"),
    pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv"),
]
USER = 12345
TRAIN = """
import json, os, socket, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
caps = {name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
try:
    raw = bool(socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
except OSError:
    raw = False
try:
    first = os.getpid() == 1 or bool(open("/proc/1/mem", "rb"))
except OSError:
    first = False
try:
    memory = bool(os.memfd_create("held"))
except OSError:
    memory = False
found = {"caps": caps, "raw": raw, "uid": os.getuid(), "first": first, "memory": memory}
print("TOLD", json.dumps({**found, "warm": "wave" in sys.modules}))
os.mkdir("candidate")
open("candidate/settings.py", "w").write("value = 10")
"""
RUN = """
import json, sys
from executor import Executor, load_problem
from executor.errors import UserError
from executor.sandbox import choose
folder, name = sys.argv[1:]
try:
    sandbox = choose("strict", (name,))
except UserError as error:
    print(json.dumps({"refused": str(error)}))
    sys.exit()
problem = load_problem(f"{folder}/tiny")
with Executor(problem, store=f"{folder}/store", run="a", slots=1, sandbox=sandbox) as opened:
    outcome = opened.submit_baseline().result()
    log = opened.run.log("baseline")
    told = {"status": outcome.status, "detail": outcome.detail, "log": log}
    print(json.dumps({**told, "grouped": sandbox.grouped}))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the other user, with the package and a problem whose training is Python."""
    with tempfile.TemporaryDirectory(prefix="ordinary-", dir="/var/tmp") as name:
        folder = Path(name)
        shutil.copytree(Path(executor.__file__).parent, folder / "package/executor")
        problem = make_problem(folder / "tiny")
        (problem / "codebase/train.py").write_text(TRAIN)
        toml = (problem / "problem.toml").read_text()
        toml = toml.replace(
            'entry = ["sh", "run.sh"]', 'entry = ["python", "train.py"]\npreload = ["wave"]'
        )
        (problem / "problem.toml").write_text(toml)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER)
        yield folder


def visible(paths: Sequence[Path]) -> tuple[str, ...]:
    """Runs a command where other users may reach these paths, whatever folders they are in."""
    held = [f"d{n}=$(mktemp -d) && mount --bind {path} $d{n}" for n, path in enumerate(paths)]
    tops = {Path("/", path.parts[1]) for path in paths}
    closed = [top for top in tops if not os.stat(top).st_mode & 0o001 or top == Path("/root")]
    covers = [f"mount -t tmpfs -o mode=755 none {top}" for top in closed]
    back = [
        f"mkdir -p {path} && mount --bind $d{n} {path}"
        for n, path in enumerate(paths)
        if Path("/", path.parts[1]) in closed
    ]
    script = " && ".join(["mount --make-rprivate /", *held, *covers, *back])
    return ("unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh")


@pytest.mark.parametrize("sandbox", ["namespaces", "bubblewrap"])
def test_a_trial_has_no_right_beyond_its_box_however_it_starts(place: Path, sandbox: str) -> None:
    paths = dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix)))
    user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "TMPDIR": str(place),
        "PYTHONPATH": str(place / "package"),
        "IDEATOR_RL_DATA": str(place / "data"),
    }
    words = (*visible(list(paths)), *user, sys.executable, "-c", RUN, str(place), sandbox)
    done = subprocess.run(words, env=env, cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    if "refused" in answer:
        assert "it does not hold that" not in answer["refused"]
        pytest.skip(answer["refused"])
    assert answer["status"] == "completed", answer
    [told] = [line for line in answer["log"].splitlines() if line.startswith("TOLD")]
    found = json.loads(told.removeprefix("TOLD"))
    assert found["warm"] and found["uid"] != 0
    assert not any(found["caps"].values()) and not found["raw"]
    assert not found["first"], "the memory of process 1 can be written"
    assert found["memory"] == answer["grouped"]
