"""An fsspec file system over a local folder that fails on demand: `faulty:///folder/store`.

    fail(Fault("error", "pipe_file", "outcome.json", times=2))    # in this process
    Path("/folder/store.away").write_text("error")                # everything, in every process

Kinds: `error` fails before anything happens, `lost` after all of it did (the answer got lost),
`cut` leaves half of what was to be written and fails, `stall` takes a minute first. A conditional
create is atomic: a cut leaves nothing of it.
"""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

STALL_S = 60.0
KINDS = ("error", "lost", "cut", "stall")


@dataclass
class Fault:
    """What happens to `times` operations of a name on paths with some text, the first `after`
    excepted."""

    kind: str
    operation: str = ""
    path: str = ""
    times: float = 1
    after: int = 0
    chance: float = 1.0


_faults: list[Fault] = []
_turn = threading.Lock()
_rng = random.Random(3)


def fail(*faults: Fault) -> None:
    """From now on these faults, and no others."""
    with _turn:
        _faults[:] = faults


def _fault(operation: str, path: str) -> str:
    with _turn:
        for fault in _faults:
            if not (operation.startswith(fault.operation) and fault.path in path):
                continue
            if fault.after:
                fault.after -= 1
            elif fault.times > 0 and _rng.random() < fault.chance:
                fault.times -= 1
                return fault.kind
    return ""


class FaultyFileSystem(AbstractFileSystem):
    protocol = "faulty"

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        return self._do("cat_file", path, lambda: Path(path).read_bytes())

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        def put(data: bytes) -> None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            temporary = f"{path}.{threading.get_ident()}~"
            Path(temporary).write_bytes(data)
            try:
                # A link, unlike a rename, is made only where there is nothing.
                (os.link if mode == "create" else os.replace)(temporary, path)
            finally:
                Path(temporary).unlink(missing_ok=True)

        def put_half() -> None:
            if mode != "create":
                put(value[: len(value) // 2])

        self._do("pipe_file", path, lambda: put(value), put_half)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        names = self._do("ls", path, lambda: sorted(os.listdir(path)))
        found = [f"{path.rstrip('/')}/{name}" for name in names if not name.endswith("~")]
        return [{"name": name, "size": 0, "type": "file"} for name in found] if detail else found

    def rm_file(self, path: str) -> None:
        self._do("rm_file", path, lambda: os.unlink(path))

    def modified(self, path: str) -> datetime:
        return self._do(
            "modified", path, lambda: datetime.fromtimestamp(os.stat(path).st_mtime, UTC)
        )

    def _do(self, operation: str, path: str, act: Any, act_half: Any = lambda: None) -> Any:
        away = [folder.with_name(f"{folder.name}.away") for folder in Path(path).parents[:-1]]
        kinds = [file.read_text() for file in away if file.exists()]
        kind = kinds[0] if kinds else _fault(operation, path)
        if kind == "stall":
            time.sleep(STALL_S)
        if kind == "error":
            raise OSError(errno.ECONNRESET, "the store is away")
        if kind == "cut":
            act_half()
            raise TimeoutError(f"{operation} was cut off")
        done = act()
        if kind == "lost":
            raise OSError(errno.ECONNRESET, f"the answer to {operation} was lost")
        return done


def leftovers(root: Path) -> Iterable[Path]:
    """Locks and probes below a store."""
    return [path for path in root.rglob("*") if path.name.startswith(".") or ".lock" in path.name]


fsspec.register_implementation("faulty", FaultyFileSystem)
