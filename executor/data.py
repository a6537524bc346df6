"""Prepared data: what training may see, what only the examiner sees, made once.

A problem's `prepare.py` has one function, `prepare(train, held_out, source=None)`, which fills two
fresh folders, deterministically. The function may take two more: `tokens`, how much data to make,
and `work`, a folder beside the others that outlives a kill, for what need not be made twice by the
next attempt with the same source and tokens. The script may have two more functions:
`hidden() -> list[Path]`, where else on the machine held-out data can be read, which the sandbox
then hides, and `check(train, held_out)`, a quick look at the data before each use, which raises
ValueError. The folders are kept under `$IDEATOR_RL_DATA` (default `~/.cache/ideator-rl`), one for
each text of `prepare.py` and version of Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import inspect
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
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
    module = _load_prepare(script)
    data = PreparedData(
        folder / "train",
        folder / "held_out",
        fingerprint,
        tuple(getattr(module, "hidden", list)()),
    )
    if hasattr(module, "check"):
        try:
            module.check(data.train, data.held_out)
        except (ValueError, OSError) as error:
            raise ProblemError(f"{name}: {error}") from None
    return data


def verify_data(name: str, script: Path) -> int:
    """Compares every prepared file with its checksum; returns how many there are.

    Raises ProblemError naming the first that is damaged, or when nothing is prepared.
    """
    folder = data_folder(name, script)
    mend = f"run: ideator-rl envs prepare {name}"
    if not (folder / "manifest.json").is_file():
        raise ProblemError(f"{name}: its data are not prepared; {mend}")
    manifest = json.loads((folder / "manifest.json").read_text())
    for file, digest in manifest.items():
        path = folder / file
        if not path.is_file() or _checksum(path) != digest:
            raise ProblemError(f"{path}: damaged, its checksum is not the recorded one; {mend}")
    return len(manifest)


def data_folder(name: str, script: Path) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(script.read_bytes() + version.encode()).hexdigest()[:12]
    return data_root() / f"{name}-{digest}"


def prepare_data(
    name: str, script: Path, source: str | None = None, tokens: int | None = None
) -> Path:
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
        _fill(fresh, script, source, tokens)
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


def _fill(fresh: Path, script: Path, source: str | None, tokens: int | None) -> None:
    (fresh / "train").mkdir()
    (fresh / "held_out").mkdir()
    prepare = _load_prepare(script).prepare
    takes = inspect.signature(prepare).parameters
    if tokens is not None and "tokens" not in takes:
        raise ValueError("it makes one fixed amount; leave --tokens out")
    with _work_folder(script, source, tokens) if "work" in takes else nullcontext() as work:
        given = {"tokens": tokens, "work": work}
        prepare(
            fresh / "train",
            fresh / "held_out",
            source,
            **{key: value for key, value in given.items() if key in takes},
        )
        _seal(fresh)


def _seal(fresh: Path) -> None:
    """Writes the manifest and sets who may read what."""
    manifest = {
        path.relative_to(fresh).as_posix(): _checksum(path)
        for path in sorted(fresh.rglob("*"))
        if path.is_file()
    }
    (fresh / "manifest.json").write_text(json.dumps(manifest, indent=1))
    fresh.chmod(0o755)
    (fresh / "held_out").chmod(0o700)
    # The sandbox's user is another one.
    for path in (fresh / "train", *(fresh / "train").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@contextmanager
def _work_folder(script: Path, source: str | None, tokens: int | None) -> Iterator[Path]:
    """A folder for these arguments, gone after success only. Raises ValueError where it is in use.

    What an attempt left that failed at once, without a file, is gone, too.
    """
    key = [str(script.resolve()), script.read_text(), source, tokens]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    folder = data_root() / f".work-{digest}"
    folder.mkdir(exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ValueError("another process is preparing them; wait for it") from None
    try:
        yield folder
        shutil.rmtree(folder)
    finally:
        with suppress(OSError):
            folder.rmdir()
        os.close(handle)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_prepare(script: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"prepare_{script.parent.name}", script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "prepare"):
        raise ValueError(f"{script} has no function prepare(train, held_out, source=None)")
    return module
