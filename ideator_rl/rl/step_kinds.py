"""Kinds of the ideas of a GRPO step: how many of them only set another value.

step_kinds(run, problem.codebase, infos)         # {"ideas/settings": 0.25}
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
    """The share of settings among a step's distinct ideas that were implemented.

    Args:
        run: where their codebases are kept.
        baseline: the unpatched codebase, path to text.
        infos: the agent loop's record of each answer.

    Returns:
        The figure by its name; nothing where no idea was implemented, or the store does not answer.
    """

    def kind(idea_id: str) -> Kind | None:
        files = run.codebase(idea_id)
        return change_of(baseline, files).kind if files else None

    implemented = {info["idea_id"] for info in infos if info["content_hash"]}
    try:
        kinds = [found for found in in_threads(kind, sorted(implemented)) if found]
    except StoreError:
        # A figure that is missing ends no training.
        return {}
    return {"ideas/settings": kinds.count("setting") / len(kinds)} if kinds else {}
