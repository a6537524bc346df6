"""Copies of held-out data that lie where a sandbox could see them.

folders_with({"poplib.py"}, visible)
folders_with({"digits.csv.gz"}, visible, package="sklearn")     # a quarter of the time
"""

import os
from collections.abc import Collection, Sequence
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
    found = []
    for root in roots:
        for folder, folders, files in os.walk(root):
            if package and folder.endswith(("site-packages", "dist-packages")):
                folders[:] = {package}.intersection(folders)
            if names.intersection(files):
                found.append(Path(folder))
    return tuple(sorted(found))
