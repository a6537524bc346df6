"""Whatever writes ideas: one module per kind, behind the contract in `ideator.py`."""

from ideator_rl.ideators.ideator import Executed, Ideator, Mode, Proposal, Request

__all__ = ["Executed", "Ideator", "Mode", "Proposal", "Request"]
