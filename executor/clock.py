"""Unix time that runs evenly: a machine's clock that is set in the middle of a run moves nothing.

    now() - earlier          # real seconds, whatever happened to the wall clock since

A process takes the wall clock once, when this module is imported, and counts from there.
"""

from __future__ import annotations

import time

_START = time.time() - time.monotonic()


def now() -> float:
    """Unix time, from the wall clock at the start of this process and the monotonic clock since."""
    return _START + time.monotonic()
