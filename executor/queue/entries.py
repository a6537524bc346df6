"""Which workers look for work in a store.

<store>/queue/workers/<name>.json      a worker's entry
                      <name>.lock      its lease, which tells that it lives

entry = WorkerEntry(host="box-1", slots=2, env="digits")
lease = join(storage, "box-1-4711", entry)
living_workers(storage)                    # [entry]
leave(storage, "box-1-4711", lease)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from executor.queue.queue import ROOT
from executor.store.decisions import StrictRecord, read_record, write_record
from executor.store.storage import Lock, Storage

_FOLDER = f"{ROOT}/workers"


@dataclass(frozen=True)
class WorkerEntry(StrictRecord):
    """A worker: its machine, trials at a time, the problem that it serves (empty: any), and what
    it refuses, by the folder of the queue and with the reason in one line."""

    host: str
    slots: int
    env: str
    refused: dict[str, str] = field(default_factory=dict)


def join(storage: Storage, name: str, entry: WorkerEntry) -> Lock:
    """Adds a worker of a new name. Raises StoreError."""
    lease = storage.try_lock(f"{_FOLDER}/{name}.lock")
    assert lease is not None, "names are not used twice"
    update(storage, name, entry)
    return lease


def update(storage: Storage, name: str, entry: WorkerEntry) -> None:
    """Changes a worker's entry. Raises StoreError."""
    write_record(storage, f"{_FOLDER}/{name}.json", entry)


def leave(storage: Storage, name: str, lease: Lock) -> None:
    """Removes a worker. Raises StoreError."""
    storage.remove(f"{_FOLDER}/{name}.json")
    lease.release()


def living_workers(storage: Storage) -> list[WorkerEntry]:
    """The entries of the workers whose leases are held; removes the others. Raises StoreError."""
    found = []
    for file in storage.list(_FOLDER):
        name, _, ending = file.rpartition(".")
        if ending != "json":
            continue
        if (lease := storage.try_lock(f"{_FOLDER}/{name}.lock")) is not None:
            leave(storage, name, lease)
        elif entry := read_record(storage, f"{_FOLDER}/{file}", WorkerEntry):
            found.append(entry)
    return found
