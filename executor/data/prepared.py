"""Prepared data: what training may see, what only the examiner sees, made once.

A problem's `prepare.py` has one function, `prepare(train, held_out, source=None)`, which fills
fresh folders, deterministically. It is given as well what it has a parameter for:

- `secret`: a text that this machine drew once (see `secret.py`), from which it draws all that no
  idea may know in advance, such as the split and the order of questions;
- `final`: a third folder, of the same form as `held_out`, which no search ever touches: only a
  confirmation examines it;
- `tokens`: how much data to make;
- `work`: a folder beside the others that outlives a kill, for what need not be made twice by the
  next attempt with the same source and tokens.

The script may have two more functions: `hidden() -> list[Path]`, or `hidden(visible)` with the
paths that a sandbox shows, says where else on the machine held-out data can be read, which the
sandbox then hides; `check(train, held_out)` is a quick look at the data before each use, which
raises ValueError. The folders are kept under `$IDEATOR_RL_DATA` (default `~/.cache/ideator-rl`),
one for each text of the script and the modules that it imports from beside it, version of Python
and secret.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from executor.data.outline import Outline, outline_of
from executor.data.script import Script, load_script
from executor.data.secret import secret_of, share_secret
from executor.errors import ProblemError
from executor.sandbox.visible import visible_paths

T = TypeVar("T")
FOLDERS = ("train", "held_out", "final")


@dataclass(frozen=True)
class PreparedData:
    """The folders, and a hash of every file in them. `final` is None where a problem has no such
    part; `look` finds what is `hidden`."""

    train: Path | None
    held_out: Path | None
    fingerprint: str
    final: Path | None = None
    look: Callable[[], tuple[Path, ...]] = field(default=tuple, compare=False, repr=False)

    @cached_property
    def hidden(self) -> tuple[Path, ...]:
        """Where else held-out data lie. To look may take a second, the first time."""
        return self.look()


def data_root() -> Path:
    return Path(os.environ.get("IDEATOR_RL_DATA") or Path.home() / ".cache" / "ideator-rl")


def prepared_data(name: str, path: Path | None, *, auto: bool) -> PreparedData:
    """The data of problem `name`; prepares them first if they are missing and `auto` is set.

    Raises ProblemError when they are missing otherwise, or when preparing fails.
    """
    if path is None:
        return PreparedData(None, None, "none")
    outline = _outline(name, path)
    folder = _folder(name, outline)
    if not (folder / "manifest.json").is_file():
        if not auto:
            raise ProblemError(
                f"{name}: its data are not prepared; run: ideator-rl envs prepare {name}"
            )
        _prepare(name, path, outline, None, None)
    fingerprint = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:16]
    train, held_out = folder / "train", folder / "held_out"
    final = folder / "final" if "final" in outline.takes else None
    if "check" in outline.has:
        script = _load(name, path)
        try:
            with script.imports():
                script.module.check(train, held_out)
        except (ValueError, OSError) as error:
            raise ProblemError(f"{name}: {error}") from None
    look = partial(_hidden, name, path) if "hidden" in outline.has else tuple
    return PreparedData(train, held_out, fingerprint, final, look)


def _hidden(name: str, path: Path) -> tuple[Path, ...]:
    script = _load(name, path)
    with script.imports():
        hidden = script.module.hidden
        takes = inspect.signature(hidden).parameters
        return tuple(hidden(visible_paths()) if takes else hidden())


def verify_data(name: str, path: Path) -> int:
    """Compares every prepared file with its checksum; returns how many there are.

    Raises ProblemError naming the first that is damaged, or when nothing is prepared.
    """
    folder = data_folder(name, path)
    mend = f"run: ideator-rl envs prepare {name}"
    if not (folder / "manifest.json").is_file():
        raise ProblemError(f"{name}: its data are not prepared; {mend}")
    manifest = json.loads((folder / "manifest.json").read_text())
    for file, digest in manifest.items():
        path = folder / file
        if not path.is_file() or _checksum(path) != digest:
            raise ProblemError(f"{path}: damaged, its checksum is not the recorded one; {mend}")
    return len(manifest)


def data_folder(name: str, path: Path) -> Path:
    """Where the data of problem `name` lie, prepared or not. Raises ProblemError."""
    return _folder(name, _outline(name, path))


def _folder(name: str, outline: Outline) -> Path:
    parts = [f"{sys.version_info.major}.{sys.version_info.minor}"]
    parts += [file.read_text() for file in outline.files]
    if "secret" in outline.takes:
        parts.append(_secret(name))
    return data_root() / f"{name}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def _secret(name: str) -> str:
    try:
        return secret_of(name, data_root())
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> ProblemError:
    return ProblemError(
        f"{data_root()}: cannot be written ({error.strerror}); set IDEATOR_RL_DATA to a folder "
        "that can"
    )


def prepare_data(
    name: str,
    path: Path,
    source: str | None = None,
    tokens: int | None = None,
    secret: Path | None = None,
) -> Path:
    """Runs `prepare.py` into a new folder and puts it in place whole; with the text of the file
    `secret`, which is the problem's from then on. Raises ProblemError.
    """
    outline = _outline(name, path)
    if secret is not None:
        if "secret" not in outline.takes:
            raise ProblemError(f"{name}: its data come from no secret; leave --secret out")
        share_secret(name, secret, data_root())
    return _prepare(name, path, outline, source, tokens)


def _prepare(
    name: str, path: Path, outline: Outline, source: str | None, tokens: int | None
) -> Path:
    script, folder = _load(name, path), _folder(name, outline)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(error) from None
    replaces = folder.exists()
    try:
        with script.imports():
            _fill(fresh, name, script, outline.takes, source, tokens)
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


def _fill(
    fresh: Path,
    name: str,
    script: Script,
    takes: frozenset[str],
    source: str | None,
    tokens: int | None,
) -> None:
    for folder in FOLDERS:
        if folder != "final" or "final" in takes:
            (fresh / folder).mkdir()
    if tokens is not None and "tokens" not in takes:
        raise ValueError("it makes one fixed amount; leave --tokens out")
    with _work_folder(script, source, tokens) if "work" in takes else nullcontext() as work:
        given: dict[str, object] = {"tokens": tokens, "work": work, "final": fresh / "final"}
        if "secret" in takes:
            given["secret"] = _secret(name)
        script.module.prepare(
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
    for secret in filter(Path.exists, (fresh / "held_out", fresh / "final")):
        secret.chmod(0o700)
    # The sandbox's user is another one.
    for path in (fresh / "train", *(fresh / "train").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@contextmanager
def _work_folder(script: Script, source: str | None, tokens: int | None) -> Iterator[Path]:
    """A folder for these arguments, gone after success only. Raises ValueError where it is in use.

    What an attempt left that failed at once, without a file, is gone, too.
    """
    key = [str(script.path), script.path.read_text(), source, tokens]
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


def _outline(name: str, path: Path) -> Outline:
    outline = _loaded(name, path, outline_of)
    if "prepare" not in outline.has:
        raise ProblemError(f"{path} has no function prepare(train, held_out, source=None)")
    return outline


def _load(name: str, path: Path) -> Script:
    return _loaded(name, path, load_script)


def _loaded(name: str, path: Path, load: Callable[[Path], T]) -> T:
    try:
        return load(path)
    except (ValueError, OSError, ImportError) as error:
        raise ProblemError(f"{name}: {path} does not load: {error}") from None
