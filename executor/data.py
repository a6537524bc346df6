"""Prepared data: what training may see, what only the examiner sees, made once.

A problem's `prepare.py` has one function, `prepare(train, held_out, source=None)`, which fills two
fresh folders, deterministically. It may have a second, `hidden() -> list[Path]`: where else on the
machine held-out data can be read, which the sandbox then hides. The folders are kept under
`$IDEATOR_RL_DATA` (default `~/.cache/ideator-rl`), one for each text of `prepare.py` and version of
Python.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.errors import ProblemError


@dataclass(frozen=True)
class PreparedData:
    """Two folders, a hash of every file in them, and where else held-out data lie."""

    train: Path | None
    held_out: Path | None
    fingerprint: str
    hidden: tuple[Path, ...] = ()


def data_root() -> Path:
    return Path(os.environ.get("IDEATOR_RL_DATA") or Path.home() / ".cache" / "ideator-rl")


def prepared_data(name: str, script: Path | None, *, auto: bool) -> PreparedData:
    """The data of problem `name`; prepares them first if they are missing and `auto` is set.

    Raises ProblemError when they are missing otherwise, or when preparing fails.
    """
    if script is None:
        return PreparedData(None, None, "none")
    folder = data_folder(name, script)
    if not (folder / "manifest.json").is_file():
        if not auto:
            raise ProblemError(
                f"{name}: its data are not prepared; run: ideator-rl envs prepare {name}"
            )
        prepare_data(name, script)
    fingerprint = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:16]
    hidden = tuple(getattr(_load_prepare(script), "hidden", list)())
    return PreparedData(folder / "train", folder / "held_out", fingerprint, hidden)


def data_folder(name: str, script: Path) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(script.read_bytes() + version.encode()).hexdigest()[:12]
    return data_root() / f"{name}-{digest}"


def prepare_data(name: str, script: Path, source: str | None = None) -> Path:
    """Runs `prepare.py` into a new folder and puts it in place whole. Raises ProblemError."""
    folder = data_folder(name, script)
    replaces = folder.exists()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ProblemError(
            f"{folder.parent}: cannot be written ({error.strerror}); set IDEATOR_RL_DATA to a "
            "folder that can"
        ) from None
    try:
        _fill(fresh, script, source)
        if replaces:
            # Preparing again, with another source perhaps.
            folder.rename(fresh / "replaced")
        # Somebody else may have prepared the same data in the meantime: theirs are as good.
        with suppress(OSError):
            fresh.rename(folder)
        shutil.rmtree(folder / "replaced", ignore_errors=True)
    except (ValueError, OSError, ImportError) as error:
        raise ProblemError(f"{name}: preparing its data failed: {error}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _fill(fresh: Path, script: Path, source: str | None) -> None:
    (fresh / "train").mkdir()
    (fresh / "held_out").mkdir()
    _load_prepare(script).prepare(fresh / "train", fresh / "held_out", source)
    manifest = {
        path.relative_to(fresh).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(fresh.rglob("*"))
        if path.is_file()
    }
    (fresh / "manifest.json").write_text(json.dumps(manifest, indent=1))
    fresh.chmod(0o755)
    (fresh / "held_out").chmod(0o700)
    # The sandbox's user is another one.
    for path in (fresh / "train", *(fresh / "train").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _load_prepare(script: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"prepare_{script.parent.name}", script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "prepare"):
        raise ValueError(f"{script} has no function prepare(train, held_out, source=None)")
    return module
