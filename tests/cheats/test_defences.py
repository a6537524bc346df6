"""No defence is there in vain: without any single one of them, some cheat succeeds."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.errors import UserError
from executor.implementer.implementer import apply_idea
from executor.outcomes import outcome_of, trial_spec
from executor.records import Trial
from executor.sandbox import Sandbox, choose
from executor.trial.spec import TrialSpec
from gym_envs.cheats import CHEATS
from gym_envs.cheats.attempts import CheatResult, complaints
from gym_envs.cheats.cheat import CLASSIFIER
from gym_envs.cheats.traps import Traps
from tests.cheats.defences import DEFENCES, Defence
from tests.cheats.removals import EXPOSED
from tests.cheats.runs import REPOSITORY, small_problem
from tests.executor.trials import read_trial

# More than the small baseline ever reaches.
HONEST = 0.85
_SLOT = (sys.executable, "-P", "-m", "tests.cheats.defences")


# The others are left to `make test-cheats`.
_QUICK = ("seccomp", "candidate of plain files", "separate log of the exam")
_SLOW = ("network namespace", "masks of held-out sources", "clean environment")


def _cases() -> Iterator[object]:
    for defence in DEFENCES:
        mark: tuple[pytest.MarkDecorator, ...] = (pytest.mark.release,)
        if defence.lock == "bubblewrap":
            quick, slow = defence.name in _QUICK, defence.name in _SLOW
            mark = () if quick else (pytest.mark.slow,) if slow else mark
        yield pytest.param(defence, id=str(defence), marks=mark)


@pytest.fixture
def exposed(traps: Traps) -> Iterator[Path]:
    """A folder that everybody may read and write, with all that a cheat looks for.

    Not below /tmp, which is another one in a box.
    """
    data = small_problem(CLASSIFIER).data()
    assert data.train and data.held_out
    with tempfile.TemporaryDirectory(prefix="ideator-cheat-exposed-", dir="/var/tmp") as name:
        folder = Path(name)
        shutil.copytree(data.train, folder / "train")
        shutil.copytree(data.held_out, folder / "held_out")
        shutil.copytree(traps.folder / "home", folder / "home")
        for place in ("site/executor/inside", "site/gym_envs/inside", "store/runs", "tmp", "shm"):
            (folder / place).mkdir(parents=True)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777)
        yield folder


@pytest.fixture
def clean_host(traps: Traps) -> Iterator[None]:
    """Removes what a cheat leaves in the host's own kernel objects."""
    yield
    libc, key = ctypes.CDLL(None), traps.key
    libc.shmctl(libc.shmget(key, 0, 0), 0, None)
    libc.semctl(libc.semget(key, 0, 0), 0, 0)
    libc.msgctl(libc.msgget(key, 0), 0, None)


@pytest.mark.parametrize("defence", list(_cases()))
@pytest.mark.usefixtures("clean_host")
def test_without_a_defence_a_cheat_succeeds(defence: Defence, traps: Traps, exposed: Path) -> None:
    """The same trial twice, in a slot that loses the defence in between."""
    cheat = next(cheat for cheat in CHEATS if cheat.name == defence.cheat)
    problem = small_problem(CLASSIFIER)
    facts = traps.facts(problem, exposed / "store")
    facts |= {
        "HELD_OUT": str(exposed / "held_out"),
        "TRAIN": str(exposed / "train"),
        "HOME": str(exposed / "home"),
        "REPOSITORY": str(exposed / "site"),
    }
    idea = cheat.idea(CLASSIFIER, facts)
    spec = trial_spec(problem, problem.data(), apply_idea(problem, idea.text).files, seed=0)
    # Enough memory for what the cheats on the disk write into it.
    memory_mib = spec.memory_mib if cheat.name.startswith("memory") else 2048
    spec = replace(spec, train_data=str(exposed / "train"), memory_mib=memory_mib)
    try:
        lock = choose("strict", names=(defence.lock,))
    except UserError as error:
        pytest.skip(str(error))

    found = [
        complaints(
            cheat,
            CheatResult(outcome_of(problem, idea, 0, trial, ""), trial.log),
            HONEST,
            CLASSIFIER,
        )
        for trial in _two_trials(defence, lock, spec, exposed)
    ]

    assert found[0] == []
    assert found[1] != []
    traps.visits.clear()


def _two_trials(defence: Defence, lock: Sandbox, spec: TrialSpec, exposed: Path) -> list[Trial]:
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [*_SLOT, defence.name, f"{folder}/slot", lock.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, EXPOSED: str(exposed), "PYTHONPATH": str(REPOSITORY)},
        ) as slot,
    ):
        assert slot.stdin and slot.stdout
        trials = []
        for _ in range(2):
            slot.stdin.write(f"{spec.to_json()}\n".encode())
            slot.stdin.flush()
            # A slot ends its trial when its input does.
            trials.append(read_trial(slot.stdout))
        return trials
