"""The data of an imported problem: the evaluator's folder, for the box or for the examiner alone.

Its `prepare.py` calls `fill` and `check`. Without `--examined` the evaluator's folder is among what
the training's box sees, read-only; with it, it is held out.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from dataclasses import asdict
from pathlib import Path

from executor.problem.problem_file import Imported
from executor.settings import convert
from gym_envs.imports import boxed
from gym_envs.imports.examination import evaluation_settings

PEER = "peer"
LEFT_OUT = ("__pycache__", ".git", "results", "openevolve_output", "*.pyc")
_BOXED = Path(boxed.__file__).parent


def fill(problem: Path, digest: str, train: Path, held_out: Path) -> None:
    """Fills the folders of data.

    Args:
        problem: the folder of the imported problem.
        digest: of its folder `peer/`, from when it was imported.
        train: what the training's box sees.
        held_out: what only the examiner sees.

    Raises:
        ValueError: the folder `peer/` has changed.
    """
    _unchanged(problem, digest)
    imported = convert(tomllib.loads((problem / "problem.toml").read_text())["imported"], Imported)
    shutil.copytree(_BOXED, train / "boxed", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(problem / PEER, (held_out if imported.examined else train) / PEER)
    settings = {"program": imported.program, **asdict(evaluation_settings(imported))}
    (train / "settings.json").write_text(json.dumps(settings))


def check(problem: Path, digest: str, train: Path) -> None:
    """Looks whether the data are of this folder, and of this version of the package.

    Raises:
        ValueError: says what to do.
    """
    _unchanged(problem, digest)
    for path in _BOXED.glob("*.py"):
        copy = train / "boxed" / path.name
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            raise ValueError(
                f"its data are of another version; run: ideator-rl envs prepare {problem}"
            )


def digest_of(folder: Path) -> str:
    """A hash of every file in a folder and of its name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [(p.relative_to(folder).as_posix(), _sha256(p)) for p in files]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _unchanged(problem: Path, digest: str) -> None:
    if digest_of(problem / PEER) != digest:
        raise ValueError(f"{problem / PEER} has changed since it was imported; import it again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
