"""How a training run can end before its last step."""

from __future__ import annotations

from executor.errors import UserError


class RunFailed(UserError):
    """A run that ended before its last step; the line says at which stage and why."""


class WorkerDied(Exception):
    """A process of the run died for an outside reason; the run can go on from its checkpoint."""
