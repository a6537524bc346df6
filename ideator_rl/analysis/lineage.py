"""From the baseline to an idea: the ideas whose codebases were changed on the way.

chain = lineage(data.ideas, "003-001")
[idea.idea_id for idea in chain]          # ["000-004", "001-002", "003-001"]
"""

from __future__ import annotations

from collections.abc import Iterable

from ideator_rl.analysis.run_data import TrialData


def lineage(ideas: Iterable[TrialData], idea_id: str) -> list[TrialData]:
    """An idea with the bases that it comes from, oldest first; what the run lacks ends it."""
    by_id = {idea.idea_id: idea for idea in ideas}
    chain: list[TrialData] = []
    # Taken out, so that a damaged store makes no circle.
    while (idea := by_id.pop(idea_id, None)) is not None:
        chain.insert(0, idea)
        idea_id = idea.base
    return chain
