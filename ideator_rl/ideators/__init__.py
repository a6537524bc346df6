"""Whatever writes ideas: one module per kind, behind the contract in `ideator.py`."""

from ideator_rl.ideators.ideator import Executed, IdeaRequest, Ideator, Mode, Proposal

__all__ = ["Executed", "IdeaRequest", "Ideator", "Mode", "Proposal"]
