"""One file's text with the hunks of an edit applied."""

from collections import Counter
from collections.abc import Sequence

from executor.edits.errors import EditError, TooMuchWork
from executor.edits.lines import Row, join_rows, split_rows
from executor.edits.match import locate
from executor.edits.places import Match, with_spaces
from executor.edits.records import Hunk
from executor.edits.work import spend

MOST_PROBLEMS = 5


def patched(text: str, path: str, hunks: Sequence[Hunk]) -> str:
    """The text with all hunks applied in order; each may use what earlier ones have written."""
    rows, moved, problems = rows_of(text), 0, []
    texts = [row.text for row in rows]
    tabbed = not path.endswith(".py") or any(row.text.startswith("\t") for row in rows)
    for hunk in hunks:
        hunk = hunk if tabbed else with_spaces(hunk)
        if not rows and not hunk.old:  # an empty file has only one place
            match = Match(())
        else:
            try:
                match = locate(hunk, path, texts, moved)
            except TooMuchWork:
                raise
            except EditError as error:
                problems.append(str(error))
                if len(problems) == MOST_PROBLEMS:
                    break
                continue
        first, end, middle = _rewritten(rows, hunk, match)
        rows[first:end] = middle
        texts[first:end] = [row.text for row in middle]
        moved += len(middle) - (end - first)
    if problems:
        raise EditError("\n".join(problems))
    return join_rows(rows)


def rows_of(text: str) -> list[Row]:
    """The rows of a file's text."""
    rows = split_rows(text)
    spend(len(rows))
    return rows


def _rewritten(rows: list[Row], hunk: Hunk, match: Match) -> tuple[int, int, list[Row]]:
    """Which rows the hunk rewrites where it matches (from, up to), and what they become; rows that
    it does not mention stay."""
    places = [i for i in match.at if i is not None]
    first, last = (places[0], places[-1]) if places else (0, -1)
    ending = most_used_ending(rows[first : last + 1]) or most_used_ending(rows) or "\n"
    middle: list[Row] = []
    done, at = first, iter(match.at)
    for line in hunk.lines:
        if line.tag == "+":
            text = match.change.applied(line.text)
            middle.append(Row(text, ending if line.ending is None else line.ending))
            continue
        place = next(at)
        if place is not None:
            middle += rows[done:place] if line.tag == "-" else rows[done : place + 1]
            done = place + 1
    is_last = last + 1 == len(rows)
    return first, last + 1, ended(middle, ending, is_last=is_last)


def most_used_ending(rows: Sequence[Row]) -> str:
    """How most of the rows end; "" if none has an ending."""
    spend(len(rows) // 4)
    counts = Counter(row.ending for row in rows if row.ending)
    return counts.most_common(1)[0][0] if counts else ""


def ended(rows: list[Row], ending: str, *, is_last: bool) -> list[Row]:
    """Only a file's last row may go without an ending: the last of these, where they end it."""
    return [
        row if row.ending or (is_last and i == len(rows) - 1) else Row(row.text, ending)
        for i, row in enumerate(rows)
    ]
