"""The checkpoints of a GRPO run, in verl's layout: `global_step_<n>/`, and a file with the last n.

mend(folder)
last_step(folder)                # 20, or None
export(folder, run / "model")    # the last checkpoint's model, as transformers loads it
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from zipfile import is_zipfile

TRACKER = "latest_checkpointed_iteration.txt"
_PREFIX = "global_step_"


def last_step(folder: Path) -> int | None:
    """The step of the last whole checkpoint; None where there is none."""
    return max(_whole(folder), default=None)


def mend(folder: Path) -> None:
    """Repairs the folder after a kill: removes incomplete checkpoints and makes verl's pointer name
    the last complete one."""
    last = last_step(folder)
    for path in folder.glob(f"{_PREFIX}*"):
        if _step(path) not in _whole(folder):
            shutil.rmtree(path)
    pointer = folder / TRACKER
    if last is None:
        pointer.unlink(missing_ok=True)
    elif not pointer.is_file() or pointer.read_text() != str(last):
        pointer.write_text(str(last))


def export(folder: Path, model: Path) -> Path:
    """Copies the last checkpoint's model to the folder `model`, which is replaced at once."""
    source = folder / f"{_PREFIX}{last_step(folder)}" / "actor" / "huggingface"
    fresh, old = model.with_name(f"{model.name}.new"), model.with_name(f"{model.name}.old")
    for path in (fresh, old):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(source, fresh)
    if model.exists():
        os.rename(model, old)
    os.rename(fresh, model)
    shutil.rmtree(old, ignore_errors=True)
    return model


def _whole(folder: Path) -> set[int]:
    # data.pt is what verl writes last; torch's files are archives, whose directory comes last.
    return {_step(path.parent) for path in folder.glob(f"{_PREFIX}*/data.pt") if is_zipfile(path)}


def _step(path: Path) -> int:
    return int(path.name.removeprefix(_PREFIX))
