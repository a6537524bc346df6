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


def fill(problem: Path, key: str, train: Path, held_out: Path) -> None:
    """Fills the folders of data.

    Args:
        problem: the folder of the imported problem.
        key: what `key_of` said of it when it was imported.
        train: what the training's box sees.
        held_out: what only the examiner sees.

    Raises:
        ValueError: the evaluator's folder or its settings have changed.
    """
    _unchanged(problem, key)
    imported = _imported(problem)
    shutil.copytree(_BOXED, train / "boxed", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(problem / PEER, (held_out if imported.examined else train) / PEER)
    (train / "settings.json").write_text(json.dumps(_settings(imported)))


def check(problem: Path, key: str, train: Path) -> None:
    """Looks whether the data are of this folder, and of this version of the package.

    Raises:
        ValueError: says what to do.
    """
    _unchanged(problem, key)
    for path in _BOXED.glob("*.py"):
        copy = train / "boxed" / path.name
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            raise ValueError(
                f"its data are of another version; run: ideator-rl envs prepare {problem}"
            )


def key_of(problem: Path) -> str:
    """A hash of everything that the data are made from: `prepare.py` holds it, so that two problems
    of one name have data of their own."""
    folder, imported = problem / PEER, _imported(problem)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [(p.relative_to(folder).as_posix(), _sha256(p)) for p in files]
    text = json.dumps([parts, _settings(imported), imported.examined])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _imported(problem: Path) -> Imported:
    return convert(tomllib.loads((problem / "problem.toml").read_text())["imported"], Imported)


def _settings(imported: Imported) -> dict[str, object]:
    return {"program": imported.program, **asdict(evaluation_settings(imported))}


def _unchanged(problem: Path, key: str) -> None:
    if key_of(problem) != key:
        raise ValueError(
            f"{problem}: peer/ or the section imported has changed since it was imported; import "
            "it again"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
