"""The report of a run: one HTML file that needs nothing but a browser, from disk and off line.

    write_report(Store("store").run("digits-evolution-seed0"))   # …/report.html

Ideas, diffs and logs are written by language models and by the code under test, so they are
hostile: they enter the page as JSON that cannot close its element, the script shows them as text
nodes only, and the page's own policy lets no other script run and nothing be fetched.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from executor.problem.problem import IMPLAUSIBLE
from executor.records import STATUSES
from executor.sandbox import meets
from executor.store.open import open_storage
from executor.store.runs import RunFolder
from ideator_rl.analysis import metrics
from ideator_rl.analysis.kind_figures import kind_figures
from ideator_rl.analysis.lineage import lineage
from ideator_rl.analysis.read_run import load_run
from ideator_rl.analysis.run_cost import run_cost
from ideator_rl.analysis.run_data import RunData, TrialData
from ideator_rl.analysis.shown_text import CUT
from ideator_rl.report.chart import CURSOR, HEIGHT, WIDTH, draw
from ideator_rl.report.forest import forest
from ideator_rl.report.idea_plot import plot_axes
from ideator_rl.report.kind_charts import NAMES, kind_charts
from ideator_rl.report.page import render_page
from ideator_rl.report.several import render_several
from ideator_rl.report.training import Training, script_data, training

REPORT = "report.html"
# All details together, in bytes; beyond it the longest texts are cut first.
MAX_DETAIL_BYTES = 5_500_000
# A status is told by its shape as well as by its colour; paths are centred and 10 units wide.
SHAPES = {
    "completed": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "not_implemented": "M0-5L5 4H-5z",
    "crashed": "M-4-4L4 4M4-4L-4 4",
    "timeout": "M-4-4H4V4H-4z",
    "rejected": "M0-5.5L5.5 0L0 5.5L-5.5 0z",
    "cancelled": "M-5 0H5",
}


def write_report(run: RunFolder) -> Path | str:
    """Writes report.html into the run's folder, atomically; returns its path, or URL in a bucket.
    That of a training on several problems names those of its parts, which are written, too.

    Raises UserError when the folder holds no run, StoreError when it cannot be written.
    """
    return _write(run, load_run(run))


def _write(run: RunFolder, data: RunData) -> Path | str:
    for part in data.parts:
        _write(run.beside(part.name), part)
    page = render_several(data) if data.parts else render_report(data)
    open_storage(run.url).write(REPORT, page.encode())
    return f"{run.url}/{REPORT}" if "://" in run.url else Path(run.url) / REPORT


def render_report(data: RunData) -> str:
    """The whole page."""
    found = training(data.steps, baseline_spread(data))
    return render_page(
        "report.template.html",
        ("report.css",),
        ("plot.js", "report.js", "training.js"),
        run=data,
        summary=summary(data),
        cost=run_cost(data),
        kinds=kind_figures(data.ideas),
        kind_names=NAMES,
        kind_charts=kind_charts(data.ideas, baseline_spread(data), "step" if found else "epoch"),
        priced=any(trial.paid.money for trial in data.ideas),
        training=found,
        draw=draw,
        box=f"0 0 {WIDTH} {HEIGHT}",
        cursor=CURSOR,
        shapes=SHAPES,
        payload=Markup(_json(payload(data, found))),
    )


def summary(data: RunData) -> dict[str, Any]:
    """The figures above the plots."""
    ideas = data.ideas
    measured = [trial for trial in ideas if trial.measured]
    best = max(measured, key=lambda trial: trial.reward, default=None)
    baseline = baseline_spread(data)
    lives = metrics.sessions(data.events)
    again = data.repeats.get(best.idea_id, ()) if best else ()
    found = data.confirmation
    return {
        "best": best,
        "metric": data.metric,
        "again": metrics.spread([trial.reward for trial in again if trial.measured]),
        "baseline": baseline,
        "confirmation": found,
        "best_confirmed": found.of(best.idea_id) if found and best else None,
        "forest": forest(found, baseline.sd if baseline else None) if found else None,
        "elsewhere": [
            (other, forest(other.confirmation, None) if other.confirmation else None)
            for other in data.elsewhere
        ],
        "lineage": lineage(ideas, best.idea_id) if best and best.base else [],
        "titles": {trial.idea_id: trial.title for trial in ideas},
        "gain": best.reward - baseline.mean if best and baseline else None,
        "gain_sd": metrics.improvement_in_sd(best.reward, baseline) if best else None,
        "counts": {s: c for s in STATUSES if (c := metrics.status_counts(ideas).get(s))},
        "flow": metrics.stage_flow(ideas),
        "completion": metrics.completion_rate(ideas),
        "beat": sum(t.reward > baseline.mean for t in measured) if baseline else None,
        "wall_s": metrics.wall_seconds(lives),
        "implausible": [trial for trial in ideas if trial.detail.startswith(IMPLAUSIBLE)],
        "open": not all(meets(sandbox, "strict") for sandbox in data.sandboxes),
        "sessions": len(lives),
        "slots": lives[-1].slots if lives else None,
        "busy": metrics.busy_share(data.events),
        "codebases": metrics.distinct_codebases(ideas),
        "same": set(same_code(ideas)) != set(range(len(ideas))),
        "cached": sum(trial.cached for trial in ideas),
        "repeats": len(data.trials) - len(ideas),
    }


def baseline_spread(data: RunData) -> metrics.Spread | None:
    """The rewards of the search's baseline over its seeds; None when none completed."""
    return metrics.spread(data.search_baseline)


