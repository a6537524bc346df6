"""What kinds of ideas a run had, and what each kind earned: pure functions of its ideas.

    rows = kind_figures(data.ideas)
    rows[0].kind, rows[0].share, rows[0].mean, rows[0].best.idea_id
    kinds_by_epoch(data.ideas)[3]                    # {"setting": KindFigures(…), …} of epoch 3

Ideas without code have no kind, see `idea_kinds.py`; shares are of those that have one.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ideator_rl.analysis.idea_kinds import KINDS, Kind
from ideator_rl.analysis.run_data import TrialData


@dataclass(frozen=True)
class KindFigures:
    """The `ideas` of a kind: their share of all with a kind, and how many completed, 0 to 1; the
    mean reward of those that did and the best of them, both None without any; the median of lines
    added and removed."""

    kind: Kind
    ideas: int
    share: float
    completed: float
    mean: float | None
    best: TrialData | None
    added: float
    removed: float


def kind_figures(ideas: Sequence[TrialData]) -> tuple[KindFigures, ...]:
    """Of every kind that occurs, in the order of KINDS."""
    changes = [(idea, idea.change) for idea in ideas if idea.change]
    found = []
    for kind in KINDS:
        own = [(idea, change) for idea, change in changes if change.kind == kind]
        if not own:
            continue
        measured = [idea for idea, _ in own if idea.measured]
        found.append(
            KindFigures(
                kind=kind,
                ideas=len(own),
                share=len(own) / len(changes),
                completed=len(measured) / len(own),
                mean=statistics.fmean(idea.reward for idea in measured) if measured else None,
                best=max(measured, key=lambda idea: idea.reward, default=None),
                added=statistics.median(change.added for _, change in own),
                removed=statistics.median(change.removed for _, change in own),
            )
        )
    return tuple(found)


def kinds_by_epoch(ideas: Sequence[TrialData]) -> dict[int, Mapping[Kind, KindFigures]]:
    """The same by epoch of a search or step of training, in their order; one without any idea that
    has a kind has no figures."""
    epochs: dict[int, list[TrialData]] = {}
    for idea in sorted(ideas, key=lambda idea: idea.epoch):
        epochs.setdefault(idea.epoch, []).append(idea)
    return {epoch: {row.kind: row for row in kind_figures(own)} for epoch, own in epochs.items()}
