"""The Python standard library's sources as a byte-level corpus, perturbed by this machine's secret.

They are always there, without a download, but every language model has read them: `perturb.py`
makes others of them, in training and examination alike, so that recall of the originals earns
nothing. The split is by file and the same on every CPython from 3.11 on. The modules that are held
out are ones that PyTorch does not import, so that the sandbox can hide them from training.
"""

import json
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gym_envs.copies import folders_with

from perturb import perturbed

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
FINAL = (
    "filecmp.py",
    "fileinput.py",
    "netrc.py",
    "pyclbr.py",
    "rlcompleter.py",
    "trace.py",
    "webbrowser.py",
    "wsgiref/handlers.py",
    "xmlrpc/client.py",
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
EXAM = {"window": 128, "batch": 80}
WINDOWS = 80


def prepare(
    train: Path, held_out: Path, source: str | None = None, *, secret: str, final: Path
) -> None:
    """Fills the folders from the standard library, or from another folder of sources.

    Raises ValueError where that holds too little.
    """
    root = Path(source or sysconfig.get_path("stdlib"))
    texts = perturbed({name: read(root / name) for name in corpus(root)}, secret)
    apart = {held_out: HELD_OUT, final: FINAL}
    known = [name for name in texts if name not in (*HELD_OUT, *FINAL)]
    write(train / "train.bin", root, [texts[name] for name in known], {})
    for folder, names in apart.items():
        path = folder / "held_out.bin"
        write(path, root, [texts[name] for name in names if name in texts], EXAM)
        rng = np.random.default_rng(list(f"{secret} windows {names[0]}".encode()))
        last = path.stat().st_size - EXAM["window"] - 1
        np.save(folder / "starts.npy", rng.choice(last + 1, WINDOWS, replace=False))


def hidden(visible: Sequence[Path]) -> list[Path]:
    """The modules held out, source and bytecode, in every Python that a sandbox shows."""
    found: list[Path] = []
    for root in folders_with({"poplib.py", "poplib.pyc"}, visible):
        for module in map(Path, (*HELD_OUT, *FINAL)):
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


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def write(path: Path, root: Path, texts: list[str], exam: dict[str, int]) -> None:
    """One long row of bytes; a zero byte ends each file."""
    data = b"".join(text.encode() + b"\0" for text in texts)
    if len(data) < 100_000:
        raise ValueError(f"{root} holds too few .py files: give a full Python's library as source")
    path.write_bytes(data)
    meta = {"dtype": "uint8", "vocab_size": 256, **exam}
    (path.parent / "meta.json").write_text(json.dumps(meta))
