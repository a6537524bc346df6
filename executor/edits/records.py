"""What the parsers hand to the engine: edits of files in one common form, and assignments."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple


class Line(NamedTuple):
    """One line of a hunk: " " stays, "-" goes, "+" comes."""

    tag: str
    text: str
    ending: str | None = None  # None: as the file's own lines end


@dataclass(frozen=True)
class Hunk:
    """A run of lines to find in a file, and what to make of it."""

    name: str  # "hunk 2" or "block 1", for messages
    row: int  # its line in the idea, counted from 1
    lines: tuple[Line, ...]
    start: int | None = None  # the line number that a diff claims
    is_diff: bool = False
    cut_off: bool = False  # the text ends here, in an open fence

    @property
    def old(self) -> list[Line]:
        return [line for line in self.lines if line.tag != "+"]

    @property
    def new(self) -> list[Line]:
        return [line for line in self.lines if line.tag != "-"]

    @property
    def changes(self) -> bool:
        return any(line.tag != " " for line in self.lines)


@dataclass(frozen=True)
class FileEdit:
    """What happens to one file. `create` also fills a file that is there but empty, and `whole`
    puts a new text in the place of whatever is there."""

    path: str | None  # None: the idea does not say which file
    hunks: tuple[Hunk, ...]
    row: int
    action: Literal["edit", "create", "delete", "rename", "whole"] = "edit"
    target: str | None = None  # the new name, of a rename


@dataclass(frozen=True)
class Assignment:
    """`name: old -> new`: the value that `name` is assigned gets another text."""

    name: str
    old: Any
    new: Any
    text: str  # how `new` is written
    row: int


Edit = FileEdit | Assignment
