"""Kinds of the ideas of a GRPO step: how many only set another value, or change an earlier idea.

step_kinds(run, problem.codebase, infos)     # {"ideas/settings": 0.25, "ideas/on_parents": 0.0}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from executor.errors import StoreError
from executor.store.runs import RunFolder
from executor.store.threads import in_threads
from ideator_rl.analysis.idea_kinds import Kind, change_of


def step_kinds(
    run: RunFolder, baseline: Mapping[str, str], infos: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Shares of a step's distinct ideas that were implemented: of those that only set another value
    in what they change, be that the baseline or the code of an earlier idea; and of the latter.

    Args:
        run: where their codebases are kept.
        baseline: the unpatched codebase, path to text.
        infos: the agent loop's record of each answer.

    Returns:
        The figures by name; nothing where no idea was implemented, or the store does not answer.
    """

    def kind(idea_id: str) -> tuple[Kind, bool] | None:
        idea, files = run.idea(idea_id), run.codebase(idea_id)
        base = idea.base if idea else ""
        changed = run.codebase(base) if base else baseline
        return (change_of(changed, files).kind, bool(base)) if files and changed else None

    implemented = {info["idea_id"] for info in infos if info["content_hash"]}
    try:
        found = [one for one in in_threads(kind, sorted(implemented)) if one]
    except StoreError:
        # A figure that is missing ends no training.
        return {}
    if not found:
        return {}
    return {
        "ideas/settings": sum(kind == "setting" for kind, _ in found) / len(found),
        "ideas/on_parents": sum(on_parent for _, on_parent in found) / len(found),
    }
