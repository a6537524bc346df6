"""Copies of held-out data that lie where a sandbox could see them.

folders_with({"poplib.py"}, visible)
folders_with({"digits.csv.gz"}, visible, package="sklearn")     # a quarter of the time
"""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path


def folders_with(
    names: Collection[str], visible: Sequence[Path], package: str = ""
) -> tuple[Path, ...]:
    """Every folder below the paths that holds a file of one of these names, in order.

    Args:
        names: of files.
        visible: files and folders that a sandbox shows; a link stands for its target.
        package: of installed Python packages, which are most of a machine's folders, only this one
            is looked into; all of them where it is left out.
    """
    roots = {path.resolve() for path in visible}
    outer = tuple(sorted(root for root in roots if not roots.intersection(root.parents)))
    return _search(frozenset(names), outer, package)


@cache
def _search(names: frozenset[str], roots: tuple[Path, ...], package: str) -> tuple[Path, ...]:
    found = set()
    left = [str(root) for root in roots]
    # Not os.walk, which takes twice as long: a search waits for this before its first trial.
    while left:
        folder = left.pop()
        is_full = package and folder.endswith(("site-packages", "dist-packages"))
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    if entry.name in names:
                        found.add(Path(folder))
                elif not is_full or entry.name == package:
                    left.append(entry.path)
    return tuple(sorted(found))
