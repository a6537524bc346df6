"""The Python standard library's own sources as a byte-level corpus: always there, no download.

The split is by file and the same on every CPython from 3.11 on. The held-out modules are ones
that PyTorch does not import, so that the sandbox can hide them from training.
"""

import json
import os
import sys
import sysconfig
from functools import cache
from pathlib import Path

HELD_OUT = (
    "ftplib.py",
    "http/cookiejar.py",
    "imaplib.py",
    "mailbox.py",
    "modulefinder.py",
    "plistlib.py",
    "poplib.py",
    "sched.py",
    "shelve.py",
    "smtplib.py",
    "wave.py",
    "xmlrpc/server.py",
)
# tests, character tables, manual topics, what a build generates, what newer versions lack
EXCLUDED = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idle_test",
    "idlelib",
    "lib2to3",
    "distutils",
    "encodings",
    "pydoc_data",
    "ensurepip",
    "turtledemo",
}
EXAM = {"windows": 80, "window": 128, "batch": 80}


def prepare(train: Path, held_out: Path, source: str | None = None) -> None:
    """Fill train/ and held_out/ from the standard library, or from another folder of sources."""
    root = Path(source or sysconfig.get_path("stdlib"))
    names = corpus(root)
    meta = {"dtype": "uint8", "vocab_size": 256}
    write(train, "train.bin", root, [n for n in names if n not in HELD_OUT], meta)
    write(held_out, "held_out.bin", root, [n for n in names if n in HELD_OUT], meta | EXAM)


@cache
def hidden() -> list[Path]:
    """The held-out modules, source and bytecode, in every Python that lies on this machine."""
    places = ("/usr", sys.base_prefix, sys.prefix, sysconfig.get_path("stdlib"))
    roots = {
        Path(folder)
        for place in places
        for folder, _, files in os.walk(place)
        if {"poplib.py", "poplib.pyc"} & set(files)
    }
    found: list[Path] = []
    for root in sorted(roots):
        for module in map(Path, HELD_OUT):
            found += (root / module.parent).glob(f"{module.stem}.py*")
            found += (root / module.parent / "__pycache__").glob(f"{module.stem}.*")
    return found


def corpus(root: Path) -> list[str]:
    """The files to use, as sorted names relative to root."""
    names = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(
        name.as_posix()
        for name in names
        if not EXCLUDED.intersection(name.parts)
        and not name.parts[0].startswith(("_sysconfigdata", "config-", "lib-"))
    )


def write(folder: Path, name: str, root: Path, files: list[str], meta: dict) -> None:
    """One long row of bytes; a zero byte ends each file."""
    data = b"".join((root / file).read_bytes() + b"\0" for file in files)
    if len(data) < 100_000:
        raise ValueError(f"{root} holds too few .py files: give a full Python's library as source")
    (folder / name).write_bytes(data)
    (folder / "meta.json").write_text(json.dumps(meta))
