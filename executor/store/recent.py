"""What this process has written last and nobody changes: a store that is far away is not asked for
it.

    recent = RecentFiles(most_bytes=8 * 2**20)
    recent.keep("runs/a/ideas/1/log.txt", b"...")
    recent.get("runs/a/ideas/1/log.txt")             # None once it had to make room
"""

from __future__ import annotations

import threading


class RecentFiles:
    """Holds at most `most_bytes` of files, the latest ones. Threads may share it."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._files: dict[str, bytes] = {}
        self._turn = threading.Lock()

    def keep(self, path: str, data: bytes) -> None:
        with self._turn:
            self._drop(path)
            self._files[path] = data
            self._bytes += len(data)
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._files)))

    def get(self, path: str) -> bytes | None:
        return self._files.get(path)

    def forget(self, path: str) -> None:
        with self._turn:
            self._drop(path)

    def forget_folder(self, folder: str) -> None:
        """Drops every file below a folder."""
        with self._turn:
            for path in [path for path in self._files if path.startswith(f"{folder}/")]:
                self._drop(path)

    def _drop(self, path: str) -> None:
        self._bytes -= len(self._files.pop(path, b""))
