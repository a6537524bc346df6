"""One trial: training in a clean room, charged for what it uses, then the examination."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest

from executor.sandbox import Sandbox
from executor.trial.log_tail import LOG_BYTES
from tests.executor.runs import wait_until
from tests.executor.trials import TRAIN, Slot, make_spec, marked

# Its bounds are for a machine that does nothing else.
pytestmark = pytest.mark.alone

BUSY = "while True: pass\n"
SLEEP = "import time\ntime.sleep(600)\n"
HEAVY = "sklearn.linear_model"  # takes about half a second of CPU time to import


def test_a_trial_trains_and_is_examined(slot: Slot, tmp_path: Path) -> None:
    train = TRAIN + "open('candidate/w.txt', 'w').write('0.75')\nprint('step 1')\n"
    evaluate = """
    def examine(candidate, held_out):
        (only,) = candidate.folder.iterdir()
        return {"value": float(only.read_text()), "truth": float((held_out / "y").read_text())}
    """
    (tmp_path / "y").write_text("2")
    before = time.monotonic()
    trial = slot.run(make_spec(tmp_path, train, evaluate=evaluate, held_out=str(tmp_path)))
    assert (trial.status, trial.stage, trial.detail) == ("completed", "done", "")
    assert trial.metrics == {"value": 0.75, "truth": 2.0}
    assert trial.log == "step 1\n"
    assert before <= trial.started < trial.ended <= time.monotonic()
    assert 0 < trial.charged_s <= trial.train_s <= trial.ended - trial.started
    assert trial.startup_s > 0 and trial.examine_s > 0


def printed(slot: Slot, tmp_path: Path, code: str, **fields: object) -> dict:
    """What training prints as JSON."""
    trial = slot.run(make_spec(tmp_path, f"import json, os, sys\n{code}{TRAIN}", **fields))
    assert trial.status == "completed", trial.detail
    return json.loads(trial.log)


def test_training_gets_a_clean_environment(slot: Slot, tmp_path: Path) -> None:
    train_data = tmp_path / "data"
    train_data.mkdir()
    (train_data / "x").write_text("the train part")
    env = printed(
        slot,
        tmp_path,
        "data = open(os.environ['DATA_DIR'] + '/x').read()\n"
        "print(json.dumps(dict(os.environ, cwd=os.getcwd(), argv=sys.argv, data=data)))\n",
        entry=["python", "train.py", "--fast"],
        train_data=str(train_data),
        budget_kind="cpu",
        budget_seconds=12.5,
        seed=7,
        cpus=3,
        env={"EXTRA": "1"},
    )
    assert "API_KEY" not in env and "PYTHONPATH" not in env
    assert (env["SEED"], env["BUDGET_KIND"], env["BUDGET_SECONDS"]) == ("7", "cpu", "12.5")
    assert (env["data"], env["EXTRA"]) == ("the train part", "1")
    assert env["HOME"] == env["cwd"] != env["TMPDIR"]
    assert env["argv"] == ["train.py", "--fast"]
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        assert env[f"{name}_NUM_THREADS"] == "3"
    assert env["GOMP_SPINCOUNT"] == "1000"


def test_pytorch_has_as_many_threads_as_the_trial_has_cpus(slot: Slot, tmp_path: Path) -> None:
    code = "import torch\nprint(json.dumps(torch.get_num_threads()))\n"
    assert printed(slot, tmp_path, code, cpus=2, budget_seconds=60.0) == 2


def test_a_script_runs_as_main_and_imports_its_neighbours(slot: Slot, tmp_path: Path) -> None:
    seen = printed(
        slot,
        tmp_path,
        "import net.layers\nprint(json.dumps([__name__, __file__, net.layers.size]))\n",
        files={"net/layers.py": "size = 3\n"},
    )
    assert seen == ["__main__", "train.py", 3]


def test_a_module_of_the_codebase_cannot_stand_in_for_a_preloaded_one(
    slot: Slot, tmp_path: Path
) -> None:
    stand_in = "raise SystemExit('imported before the clock started')\n"
    fake = {"decimal.py": stand_in, "sitecustomize.py": stand_in, "usercustomize.py": stand_in}
    code = "import decimal\nprint(json.dumps(decimal.__file__))\n"
    assert "python" in printed(slot, tmp_path, code, preload=["decimal"], files=fake)


def test_imports_of_preload_are_not_charged(slot: Slot, tmp_path: Path) -> None:
    train = f"import {HEAVY}\n{TRAIN}"
    budget = {"budget_kind": "cpu", "budget_seconds": 0.25}
    trial = slot.run(make_spec(tmp_path, train, preload=[HEAVY], **budget))
    assert trial.status == "completed", trial.detail
    assert 0 <= trial.charged_s < 0.25
    # A server of warm starts has imported it before.
    assert (trial.startup_s > 0.25) == ("namespaces" not in trial.sandbox)
    assert slot.run(make_spec(tmp_path, train, **budget)).status == "timeout"


def test_a_start_that_takes_too_long_is_charged(slot: Slot, tmp_path: Path) -> None:
    budget = {"budget_kind": "cpu", "budget_seconds": 0.2, "startup_seconds": 0.05}
    # Another list of modules, for which no server is there yet.
    trial = slot.run(make_spec(tmp_path, preload=[HEAVY, "colorsys"], **budget))
    assert (trial.status, trial.stage) == ("timeout", "train")


def test_a_cpu_budget_ends_a_busy_loop_near_its_limit(slot: Slot, tmp_path: Path) -> None:
    trial = slot.run(make_spec(tmp_path, BUSY, budget_kind="cpu", budget_seconds=0.4))
    assert (trial.status, trial.stage) == ("timeout", "train")
    assert trial.detail == "training: the budget of 0.4 cpu seconds was used up"
    assert 0.4 < trial.charged_s < 0.8


def test_a_wall_budget_ends_a_sleeper_near_its_limit(slot: Slot, tmp_path: Path) -> None:
    trial = slot.run(make_spec(tmp_path, SLEEP, budget_kind="wall", budget_seconds=0.4))
    assert trial.detail == "training: the budget of 0.4 wall seconds was used up"
    assert trial.status == "timeout" and 0.4 < trial.charged_s < 3


def test_a_wall_limit_ends_a_sleeper_whatever_it_was_charged(slot: Slot, tmp_path: Path) -> None:
    spec = make_spec(tmp_path, SLEEP, budget_kind="cpu", budget_seconds=30, wall_limit=0.4)
    trial = slot.run(spec)
    assert (trial.status, trial.detail) == (
        "timeout",
        "training: still running after 0.4 wall seconds",
    )
    assert trial.charged_s < 1 and 0.4 < trial.train_s < 5


def test_a_budget_that_is_overrun_just_before_the_end_is_a_timeout(
    slot: Slot, tmp_path: Path
) -> None:
    train = f"import time\nwhile time.process_time() < 0.5: pass\n{TRAIN}"
    trial = slot.run(make_spec(tmp_path, train, budget_kind="cpu", budget_seconds=0.3))
    assert trial.status == "timeout"


@pytest.mark.parametrize(
    ("train", "detail"),
    [
        ("raise RuntimeError('loss is nan')\n", "RuntimeError: loss is nan"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('out of ideas')\n", "out of ideas"),
        ("import os\nos._exit(3)\n", "training ended with exit code 3"),
        ("import os\nos.kill(os.getpid(), 11)\n", "training was ended by SIGSEGV"),
        ("import sys\nsys.stderr.buffer.write(b'\\xff\\n \\n')\nsys.exit(1)\n", "\ufffd"),
    ],
)
def test_the_last_line_says_why_training_crashed(
    slot: Slot, tmp_path: Path, train: str, detail: str
) -> None:
    trial = slot.run(make_spec(tmp_path, train))
    assert (trial.status, trial.stage, trial.detail) == ("crashed", "train", detail)


@pytest.mark.parametrize(
    ("entry", "detail"),
    [
        (["no-such-command"], "no-such-command: No such file or directory"),
        (["./train.py"], "./train.py: Permission denied"),
        (["python", "no-such-file.py"], "No such file or directory"),
        (["python", "-c", "raise KeyError(3)"], "KeyError: 3"),
        (["sh", "-c", "echo two lines >&2; exit 4"], "two lines"),
    ],
)
def test_a_command_that_cannot_run_is_a_crash(
    slot: Slot, tmp_path: Path, entry: list[str], detail: str
) -> None:
    trial = slot.run(make_spec(tmp_path, entry=entry))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert detail in trial.detail


@pytest.mark.parametrize(
    "train",
    [
        "pass\n",
        "open('candidate', 'w').close()\n",
    ],
)
def test_training_must_leave_a_folder(slot: Slot, tmp_path: Path, train: str) -> None:
    trial = slot.run(make_spec(tmp_path, train))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert trial.detail == "training ended without leaving a folder candidate/"


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("os.mkdir('c'); os.symlink('c', 'candidate')", "candidate is a link"),
        ("os.symlink('/', 'candidate')", "candidate is a link"),
        ("os.symlink('nowhere', 'candidate')", "candidate is a link"),
        ("os.mkdir('candidate'); os.symlink('/etc/passwd', 'candidate/w')", "neither a file"),
        ("os.makedirs('candidate/a'); os.symlink('../..', 'candidate/a/w')", "neither a file"),
        ("os.mkdir('candidate'); os.mkfifo('candidate/w')", "neither a file"),
        ("os.mkdir('candidate'); os.link('train.py', 'candidate/w')", "hard link"),
        ("os.makedirs('candidate/' + 30 * 'd/')", "over 16 folders deep"),
        (
            "os.mkdir('candidate'); [open(f'candidate/{i}', 'w').close() for i in range(10_001)]",
            "over 10000 files and folders",
        ),
    ],
)
def test_a_candidate_is_plain_files_and_folders(
    slot: Slot, tmp_path: Path, code: str, detail: str
) -> None:
    trial = slot.run(make_spec(tmp_path, f"import os\n{code}\n"))
    assert (trial.status, trial.stage) == ("rejected", "examine")
    assert detail in trial.detail


def test_frozen_files_are_laid_over_the_tree_and_again_before_the_examination(
    slot: Slot, tmp_path: Path
) -> None:
    train = """
    import os
    print(open("serve.py").read(), end="")
    open("serve.py", "w").write("changed by training")
    open("left.py", "w").write("left by training")
    os.mkdir("candidate")
    """
    evaluate = """
    def examine(candidate, held_out):
        folder = candidate.folder.parent
        assert (folder / "serve.py").read_text() == "the frozen one\\n"
        assert (folder / "model.py").read_text() == "the edited one"
        assert not (folder / "left.py").exists()
        return {}
    """
    trial = slot.run(
        make_spec(
            tmp_path,
            train,
            evaluate=evaluate,
            files={"serve.py": "the edited one", "model.py": "the edited one"},
            frozen={"serve.py": "the frozen one\n"},
        )
    )
    assert (trial.status, trial.detail) == ("completed", "")
    assert trial.log == "the frozen one\n"


def test_a_tree_that_has_a_candidate_of_its_own_does_not_disturb(
    slot: Slot, tmp_path: Path
) -> None:
    train = "import os\nos.makedirs('candidate', exist_ok=True)\nopen('candidate/new', 'w')\n"
    evaluate = """
    def examine(candidate, held_out):
        return {path.name: 1.0 for path in candidate.folder.iterdir()}
    """
    spec = make_spec(tmp_path, train, evaluate=evaluate, files={"candidate/old": "x"})
    trial = slot.run(spec)
    assert (trial.status, trial.detail) == ("completed", "")
    assert trial.metrics == {"old": 1.0, "new": 1.0}


def test_a_tree_that_cannot_be_laid_out_is_a_crash_with_its_reason(
    slot: Slot, tmp_path: Path
) -> None:
    trial = slot.run(make_spec(tmp_path, files={"a": "a file", "a/b": "below a file"}))
    assert (trial.status, trial.stage) == ("crashed", "train")
    assert "exists" in trial.detail or "directory" in trial.detail


def test_a_long_log_keeps_its_end(slot: Slot, tmp_path: Path) -> None:
    train = f"for i in range(5 * 2**20 // 64): print(f'{{i:063}}')\n{TRAIN}print('the end')\n"
    trial = slot.run(make_spec(tmp_path, train))
    assert trial.log.endswith("\nthe end\n")
    assert LOG_BYTES <= len(trial.log) <= LOG_BYTES + 100
    assert "bytes left out" in trial.log.splitlines()[0]


# Leaves a process that has forked twice and is called as the first argument says.
DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN)
        open("started", "w").close()
        os.execvp("sleep", [sys.argv[1], "600"])
    os._exit(0)
os.wait()
while not os.path.exists("started"):
    time.sleep(0.01)
print("the daemon runs", flush=True)
"""


@pytest.mark.parametrize("end", [TRAIN, "raise SystemExit(1)\n", BUSY])
def test_a_daemon_ends_with_the_training_that_left_it(slot: Slot, tmp_path: Path, end: str) -> None:
    entry = ["python", "train.py", f"daemon-of-{tmp_path}"]
    trial = slot.run(make_spec(tmp_path, DAEMON + end, entry=entry, budget_seconds=1.5))
    assert trial.status in ("completed", "crashed", "timeout")
    assert "the daemon runs" in trial.log
    assert not marked(f"daemon-of-{tmp_path}")


def test_a_slot_whose_owner_hangs_up_ends_its_trial_and_removes_its_folder(
    lock: Sandbox, tmp_path: Path
) -> None:
    slot = Slot(tmp_path / "slot", lock)
    entry = ["python", "train.py", f"daemon-of-{tmp_path}"]
    slot.send(make_spec(tmp_path / "spec", DAEMON + SLEEP, entry=entry))
    wait_until(lambda: any(_is_sleep(pid) for pid in marked(f"daemon-of-{tmp_path}")))
    assert slot.close() == 0
    assert not marked(f"daemon-of-{tmp_path}")
    assert not slot.folder.exists()


def _is_sleep(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    return False
