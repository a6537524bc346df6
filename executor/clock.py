"""Monotonic Unix time: setting the machine's clock during a run does not change it.

    >>> earlier = now()
    >>> now() - earlier >= 0          # even if the wall clock was set between the two
    True

A process takes the wall clock once, when this module is imported, and counts from there.
"""

from __future__ import annotations

import time

_START = time.time() - time.monotonic()


def now() -> float:
    """Unix time, from the wall clock at the start of this process and the monotonic clock since."""
    return _START + time.monotonic()
