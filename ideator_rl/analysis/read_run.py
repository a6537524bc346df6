"""Reads a run from the store, finished or not: `load_run(Store("store").run("first")).trials`.

Everything that does not depend on something else is read at the same time, since a store may be far
away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from executor.errors import UserError
from executor.llm.journal import Journal, JournalEntry
from executor.records import Idea, Outcome
from executor.run_records import read_sessions, read_start
from executor.store.open import open_storage
from executor.store.runs import RunFolder
from executor.store.threads import THREADS, in_threads
from executor.trial_keys import BASELINE
from ideator_rl.analysis.confirmed import confirmed_elsewhere, read_plans, winners_of
from ideator_rl.analysis.cost import NOTHING, Cost
from ideator_rl.analysis.idea_kinds import change_of
from ideator_rl.analysis.metrics_file import METRICS, parse_steps, steps_of
from ideator_rl.analysis.run_data import AskedData, RunData, TrialData
from ideator_rl.analysis.shown_text import MAX_TEXT_CHARS, clean, idea_title, tail
from ideator_rl.run_parts import parts_of, whole_of

# The journals of a run's requests to language models, below `llm/`.
ASKERS = ("ideator", "implementer")


def load_run(run: RunFolder) -> RunData:
    """Reads a run, finished or not. Raises UserError when the folder holds none."""
    with ThreadPoolExecutor(THREADS) as threads:
        listed, started = threads.submit(run.trials), threads.submit(read_start, run)
        in_parts = threads.submit(parts_of, run)
        reading = [threads.submit(read_requests, run, asker) for asker in ASKERS]
        recipe, logged = threads.submit(run.recipe), threads.submit(run.events)
        sessions, plans = threads.submit(read_sessions, run), threads.submit(read_plans, run)
        whose, other_runs = (
            threads.submit(winners_of, run),
            threads.submit(confirmed_elsewhere, run),
        )
        own_steps, in_whole = threads.submit(_steps_text, run), threads.submit(whole_of, run)
        keys, start = listed.result(), started.result()
        outcomes = threads.submit(run.outcomes, keys)
        # A run has one problem, and its trials need the same of a machine.
        gpus = threads.submit(lambda: next((job.gpus for job in map(run.job, keys) if job), 0))
        parts, whole = in_parts.result(), in_whole.result()
    if not keys and start is None and not parts:
        raise UserError(f"{run.url} holds no run; check the store and the run's name")
    steps = parse_steps(_steps_text(whole) if whole else own_steps.result())
    if whole:
        steps = steps_of(steps, start.problem if start else "")
    requests = [asked for read in reading for asked in read.result()]
    ended, events = outcomes.result(), logged.result()
    slot_s = trial_seconds(events)
    unpatched_keys = [key for key, outcome in ended.items() if outcome.idea_id == BASELINE]
    baseline = {ended[key].seed: ended[key] for key in unpatched_keys}
    baseline_s = {ended[key].seed: slot_s.get(key, 0.0) for key in unpatched_keys}
    trees = (run.codebase(key, repaired=False) for key in unpatched_keys)
    unpatched = next(filter(None, trees), None)

    def read_trial(key: str) -> TrialData:
        return _trial(run, key, ended[key], unpatched, slot_s.get(key, 0.0), asked=bool(requests))

    trials = in_threads(read_trial, [key for key in ended if ended[key].idea_id != BASELINE])
    trials.sort(key=lambda trial: (trial.finished_at, trial.key))
    return RunData(
        name=run.name,
        url=run.url,
        recipe=clean(recipe.result() or "", MAX_TEXT_CHARS),
        start=start,
        sessions=tuple(sessions.result()),
        plans=tuple(plans.result()),
        trials=tuple(trials),
        baseline=dict(sorted(baseline.items())),
        baseline_s=baseline_s,
        events=tuple(events),
        unfinished=len(keys) - len(ended),
        steps=steps,
        requests=tuple(requests),
        gpus=gpus.result(),
        winners_of=whose.result(),
        # Those that confirm have nothing confirmed themselves.
        elsewhere=() if whose.result() else tuple(map(load_run, other_runs.result())),
        parts=tuple(map(load_run, parts)),
    )


def _steps_text(run: RunFolder) -> str:
    return (open_storage(run.url).read(METRICS) or b"").decode(errors="replace")


def trial_seconds(events: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of a slot by trial: of everything that workers ran for it, a codebase that was
    repaired included; nothing where an identical codebase had run before."""
    found: dict[str, float] = {}
    for event in events:
        if event.get("event") == "trial":
            key = str(event.get("key", ""))
            found[key] = found.get(key, 0.0) + event["ended"] - event["started"]
    return found


def read_requests(run: RunFolder, asker: str) -> list[AskedData]:
    """The requests that a run's ideator or implementer has made; leaves no folder behind."""
    if not open_storage(run.url).list(f"llm/{asker}"):
        return []
    return [_asked(entry) for entry in Journal(f"{run.url}/llm/{asker}").entries()]


def _asked(entry: JournalEntry) -> AskedData:
    spent = entry.spent + entry.at_risk
    told = asdict(entry.response.usage) if entry.response else {}
    other = max(0, spent.tokens - sum(told.values()))
    cost = Cost(calls=spent.calls, **told, other=other, money=spent.money)
    return AskedData(entry.purpose, cost, entry.response.seconds if entry.response else 0.0)


def _paid(run: RunFolder, key: str, idea: Idea) -> Cost:
    share = idea.meta.get("cost")
    # `meta` is the ideator's own, who may be anybody's.
    paid = Cost(money=share) if isinstance(share, float) and math.isfinite(share) else NOTHING
    for turn in run.exchange(key):
        if turn.usage:
            paid += Cost(calls=1, **turn.usage, money=turn.cost)
    return paid


def _trial(
    run: RunFolder,
    key: str,
    outcome: Outcome,
    unpatched: Mapping[str, str] | None,
    slot_s: float,
    *,
    asked: bool,
) -> TrialData:
    idea = run.idea(key) or Idea(outcome.idea_id, "")
    files = run.codebase(key, repaired=outcome.repaired) if unpatched else None
    shown = vars(outcome) | {
        "idea_id": clean(outcome.idea_id),
        "metrics": {clean(name): value for name, value in outcome.metrics.items()},
        "final": {clean(name): value for name, value in outcome.final.items()},
        "detail": clean(outcome.detail, MAX_TEXT_CHARS),
    }
    return TrialData(
        **shown,
        key=key,
        epoch=idea.epoch,
        origin=clean(idea.origin),
        parents=tuple(clean(parent) for parent in idea.parents),
        base=clean(idea.base),
        title=idea_title(idea),
        text=clean(idea.text, MAX_TEXT_CHARS),
        thinking=clean(str(idea.meta.get("thinking") or ""), MAX_TEXT_CHARS),
        diff=clean(run.diff(key, repaired=outcome.repaired), MAX_TEXT_CHARS),
        base_diff=clean(run.base_diff(key, repaired=outcome.repaired), MAX_TEXT_CHARS)
        if idea.base
        else "",
        log_tail=tail(run.log(key, repaired=outcome.repaired)),
        change=change_of(unpatched, files) if unpatched and files else None,
        slot_s=slot_s,
        paid=_paid(run, key, idea) if asked and key == idea.id else NOTHING,
    )
