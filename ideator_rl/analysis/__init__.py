"""What a run was worth: its data and its figures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ideator_rl.analysis.read_run import load_run
    from ideator_rl.analysis.run_data import RunData, TrialData

__all__ = ["RunData", "TrialData", "load_run"]


def __getattr__(name: str) -> object:
    """Imports a name when it is first used: a search judges no run before its first trial."""
    if name in __all__:
        from ideator_rl.analysis import read_run

        return getattr(read_run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