def payload(data: RunData, found: Training | None) -> dict[str, Any]:
    """What the page's script draws: the ideas in the order in which they finished, the axes of
    their plot, and what the curves of training are at each step."""
    baseline = baseline_spread(data)
    lives = metrics.sessions(data.events)
    curve = metrics.best_so_far(t.reward if t.measured else None for t in data.ideas)
    winners = data.confirmation.ideas if data.confirmation else ()
    told = ("mean", "survives", "verdict", "reason")
    confirmed = {idea.idea_id: {name: getattr(idea, name) for name in told} for idea in winners}
    told_in_full = ("text", "thinking", "detail", "diff", "base_diff", "log_tail")
    texts = [getattr(trial, name) for trial in data.ideas for name in told_in_full]
    cap = fair_cap([len(_json(text)) for text in texts], MAX_DETAIL_BYTES)
    times = [round(metrics.elapsed_at(trial.finished_at, lives), 3) for trial in data.ideas]
    return {
        "shapes": SHAPES,
        "axes": plot_axes(
            [trial.reward for trial in data.ideas if trial.measured],
            [idea.mean for idea in winners],
            baseline,
            times,
        ),
        "training": script_data(found) if found else None,
        "baseline": baseline and {"mean": baseline.mean, "sd": baseline.sd, "n": baseline.n},
        "ideas": [
            {
                "id": trial.idea_id,
                "epoch": trial.epoch,
                "origin": trial.origin,
                "parents": trial.parents,
                "base": trial.base,
                "title": trial.title,
                "status": trial.status,
                "stage": trial.stage,
                "reward": trial.reward if trial.measured else None,
                "best": best,
                "metrics": {k: v for k, v in trial.metrics.items() if math.isfinite(v)},
                "at": at,
                "duration": trial.duration_s,
                "charged": trial.charged_s,
                "cached": trial.cached,
                "slot": round(trial.slot_s, 3),
                "money": trial.paid.money,
                "answers": trial.paid.calls,
                "tokens": trial.paid.tokens,
                "same": same,
                "confirmed": confirmed.get(trial.idea_id),
                "kind": NAMES[trial.change.kind] if trial.change else "",
                "detail": cut(trial.detail, cap),
                "text": cut(trial.text, cap),
                "thinking": cut(trial.thinking, cap),
                "diff": cut(trial.diff, cap),
                "base_diff": cut(trial.base_diff, cap),
                "log": cut(trial.log_tail, cap, keep_end=True),
                "repeats": [
                    {"seed": r.seed, "status": r.status, "reward": r.reward if r.measured else None}
                    for r in data.repeats.get(trial.idea_id, ())
                ],
            }
            for trial, best, same, at in zip(
                data.ideas, curve, same_code(data.ideas), times, strict=True
            )
        ],
    }


def same_code(ideas: Sequence[TrialData]) -> list[int]:
    """For each idea the index of the first with the same codebase, or, where there is none, the
    same text."""
    first: dict[str, int] = {}
    return [
        first.setdefault(idea.content_hash or idea.text, index) for index, idea in enumerate(ideas)
    ]


def fair_cap(sizes: Sequence[int], total: int) -> int:
    """The largest cap for which the sizes, none above the cap, sum to `total` or less."""
    left, cap = total, total
    for count, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        cap = left // count
        if size > cap:
            return cap
        left -= size
    return max(sizes, default=total)


def cut(text: str, cap: int, keep_end: bool = False) -> str:
    """A text whose JSON takes about `cap` bytes: it loses its end, or its start."""
    size = len(_json(text))
    if size <= cap:
        return text
    keep = max(0, len(text) * cap // size - len(CUT))
    return CUT + text[len(text) - keep :] if keep_end else text[:keep] + CUT


def _json(value: object) -> str:
    """JSON for a script element. No `<` means: nothing in it can close or open an element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
