"""The errors a user can mend: each is one line that says what is wrong and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """A mistake in what was asked for; the command line prints it as one line and exits with 2."""


class ProblemError(UserError):
    """A problem folder that cannot be used: the field or file, and the fix."""


class StoreError(UserError):
    """A store that cannot be opened, written or shared."""


def one_line(error: ValidationError) -> str:
    """The first complaint of a pydantic error as `field: what is wrong (got value)`."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "(top level)"
    if first["type"] == "extra_forbidden":
        return f"{field}: unknown key; remove it or correct its spelling"
    if first["type"] == "missing":
        return f"{field}: required, but missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message[:1].lower()}{message[1:]} (got {first['input']!r:.80})"
