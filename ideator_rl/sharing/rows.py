"""A run as the rows of a data set: one an executed idea, freed of what belongs to this machine.

    rows = read_rows(Store("store").run("digits-evolution-seed0"))
    rows[0]["idea"], rows[0]["reward"], rows[0]["confirmation"]

The keys are those of `columns.COLUMNS`.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import yaml

from executor.errors import UserError
from executor.records import Idea
from executor.store.runs import RunFolder
from executor.store.threads import in_threads
from executor.text.outside_text import clean_text
from ideator_rl.analysis.confirmed import ConfirmedIdea
from ideator_rl.analysis.gain import Gain
from ideator_rl.analysis.read_run import load_run
from ideator_rl.analysis.run_data import RunData, TrialData
from ideator_rl.sharing.authors import Authors
from ideator_rl.sharing.scrub import Scrub, make_scrub, scrub_all

Row = dict[str, Any]
# An idea of millions of characters is an attack, and no idea.
LONGEST_TEXT = 1_000_000


def read_rows(run: RunFolder) -> list[Row]:
    """The executed ideas of a run, by epoch and id. Raises UserError where there are none."""
    data = load_run(run)
    if not data.ideas:
        raise UserError(f"{run.url} holds no executed idea, so there is nothing to export")
    recipe = _recipe(run)
    store = run.url.removesuffix(f"/runs/{run.name}")
    scrub, authors = make_scrub(store, recipe), Authors(recipe)
    baseline = data.search_baseline

    def read(trial: TrialData) -> Row:
        # What `data` shows is cut to what a page has room for.
        idea = run.idea(trial.key) or Idea(trial.idea_id, trial.text)
        diff = run.diff(trial.key, repaired=trial.repaired)
        row = {
            "id": trial.idea_id,
            "run": run.name,
            "env": data.problem or None,
            "problem_version": data.start.version if data.start else None,
            "idea": idea.text,
            "thinking": _text(idea.meta.get("thinking")),
            "origin": idea.origin,
            "parents": list(idea.parents),
            "epoch": idea.epoch,
            "ideator_model": authors.ideator(idea),
            "executor_model": authors.implementer(run.exchange(trial.key)),
            "code_diff": diff or None,
            "status": trial.status,
            "stage": trial.stage,
            "detail": trial.detail,
            "result": _finite(trial.metrics) if trial.status == "completed" else None,
            "reward": trial.reward if math.isfinite(trial.reward) else None,
            "baseline_reward": statistics.fmean(baseline) if baseline else None,
            "seed": trial.seed,
            "sandbox": trial.sandbox or None,
            "charged_s": trial.charged_s,
            "duration_s": trial.duration_s,
            "cached": trial.cached,
            "repaired": trial.repaired,
            "confirmation": _confirmation(data, trial.idea_id),
        }
        return scrub_all(row, _cleaned(scrub))

    rows = in_threads(read, data.ideas)
    return sorted(rows, key=lambda row: (row["epoch"], row["id"]))


def metric_names(rows: list[Row]) -> list[str]:
    """The metrics of all rows; `reward` where no idea completed, since a table needs one."""
    return sorted({name for row in rows for name in row["result"] or ()}) or ["reward"]


def _recipe(run: RunFolder) -> object:
    try:
        return yaml.safe_load(run.recipe() or "")
    except yaml.YAMLError:
        return None


def _cleaned(scrub: Scrub) -> Scrub:
    """Scrubbed before it is cut: half a key would no longer be known for one."""
    return lambda text: clean_text(scrub(text), LONGEST_TEXT)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _finite(metrics: Any) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _confirmation(data: RunData, idea_id: str) -> Row | None:
    found = data.confirmation.of(idea_id) if data.confirmation else None
    return _told(found, data) if found else None


def _told(found: ConfirmedIdea, data: RunData) -> Row:
    def value(gain: Gain | None) -> float | None:
        return gain.value if gain else None

    assert data.confirmation is not None
    return {
        "seeds": list(data.confirmation.plan.seeds),
        "rewards": list(found.rewards),
        "mean": found.mean,
        "gain": value(found.gain),
        "gain_low": found.gain.low if found.gain else None,
        "gain_high": found.gain.high if found.gain else None,
        "final_gain": value(found.final_gain),
        "overfit": value(found.overfit),
        "survives": found.survives,
    }
