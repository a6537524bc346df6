"""What a search is priced with: means of earlier runs of the store, or else assumptions.

    known, told = known_quantities(recipe, problem, read_past(recipe, problem))
    known.trial_s, told                          # 21.5, ("as in 2 earlier runs of the store: …",)

Runs count when they are about the same problem, with the same fields overridden; their requests to
a language model count when the recipe asks the same model in the same role.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from executor.errors import StoreError
from executor.implementer.llm import problem_text, system_text
from executor.llm.settings import LLMSettings
from executor.problem.problem import Problem
from executor.run_records import read_start
from executor.settings import to_dict
from executor.store.runs import RunFolder, Store
from ideator_rl.analysis.run_data import AskedData, RunData, load_run
from ideator_rl.ideators.replies.draft import LONGEST_IDEA
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.recipe import SearchRecipe

MOST_RUNS = 10  # so many tell enough, and a store may hold hundreds
THINKING, TOKEN_BYTES = 3.0, 4.0  # an answer with thinking has three times the tokens


def _quantity(assumed: float, most: float | None, words: str) -> Any:
    """What is assumed, the most that can come, None where that is the same, and how it is told."""
    return field(default=assumed, metadata={"most": most, "words": words})


@dataclass(frozen=True, kw_only=True)
class Quantities:
    """Means, or the most that can come where it is the `worst`; the recipe and the problem bound
    what has no bound here. Those after the second matter where a model is paid."""

    trial_s: float = _quantity(0, inf, "{:,.4g} s a trial")
    executed: float = _quantity(0.9, 1, "{:.0%} of the ideas take a trial")
    idea_bytes: float = _quantity(1500, LONGEST_IDEA, "{:.0f} bytes an idea")
    idea_tokens: float = _quantity(400, inf, "{:.0f} output tokens an idea")
    edit_tokens: float = _quantity(2000, inf, "{:.0f} output tokens an edit")
    revised: float = _quantity(0.2, inf, "{:.0%} of the edits are revised")
    repaired: float = _quantity(0.1, 1, "{:.0%} of the codebases crash early")
    above: float = _quantity(0.3, None, "{:.0%} of the ideas beat the baseline")
    problem_tokens: float = _quantity(0, None, "{:,.0f} tokens of problem")
    worst: bool = False

    def at_most(self) -> Quantities:
        """The worst that can come."""
        most = {f.name: f.metadata.get("most") for f in fields(self)}
        return replace(self, worst=True, **{n: m for n, m in most.items() if m is not None})


@dataclass(frozen=True)
class Past:
    """Names of runs, and the means of those quantities that they tell."""

    runs: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


def known_quantities(
    recipe: SearchRecipe, problem: Problem, past: Past
) -> tuple[Quantities, tuple[str, ...]]:
    """What a search is likely to meet, and lines that say what comes from where."""
    found, asks, writes = past.figures, llm_of(recipe.ideator), llm_of(recipe.implementer)
    thinking = [THINKING if m and (m.thinking_tokens or m.effort) else 1.0 for m in (asks, writes)]
    values = {
        "trial_s": problem.file.budget.seconds,
        "idea_tokens": Quantities.idea_tokens * thinking[0],
        "edit_tokens": Quantities.edit_tokens * thinking[1],
        "problem_tokens": len(system_text("blocks") + problem_text(problem)) / TOKEN_BYTES,
    } | dict(found)
    known = Quantities(**values)  # type: ignore[arg-type]
    told = fields(known)[: -1 if asks or writes else 2]
    runs = f"{len(past.runs)} earlier run{'s' if len(past.runs) > 1 else ''}"
    lines = []
    for head, is_found in ((f"as in {runs} of the store", True), ("assumed", False)):
        of_kind = [f for f in told if (f.name in found) is is_found]
        if said := [f.metadata["words"].format(getattr(known, f.name)) for f in of_kind]:
            lines.append(f"{head}: {', '.join(said)}")
    return known, (*lines, *_not_priced(recipe))


def _not_priced(recipe: SearchRecipe) -> Iterator[str]:
    """What the parts of other packages cost is not known."""
    for role in ("ideator", "implementer"):
        if isinstance(part := getattr(recipe, role), PluginSettings):
            yield f"not priced: what the {role} {part.name}, a plug-in, asks of others"


def llm_of(section: object) -> LLMSettings | None:
    """The model that a section of the recipe pays for; a replayed one is free."""
    llm = getattr(section, "llm", None)
    return llm if llm and llm.api != "replay" else None


def read_past(recipe: SearchRecipe, problem: Problem) -> Past:
    """Writes nothing. A store that is not there, not to be reached or damaged has no past."""
    # Opening a folder makes it.
    if "://" not in recipe.store and not Path(recipe.store).expanduser().is_dir():
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


def _is_about(run: RunFolder, recipe: SearchRecipe, problem: Problem) -> bool:
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
