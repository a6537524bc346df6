"""Which storage a URL names: `open_storage("store")`, `open_storage("s3://bucket/prefix")`."""

from __future__ import annotations

import uuid
from pathlib import Path

from executor.errors import StoreError
from executor.store.folder import Folder
from executor.store.storage import Storage


def open_storage(url: str | Path) -> Storage:
    """Opens a store and checks that it can be written. Raises StoreError."""
    text = str(url)
    if "://" in text and not text.startswith("file://"):
        # fsspec takes its time to import.
        from executor.store.bucket import Bucket

        return Bucket(text)
    folder = Folder(text.removeprefix("file://"))
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        # Root passes every access check: only a real write tells of a read-only file system.
        probe = folder.root / f".probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"the store {folder.root} cannot be written: {error.strerror}; "
            "choose another with --store"
        ) from None
    return folder


def is_there(url: str | Path) -> bool:
    """Whether a store can be there already, so that it can be read: opening a folder makes it."""
    return "://" in str(url) or Path(url).expanduser().is_dir()
