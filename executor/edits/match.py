"""Where a hunk belongs in a file: one engine for diffs and SEARCH/REPLACE blocks.

Levels of likeness are tried from strict to loose; the first at which the hunk's old lines are
found decides, and there they must be found once. A claimed line number only settles a tie, and
only if a match starts at that very line.
"""

from collections.abc import Sequence
from typing import NamedTuple

from executor.edits.errors import EditError
from executor.edits.explain import explain_missing
from executor.edits.fuzzy import fuzzy_matches
from executor.edits.places import Match, indent_change, indentation
from executor.edits.records import Hunk
from executor.edits.work import spend

MOST_PLACES = 10
SHORT = 100  # characters of a text up to which each may be compared at every place


class Found(NamedTuple):
    """The matches at the strictest level that has any; levels count from 0."""

    level: int
    matches: list[Match]


def _runs(needle: Sequence[str], hay: Sequence[str], claimed: int | None) -> list[int]:
    """Where `needle` starts in `hay`: the first few places, and the claimed one if it is one."""
    text, wanted = "\n" + "\n".join(hay) + "\n", "\n" + "\n".join(needle) + "\n"
    spend(len(hay) // 32 + len(text) * min(len(wanted), SHORT) // 1000)
    runs: list[int] = []
    at, counted, line = text.find(wanted), 0, 0
    while at >= 0 and len(runs) < MOST_PLACES:
        line += text.count("\n", counted, at)
        counted = at
        runs.append(line)
        at = text.find(wanted, at + 1)
    if claimed is None or claimed < 0 or claimed in runs:
        return runs
    is_there = list(hay[claimed : claimed + len(needle)]) == list(needle)
    return [*runs, claimed] if is_there else runs


def _exact(hunk: Hunk, lines: Sequence[str], claimed: int | None) -> list[Match]:
    old = [line.text for line in hunk.old]
    return [Match.whole(start, len(old)) for start in _runs(old, lines, claimed)]


def _trailing_blanks(hunk: Hunk, lines: Sequence[str], claimed: int | None) -> list[Match]:
    spend(len(lines) // 4)
    old = [line.text.rstrip() for line in hunk.old]
    runs = _runs(old, [line.rstrip() for line in lines], claimed)
    return [Match.whole(start, len(old)) for start in runs]


def _shifted(hunk: Hunk, lines: Sequence[str], claimed: int | None) -> list[Match]:
    """The whole hunk stands further left or right than in the file."""
    old = hunk.old
    if not any(line.text.strip() for line in old):
        return []
    spend(len(lines) // 4)
    matches = []
    runs = _runs([line.text.strip() for line in old], [line.strip() for line in lines], claimed)
    for start in runs:
        spend(2 * len(old))
        pairs = [(line, lines[start + k]) for k, line in enumerate(old) if line.text.strip()]
        shifts = {indentation(line.text, there) for line, there in pairs}
        change = indent_change(hunk, pairs)
        if len(shifts) == 1 and change is not None:
            matches.append(Match.whole(start, len(old))._replace(change=change))
    return matches


def _other_blank_lines(hunk: Hunk, lines: Sequence[str], claimed: int | None) -> list[Match]:
    """Blank lines were dropped or made up; the file's own blank lines stay where they are."""
    spend(len(lines) // 2)
    old = hunk.old
    full = [k for k, line in enumerate(old) if line.text.strip()]
    there = [i for i, line in enumerate(lines) if line.strip()]
    if not full:
        return []
    needle = [old[k].text.rstrip() for k in full]
    matches = []
    for run in _runs(needle, [lines[i].rstrip() for i in there], None):
        spend(2 * len(old))
        at: list[int | None] = [None] * len(old)
        for n, k in enumerate(full):
            at[k] = there[run + n]
        matches.append(Match(tuple(_with_blanks(lines, at))))
    return matches


def _with_blanks(lines: Sequence[str], at: list[int | None]) -> list[int | None]:
    """Gives each blank line of the hunk a blank line of the file, where one stands in its gap."""
    last: int | None = None
    for k in range(len(at)):
        if at[k] is None and last is not None:
            following = last + 1
            if following < len(lines) and not lines[following].strip():
                at[k] = following
        last = at[k] if at[k] is not None else last
    return at


def _fuzzy(hunk: Hunk, lines: Sequence[str], claimed: int | None) -> list[Match]:
    return fuzzy_matches(hunk, lines)


LEVELS = (_exact, _trailing_blanks, _shifted, _other_blank_lines, _fuzzy)
STRICT_LEVELS = 3


def find(
    hunk: Hunk, lines: Sequence[str], claimed: int | None = None, levels: int = len(LEVELS)
) -> Found:
    """Every place for the hunk at the strictest level that has one."""
    for number, level in enumerate(LEVELS[:levels]):
        if matches := level(hunk, lines, claimed):
            return Found(number, matches)
    return Found(levels, [])


def locate(hunk: Hunk, path: str, lines: Sequence[str], moved: int) -> Match:
    """The one place for the hunk. `moved`: how many lines earlier hunks have added to the file."""
    where = f"{path}: {hunk.name} (line {hunk.row} of the idea)"
    if not hunk.old:
        raise EditError(
            f"{where} only adds lines and quotes nothing of the file: add some unchanged lines "
            "around the place, so that it can be found"
        )
    claimed = hunk.start + moved - 1 if hunk.start else None
    matches = find(hunk, lines, claimed).matches
    exactly_right = [m for m in matches if m.at[0] is not None and m.at[0] == claimed]
    quotes_nothing = not any(line.text.strip() for line in hunk.old)
    if quotes_nothing and len(hunk.old) < len(lines):
        matches = exactly_right  # a blank line alone is no context
    if not matches:
        raise EditError(f"{where} {explain_missing(hunk, lines)}")
    if len(matches) == 1:
        return matches[0]
    if len(exactly_right) == 1:
        return exactly_right[0]
    numbers = ", ".join(str(m.first + 1) for m in matches[: MOST_PLACES - 1])
    more = " and more" if len(matches) >= MOST_PLACES else ""
    count = f"{len(matches)}" if not more else f"{MOST_PLACES} or more"
    raise EditError(
        f"{where} matches {count} places: lines {numbers}{more}; "
        "quote more of the unchanged lines around the right one"
    )
