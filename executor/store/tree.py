"""A source tree as the bytes of a zip file.

>>> unzip(zip_tree({"train.py": "pass"}))
{'train.py': 'pass'}
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping

from executor.edits.paths import normal_path

# The largest source tree, in bytes: far more than a person reads, far less than a memory holds.
LARGEST_TREE = 64 * 2**20
# Every zip entry gets this date, so that equal codebases are equal bytes.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def zip_tree(files: Mapping[str, str]) -> bytes:
    """A zip of a source tree; equal trees give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unzip(data: bytes) -> dict[str, str]:
    """The tree of `zip_tree`. Raises ValueError for any other zip, which somebody else has written:
    one that climbs out of the tree, or that grows without end."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LARGEST_TREE:
                raise ValueError(f"a tree of over {LARGEST_TREE} bytes")
            return {normal_path(entry.filename): archive.read(entry).decode() for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"not the zip of a source tree: {error}") from None
