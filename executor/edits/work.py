"""How much work an idea may make. Reading its text is linear; what looks at anything again pays.

    >>> with at_most(1000):
    ...     spend(600)
    ...     spend(600)
    Traceback (most recent call last):
    executor.edits.errors.TooMuchWork: finding the places of the edits takes too long: ...

A step is about a microsecond: a line that Python looks at, eight pairs of letters that are
compared, a thousand characters that are searched. Work outside of `at_most` is not counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from executor.edits.errors import TooMuchWork


@dataclass
class _Purse:
    left: int


_purse: ContextVar[_Purse | None] = ContextVar("work", default=None)


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Bounds the work inside, in this thread or task."""
    token = _purse.set(_Purse(steps))
    try:
        yield
    finally:
        _purse.reset(token)


def spend(steps: int) -> None:
    """Notes work that is about to be done. Raises TooMuchWork where no step is left for it."""
    purse = _purse.get()
    if purse is None:
        return
    purse.left -= steps
    if purse.left < 0:
        raise TooMuchWork(
            "finding the places of the edits takes too long: make fewer changes, and quote the "
            "unchanged lines around each place exactly"
        )
