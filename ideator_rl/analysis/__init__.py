"""What a run was worth: its data, its figures and its report."""

from ideator_rl.analysis.report import render_report, write_report
from ideator_rl.analysis.run_data import RunData, TrialData, load_run

__all__ = ["RunData", "TrialData", "load_run", "render_report", "write_report"]
