"""Charts of the kinds of ideas against the epoch of a search or the step of training.

kind_charts(data.ideas, baseline, across="epoch")    # shares, and mean reward of each kind
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ideator_rl.analysis.idea_kinds import KINDS, Kind
from ideator_rl.analysis.kind_figures import KindFigures, kinds_by_epoch
from ideator_rl.analysis.metrics import Spread
from ideator_rl.analysis.run_data import TrialData
from ideator_rl.report.chart import Chart, Hue, Series, Values
from ideator_rl.report.formats import share
from ideator_rl.report.training import MAX_STEPS, baseline_level, drawable

HUES: Mapping[Kind, Hue] = {
    "setting": "blue",
    "algorithm": "orange",
    "unchanged": "grey",
    "unreadable": "pink",
}
# How a reader is told of each.
NAMES: Mapping[Kind, str] = {
    "setting": "setting",
    "algorithm": "algorithm",
    "unchanged": "no change",
    "unreadable": "unreadable code",
}


def kind_charts(
    ideas: Sequence[TrialData], baseline: Spread | None, across: str
) -> tuple[Chart, ...]:
    """None for a single epoch or step, of which the table says all."""
    epochs = kinds_by_epoch(ideas)
    stride = max(1, -(-len(epochs) // MAX_STEPS))
    shown = dict(list(epochs.items())[::-1][::stride][::-1])
    kinds = [kind for kind in KINDS if any(kind in found for found in epochs.values())]
    if len(epochs) < 2 or not kinds:
        return ()

    def series(kind: Kind, figure: Callable[[KindFigures], float | None]) -> Series:
        values: Values = [
            drawable(figure(found[kind])) if kind in found else None for found in shown.values()
        ]
        return Series(NAMES[kind], values, HUES[kind])

    def percent(value: float) -> str:
        return share(value / 100)

    steps = tuple(shown)
    shares = tuple(series(kind, lambda found: 100 * found.share) for kind in kinds)
    means = tuple(series(kind, lambda found: found.mean) for kind in kinds)
    bests = tuple(
        series(kind, lambda found: found.best.reward if found.best else None) for kind in kinds
    )
    level = baseline_level(baseline)
    return (
        Chart(
            "Kinds of ideas", steps, shares, "%", percent, stacked=True, top=100.0, across=across
        ),
        *(
            Chart(title, steps, _known(lines), level=level, fitted=True, across=across)
            for title, lines in (("Mean reward of a kind", means), ("Best reward of a kind", bests))
            if _known(lines)
        ),
    )


def _known(lines: Sequence[Series]) -> tuple[Series, ...]:
    return tuple(line for line in lines if set(line.values) - {None})
