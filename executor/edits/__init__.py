'''Code edits as language models write them, applied to a codebase held in memory.

An idea's text may hold unified diffs, SEARCH/REPLACE blocks, files written out as a whole and
assignment lines, in any order and between any prose. All of them are applied or none, every place
must be found without doubt, and what cannot be applied is an `EditError` whose message tells the
writer what to repair.

    >>> from executor.edits import apply_edits, canonical_diff
    >>> files = {"train.py": "learning_rate = 1e-3  # peak\\nsteps = 100\\n"}
    >>> idea = """[Experiment] Learn faster.
    ... [Code Changes]
    ... learning_rate: 0.001 -> 0.003
    ... """
    >>> after = apply_edits(files, idea, editable=["*.py"], frozen=[])
    >>> after["train.py"]
    'learning_rate = 0.003  # peak\\nsteps = 100\\n'
    >>> print(canonical_diff(files, after), end="")
    diff --git a/train.py b/train.py
    --- a/train.py
    +++ b/train.py
    @@ -1,2 +1,2 @@
    -learning_rate = 1e-3  # peak
    +learning_rate = 0.003  # peak
     steps = 100
'''

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executor.edits.apply import apply_edits, too_long
    from executor.edits.assignments import set_assignments
    from executor.edits.diff import canonical_diff
    from executor.edits.errors import EditError, ForbiddenEdit

__all__ = [
    "EditError",
    "ForbiddenEdit",
    "apply_edits",
    "canonical_diff",
    "set_assignments",
    "too_long",
]

_HOMES = {
    "executor.edits.apply": ("apply_edits", "too_long"),
    "executor.edits.assignments": ("set_assignments",),
    "executor.edits.diff": ("canonical_diff",),
    "executor.edits.errors": ("EditError", "ForbiddenEdit"),
}


def __getattr__(name: str) -> object:
    """Imports a name when it is first used: no edit is read before the first trial."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
