"""What a run was worth: its data and its figures."""

from ideator_rl.analysis.run_data import RunData, TrialData, load_run

__all__ = ["RunData", "TrialData", "load_run"]
