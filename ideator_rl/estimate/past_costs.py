"""What a run is priced with: means of earlier runs of the store, or else assumptions.

    known, at_most, told = known_quantities(recipe, problem, read_past(recipe, problem))
    known.trial_s, told                          # 21.5, ("as in 2 earlier runs of the store: …",)

Runs count when they are about the same problem, with the same fields overridden; their requests to
a language model count when the recipe asks the same model in the same role.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf
from statistics import fmean
from typing import Any, NamedTuple

import yaml

from executor.errors import StoreError
from executor.implementer.llm import LONGEST_PROBLEM, problem_text, system_text
from executor.llm.settings import LLMSettings
from executor.problem.problem import Problem
from executor.run_records import read_start
from executor.settings import to_dict
from executor.store.open import is_there
from executor.store.runs import RunFolder, Store
from ideator_rl.analysis.read_run import load_run
from ideator_rl.analysis.run_data import AskedData, RunData
from ideator_rl.ideators.api_prompts import LONGEST_CHANGE
from ideator_rl.ideators.replies.draft import LONGEST_IDEA
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.recipe import ExecutingRecipe
from ideator_rl.report.formats import several

MOST_RUNS = 10  # so many tell enough, and a store may hold hundreds
THINKING, TOKEN_BYTES = 3.0, 4.0  # an answer with thinking has three times the tokens


def _quantity(assumed: float, words: str, **most: float) -> Any:
    """What is assumed, how it is told, and the `most` that can come where that is more."""
    return field(default=assumed, metadata={"words": words, **most})


@dataclass(frozen=True, kw_only=True)
class Quantities:
    """Means, or the most that can come where it is the `worst`; the recipe bounds what has no bound
    here. Those after the second matter where a model is paid."""

    trial_s: float = _quantity(0, "{:,.4g} s a trial")
    executed: float = _quantity(0.9, "{:.0%} of the ideas take a trial", most=1)
    idea_bytes: float = _quantity(1500, "{:.0f} bytes an idea", most=LONGEST_IDEA)
    idea_tokens: float = _quantity(400, "{:.0f} output tokens an idea", most=inf)
    edit_tokens: float = _quantity(2000, "{:.0f} output tokens an edit", most=inf)
    revised: float = _quantity(0.2, "{:.0%} of the edits are revised", most=inf)
    repaired: float = _quantity(0.1, "{:.0%} of the codebases crash early", most=1)
    above: float = _quantity(0.3, "{:.0%} of the ideas beat the baseline", most=1)
    change_bytes: float = _quantity(3000, "{:.0f} bytes of a parent's change", most=LONGEST_CHANGE)
    mistake_bytes: float = _quantity(1000, "{:.0f} bytes on a mistake", most=LONGEST_PROBLEM)
    problem_tokens: float = _quantity(0, "{:,.0f} tokens of problem")
    confirm_s: float = 0
    worst: bool = False


class Past(NamedTuple):
    """Names of runs, and the means of those quantities that they tell."""

    runs: tuple[str, ...] = ()
    figures: Mapping[str, float] = {}


def known_quantities(
    recipe: ExecutingRecipe, problem: Problem, past: Past, other: Problem | None = None
) -> tuple[Quantities, Quantities, tuple[str, ...]]:
    """What a run is likely to meet, the worst that it can, and lines that say what comes from
    where. `other` is the problem that winners are confirmed as, where that is another one."""
    found, writes = past.figures, llm_of(recipe.implementer)
    asks = llm_of(getattr(recipe, "ideator", None))
    thinking = [THINKING if m and (m.thinking_tokens or m.effort) else 1.0 for m in (asks, writes)]
    budget, confirmed = problem.file.budget, (other or problem).file
    assumed = {
        "trial_s": budget.seconds,
        "idea_tokens": Quantities.idea_tokens * thinking[0],
        "edit_tokens": Quantities.edit_tokens * thinking[1],
        "problem_tokens": len(system_text("blocks") + problem_text(problem)) / TOKEN_BYTES,
    }
    known = Quantities(**{**assumed, **found})  # type: ignore[arg-type]
    known = replace(known, confirm_s=confirmed.budget.seconds if other else known.trial_s)
    most = {f.name: f.metadata["most"] for f in fields(known) if "most" in f.metadata}
    most |= {"trial_s": budget.longest_s, "confirm_s": confirmed.budget.longest_s}
    told: dict[bool, list[str]] = {True: [], False: []}
    for f in fields(known)[: -2 if asks or writes else 2]:
        told[f.name in found].append(f.metadata["words"].format(getattr(known, f.name)))
    heads = {True: f"as in {several(len(past.runs), 'earlier run')} of the store", False: "assumed"}
    lines = [f"{heads[is_found]}: {', '.join(words)}" for is_found, words in told.items() if words]
    for role in ("ideator", "implementer"):
        if isinstance(part := getattr(recipe, role, None), PluginSettings):
            lines.append(f"not priced: what the {role} {part.name}, a plug-in, asks of others")
    if other:
        gpus = f", on {several(n, 'GPU')}" if (n := confirmed.resources.gpus) else ""
        lines.append(f"assumed: {known.confirm_s:,g} s a trial as {other.name}{gpus}")
    return known, replace(known, worst=True, **most), tuple(lines)


def llm_of(section: object) -> LLMSettings | None:
    """The model that a section of the recipe pays for; a replayed one is free."""
    llm = getattr(section, "llm", None)
    return llm if llm and llm.api != "replay" else None


def read_past(recipe: ExecutingRecipe, problem: Problem) -> Past:
    """Writes nothing. A store that is not there, not to be reached or damaged has no past."""
    if not is_there(recipe.store):
        return Past()
    samples: dict[str, list[float]] = defaultdict(list)
    try:
        store = Store(recipe.store)
        runs = [run for run in map(store.run, store.runs()) if _is_about(run, recipe, problem)]
        for run in runs[-MOST_RUNS:]:
            for name, values in _told_by(load_run(run), to_dict(recipe)):
                samples[name] += values
    except (StoreError, yaml.YAMLError):
        return Past()
    means = {name: fmean(values) for name, values in samples.items() if values}
    return Past(tuple(run.name for run in runs[-MOST_RUNS:]), means)


def _is_about(run: RunFolder, recipe: ExecutingRecipe, problem: Problem) -> bool:
    """Without a recipe, nobody knows which fields of a run's problem were overridden."""
    start, kept = read_start(run), yaml.safe_load(run.recipe() or "")
    same = start is not None and start.problem == problem.name
    return same and isinstance(kept, dict) and kept.get("problem", {}) == recipe.problem


