"""The records that decide how a run goes on: typed, each whole in a file of its own.

    write_record(storage, "runs/a/epochs/000.json", Epoch(shown=("baseline",), baseline=True))
    read_record(storage, "runs/a/epochs/000.json", Epoch)      # None when there is none

A file that a power cut emptied is absent, and so is one whose end is missing: the write failed, so
nobody has acted on it. What must not be lost is therefore never written over. Any other file that
is no such record raises DamagedRecord: nobody may go on as if nothing had been decided.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Self, TypeVar

import msgspec

from executor.errors import DamagedRecord
from executor.records import Record
from executor.settings import convert
from executor.store.storage import Storage
from executor.text.outside_text import clean_line

S = TypeVar("S", bound="StrictRecord")
_LONGEST_REASON = 200


class StrictRecord(Record):
    """A frozen dataclass whose JSON text has every field, of its type, and no other."""

    def to_json(self) -> str:
        return json.dumps(msgspec.to_builtins(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises ValueError that says what is wrong."""
        data: Any = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
        names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for name in sorted(data.keys() ^ names):
            raise ValueError(f"{name}: {'unknown key' if name in data else 'missing'}")
        return convert(data, cls)


def read_record(storage: Storage, path: str, kind: type[S]) -> S | None:
    """The record at a path; None when there is none. Raises DamagedRecord."""
    data = storage.read(path) or b""
    if not data.strip(b"\0"):
        return None
    try:
        return kind.from_json(data)
    except (ValueError, RecursionError) as error:  # the latter of a file nested without end
        if isinstance(error, json.JSONDecodeError) and not data.endswith(b"\n"):
            return None
        raise DamagedRecord(
            f"{storage.url}/{path} is damaged, or of another version of this program "
            f"({clean_line(str(error), _LONGEST_REASON)}); put the file back as it was, or choose "
            "another run name"
        ) from None


def write_record(storage: Storage, path: str, record: StrictRecord, *, final: bool = False) -> None:
    storage.write(path, f"{record.to_json()}\n".encode(), final=final)


def read_numbered(storage: Storage, folder: str, kind: type[S]) -> dict[int, S]:
    """The records `000.json`, `001.json`, … of a folder by number. Raises DamagedRecord."""
    stems = [name.removesuffix(".json") for name in storage.list(folder)]
    found = {
        number: read_record(storage, numbered(folder, number), kind)
        for number in sorted(int(stem) for stem in stems if stem.isdecimal())
    }
    return {number: record for number, record in found.items() if record is not None}


def numbered(folder: str, number: int) -> str:
    """The path of a numbered record."""
    return f"{folder}/{number:03d}.json"
