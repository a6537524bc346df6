"""Which lines of a file may change, where marks in it say so; the others are frozen.

>>> before = "x = 1\\n# START\\ny = 2\\n# END\\n"
>>> marks = ("START", "END")
>>> frozen_changes({"a.py": before}, {"a.py": before.replace("2", "3")}, marks)
''
>>> frozen_changes({"a.py": before}, {"a.py": before.replace("1", "3")}, marks)
'a.py changes outside of START and END, where every line must stay as it is'

A mark is a line that holds its text. In a file without marks every line may change. The marks
themselves are frozen, so that an idea cannot open a region of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

Marks = tuple[str, str]


def frozen_changes(before: Mapping[str, str], after: Mapping[str, str], marks: Marks) -> str:
    """Tells which file changes where it may not.

    Args:
        before: the baseline, path to text.
        after: the patched tree.
        marks: what the first line of a region holds, and what its last line holds.

    Returns:
        One line; empty where nothing frozen has changed.
    """
    for path, text in before.items():
        frozen = frozen_lines(text, marks)
        if frozen is not None and frozen_lines(after.get(path, ""), marks) != frozen:
            return (
                f"{path} changes outside of {marks[0]} and {marks[1]}, where every line must stay "
                "as it is"
            )
    return ""


def frozen_lines(text: str, marks: Marks) -> list[str] | None:
    """The lines outside of the regions, the marks among them; None where there is no mark."""
    start, end = marks
    inside, found = False, False
    frozen = []
    for line in text.split("\n"):
        is_start, is_end = start in line, end in line
        found = found or is_start or is_end
        if is_start or is_end or not inside:
            frozen.append(line)
        inside = is_start or (inside and not is_end)
    return frozen if found else None


def mistake_in_marks(text: str, marks: Marks) -> str:
    """What is wrong with the marks of a baseline file, in one line; empty where nothing is."""
    start, end = marks
    opened = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if start in line and opened:
            return f"line {number}: {start} again, before the {end} of line {opened}"
        if end in line and not opened:
            return f"line {number}: {end} without a {start} above it"
        opened = number if start in line else 0 if end in line else opened
    return f"line {opened}: {start} without an {end} below it" if opened else ""