def _told_by(data: RunData, asked: dict[str, Any]) -> Iterator[tuple[str, Iterable[float]]]:
    """What a run tells of which quantity; of its models, where they are those that are `asked`."""
    own, base, kept = data.ideas, data.search_baseline, yaml.safe_load(data.recipe)
    yield "trial_s", [trial.slot_s for trial in own if trial.slot_s]
    yield "executed", [trial.slot_s > 0 for trial in own]
    yield "above", [trial.measured and trial.reward > fmean(base) for trial in own if base]
    yield "repaired", [trial.repaired for trial in own]
    yield "idea_bytes", [len(trial.text.encode()) for trial in own]

    def answers(section: str, *purposes: str) -> list[AskedData]:
        models = [((r.get(section) or {}).get("llm") or {}).get("model") for r in (kept, asked)]
        answered = [a for a in data.requests if a.seconds and a.purpose in purposes]
        return answered if models[0] == models[1] else []

    if replies := answers("ideator", "ideate"):
        yield "idea_tokens", [sum(reply.cost.output for reply in replies) / max(1, len(own))]
    if first := answers("implementer", "implement"):
        revised = answers("implementer", "revise")
        yield "revised", [len(revised) / len(first)]
        yield "edit_tokens", [edit.cost.output for edit in (*first, *revised)]
