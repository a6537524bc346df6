"""What a person sees of a run: its page, its charts and their figures."""

from ideator_rl.report.report import render_report, write_report

__all__ = ["render_report", "write_report"]
