"""Runs of one store that know of each other: each keeps the other's name.

link(whole, "parts", part, "part_of.json")     # <whole>/parts/000.json, <part>/part_of.json
linked(whole, "parts"), linked_from(part, "part_of.json")
"""

from __future__ import annotations

from dataclasses import dataclass

from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder


@dataclass(frozen=True)
class OtherRun(StrictRecord):
    """The name of another run of the same store."""

    run: str


def link(run: RunFolder, folder: str, other: RunFolder, back: str) -> None:
    """Notes `other` in a numbered file of `run`'s folder, once, and `run` in the file `back` of
    `other`. Raises StoreError."""
    other.keep(back, OtherRun(run.name))
    kept = run.kept_numbered(folder, OtherRun)
    if OtherRun(other.name) not in kept.values():
        run.keep_numbered(folder, max(kept, default=-1) + 1, OtherRun(other.name))


def linked(run: RunFolder, folder: str) -> list[RunFolder]:
    """The runs noted in a folder of `run`, in the order in which they were. Raises StoreError."""
    return [run.beside(other.run) for other in run.kept_numbered(folder, OtherRun).values()]


def linked_from(other: RunFolder, back: str) -> RunFolder | None:
    """The run that noted `other`, if one did. Raises StoreError."""
    kept = other.kept(back, OtherRun)
    return other.beside(kept.run) if kept else None
