"""Checks the folder that training left: plain files and folders only, no links.

>>> check_candidate(Path("missing"))        # what passes can be moved, copied and read
Traceback (most recent call last):
executor.trial.candidate_folder.NoCandidate
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_ENTRIES = 10_000
MAX_DEPTH = 16


class NoCandidate(Exception):
    """Training left no folder of that name."""


class ForbiddenEntry(Exception):
    """Something in the folder is not a plain file or folder: the reason, in one line."""


def check_candidate(left: Path) -> None:
    """Raises NoCandidate, or ForbiddenEntry for an entry that is not safe to read.

    Nothing of the training may be running any more.
    """
    if left.is_symlink():
        raise ForbiddenEntry("candidate is a link; it has to be a folder")
    if not left.is_dir():
        raise NoCandidate
    folders, entries = [(left, 0)], 0
    while folders:
        folder, depth = folders.pop()
        if depth > MAX_DEPTH:
            raise ForbiddenEntry(f"candidate/ is over {MAX_DEPTH} folders deep")
        try:
            found = list(os.scandir(folder))
        except OSError as error:
            raise ForbiddenEntry(
                f"a folder in candidate/ cannot be read: {error.strerror}"
            ) from None
        for entry in found:
            entries += 1
            if entries > MAX_ENTRIES:
                raise ForbiddenEntry(f"candidate/ holds over {MAX_ENTRIES} files and folders")
            if entry.is_dir(follow_symlinks=False):
                folders.append((Path(entry.path), depth + 1))
            else:
                _check(entry)


def _check(entry: os.DirEntry[str]) -> None:
    status = entry.stat(follow_symlinks=False)
    name = repr(entry.name)[:80]
    if not stat.S_ISREG(status.st_mode):
        raise ForbiddenEntry(f"candidate/ holds {name}, which is neither a file nor a folder")
    if status.st_nlink > 1:
        raise ForbiddenEntry(f"candidate/ holds {name}, which is also a file elsewhere (hard link)")
