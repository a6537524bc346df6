"""Writes a tree of files: two for each trial, so by plain system calls.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     sorted(path.removeprefix(folder) for path in write_tree(folder, {"a/b.py": b"pass"}))
['/a', '/a/b.py']
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def write_tree(root: str, files: Mapping[str, bytes]) -> list[str]:
    """Writes files, by their names below the folder `root`, and the folders that they need.

    Returns:
        What was written, folders too, without `root` itself.

    Raises:
        FileExistsError, IsADirectoryError, NotADirectoryError: one name is a file and a folder.
        OSError: the disk is full, for example.
    """
    folders, written = {""}, []
    for name, data in files.items():
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                os.makedirs(f"{root}/{folder}", exist_ok=True)
                folders.add(folder)
                written.append(f"{root}/{folder}")
        path = f"{root}/{name}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
        written.append(path)
    return written
