"""Recipe keys on the command line: whatever no option of a command takes."""

from __future__ import annotations

from collections.abc import Sequence

from executor.errors import UserError


def parse_overrides(words: Sequence[str]) -> dict[str, str]:
    """`--a.b 1 --c=2` as {"a.b": "1", "c": "2"}. Raises UserError."""
    overrides = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or len(word) < 3:
            raise UserError(f"unexpected argument {word!r}; recipe keys are set as --key value")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not rest:
                raise UserError(
                    f"--{name}: no option of this command; a key of the recipe needs a value"
                )
            value = rest.pop(0)
        overrides[name] = value
    return overrides
