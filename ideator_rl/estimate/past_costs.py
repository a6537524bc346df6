"""What a price is reckoned with: means of earlier runs of the store, or else assumptions.

    past = read_past(recipe, problem)            # writes nothing; an empty Past without a store
    known, told = known_figures(recipe, problem, past)
    known["trial_s"], told                       # 21.5, ("as in 2 earlier runs of the store: …",)

Runs count when they are about the same problem, with the same fields overridden; their requests to
a language model count when the recipe asks the same model in the same role.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from executor.errors import DamagedRecord, StoreError
from executor.implementer.llm import problem_text, question_text, system_text
from executor.llm.settings import LLMSettings
from executor.problem import Problem
from executor.run_records import read_sessions, read_start
from executor.settings import to_dict
from executor.store.runs import RunFolder, Store
from executor.trial_keys import BASELINE
from ideator_rl.analysis.run_data import read_requests
from ideator_rl.plugins import PluginSettings
from ideator_rl.recipe import ApiIdeatorSettings, LLMImplementerSettings, SearchRecipe

# The latest ones tell enough, and a store may hold hundreds.
MOST_RUNS = 10
THINKING_TOKENS, TOKENS_A_SECOND = 4000.0, 60.0
# Of every figure what is assumed, how it is told, and which part of the recipe it matters to. An
# answer's seconds are 0 where they follow from its length, a trial's where the problem has them.
FIGURES = {
    "trial_s": (0.0, "{:,.4g} s a trial", "all"),
    "baseline_s": (0.0, "{:,.4g} s a baseline", "baseline"),
    "executed": (0.9, "{:.0%} of the ideas take a trial", "all"),
    "above": (0.3, "{:.0%} beat the baseline", "ideator"),
    "idea_bytes": (1500.0, "{:.0f} bytes an idea", "models"),
    "idea_tokens": (400.0, "{:.0f} output tokens an idea", "ideator"),
    "ideation_s": (0.0, "", ""),
    "edit_tokens": (2000.0, "{:.0f} output tokens an edit", "implementer"),
    "edit_s": (0.0, "", ""),
    "revised": (0.2, "{:.0%} of the edits are revised", "implementer"),
    "repaired": (0.1, "{:.0%} are repaired", "repairs"),
    "token_bytes": (4.0, "{:.2g} bytes a token", "models"),
}


@dataclass(frozen=True)
class Past:
    """Names of runs, and those of FIGURES that they tell."""

    runs: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


def known_figures(
    recipe: SearchRecipe, problem: Problem, past: Past
) -> tuple[dict[str, float], tuple[str, ...]]:
    """All of FIGURES and the tokens of thinking in an answer, and lines that say what comes from
    where."""
    found, asks, writes = past.figures, llm_of(recipe.ideator), llm_of(recipe.implementer)
    known = {name: found.get(name, assumed) for name, (assumed, *_) in FIGURES.items()}
    known["trial_s"] = found.get("trial_s", problem.file.budget.seconds)
    known["baseline_s"] = found.get("baseline_s", known["trial_s"])
    known["ideation_thinking"] = 0.0 if "idea_tokens" in found else _thinking(asks)
    known["edit_thinking"] = 0.0 if "edit_tokens" in found else _thinking(writes)
    matters = {
        "all": True,
        "baseline": "baseline_s" in found,
        "ideator": asks,
        "implementer": writes,
        "models": asks or writes,
        "repairs": writes and repaired_within_s(recipe),
    }
    told = [name for name, (_, _, part) in FIGURES.items() if matters.get(part)]
    measured, assumed = (
        [FIGURES[name][1].format(known[name]) for name in told if (name in found) is is_measured]
        for is_measured in (True, False)
    )
    if thinking := max(known["ideation_thinking"], known["edit_thinking"]):
        assumed.append(f"{thinking:.0f} tokens of thinking an answer")
    if (asks and "ideation_s" not in found) or (writes and "edit_s" not in found):
        assumed.append(f"{TOKENS_A_SECOND:.0f} output tokens a second")
    runs = f"{len(past.runs)} earlier run{'s' if len(past.runs) > 1 else ''}"
    lines = ((f"as in {runs} of the store", measured), ("assumed", assumed))
    told_lines = [f"{head}: {', '.join(said)}" for head, said in lines if said]
    return known, (*told_lines, *_plugins(recipe))


def _plugins(recipe: SearchRecipe) -> list[str]:
    """What is not known of the parts of other packages."""
    parts = {"ideator": recipe.ideator, "implementer": recipe.implementer}
    lines = [
        f"not priced: what the {role} {part.name}, a plug-in, asks of others"
        for role, part in parts.items()
        if isinstance(part, PluginSettings)
    ]
    if recipe.search.method == "plugin" and llm_of(recipe.ideator):
        lines.append(f"assumed: {recipe.search.name}, a plug-in, shows all that came before")
    return lines


def llm_of(section: object) -> LLMSettings | None:
    """The model that a section of the recipe pays for; a replayed one is free."""
    if not isinstance(section, ApiIdeatorSettings | LLMImplementerSettings):
        return None
    return None if section.llm.api == "replay" else section.llm


def repaired_within_s(recipe: SearchRecipe) -> float:
    """The seconds within which a trial that crashes is repaired; 0 for none."""
    made = recipe.implementer
    return made.repair_within_s if isinstance(made, LLMImplementerSettings) else 0.0


def edit_bytes(recipe: SearchRecipe, problem: Problem) -> int:
    """What all questions for edits share; 0 where no model writes them."""
    made = recipe.implementer
    if not isinstance(made, LLMImplementerSettings):
        return 0
    return size_of(system_text(made.edit_format), problem_text(problem))


def size_of(*texts: str) -> int:
    """In bytes."""
    return sum(len(text.encode(errors="replace")) for text in texts)


def read_past(recipe: SearchRecipe, problem: Problem) -> Past:
    """A store that is not there, or not to be reached, has no past."""
    # Opening a folder makes it.
    if "://" not in recipe.store and not Path(recipe.store).expanduser().is_dir():
        return Past()
    try:
        return _read(Store(recipe.store), recipe, problem)
    except StoreError:
        return Past()


def _read(store: Store, recipe: SearchRecipe, problem: Problem) -> Past:
    found, asked = [], to_dict(recipe)
    for run in map(store.run, store.runs()):
        kept = _kept(run)
        if kept.get("problem", {}) == recipe.problem and (began := _began(run, problem)):
            found.append((began, run, kept))
    latest = sorted(found, key=lambda known: known[0])[-MOST_RUNS:]
    samples: dict[str, list[float]] = defaultdict(list)
    for _, run, kept in latest:
        ended = {key: end for key in run.trials() if (end := run.outcome(key)) is not None}
        base = [end for end in ended.values() if end.idea_id == BASELINE]
        own = [end for key, end in ended.items() if key == end.idea_id != BASELINE]
        level = statistics.fmean([e.reward for e in base if e.completed] or [math.inf])
        tried = [end.stage != "implement" and not end.cached for end in own]
        samples["baseline_s"] += [end.duration_s for end in base]
        samples["trial_s"] += [e.duration_s for e, took in zip(own, tried, strict=True) if took]
        samples["executed"] += tried
        samples["above"] += [end.completed and end.reward > level for end in own if base]
        samples["repaired"] += [end.repaired for end in own]
        sizes = [size_of(idea.text) for end in own if (idea := run.idea(end.idea_id))]
        samples["idea_bytes"] += sizes
        if own and _model(kept, "ideator") == _model(asked, "ideator"):
            replies = [reply for reply in read_requests(run, "ideator") if reply.seconds]
            samples["ideation_s"] += [reply.seconds for reply in replies]
            if written := sum(reply.cost.output for reply in replies):
                samples["idea_tokens"] += [written / len(own) for _ in own]
        if own and _model(kept, "implementer") == _model(asked, "implementer"):
            edits = read_requests(run, "implementer")
            answers = [edit for edit in edits if edit.seconds]
            first = [edit for edit in edits if edit.purpose == "implement"]
            revisions = sum(edit.purpose == "revise" for edit in edits)
            samples["edit_s"] += [answer.seconds for answer in answers]
            samples["edit_tokens"] += [a.cost.output for a in answers if a.cost.output]
            samples["revised"] += [revisions / len(first) for _ in first]
            size = edit_bytes(recipe, problem) + size_of(question_text("")) + sum(sizes) / len(own)
            # A token has a byte at least, whatever the prompts were like then.
            tokens = [edit.cost.prompt for edit in first if edit.seconds and edit.cost.prompt]
            samples["token_bytes"] += [min(8.0, max(1.0, size / count)) for count in tokens]
    means = {name: statistics.fmean(values) for name, values in samples.items() if values}
    return Past(tuple(run.name for _, run, _ in latest), means)


def _thinking(llm: LLMSettings | None) -> float:
    """Tokens that an answer's thinking takes."""
    if llm is None or (llm.thinking_tokens is None and llm.effort is None):
        return 0.0
    most = llm.thinking_tokens
    return min(most, THINKING_TOKENS) if isinstance(most, int) else THINKING_TOKENS


def _began(run: RunFolder, problem: Problem) -> float | None:
    """The Unix time of a run's last session; None for one about something else."""
    try:
        start, sessions = read_start(run), read_sessions(run)
    except DamagedRecord:
        return None
    same = start is not None and start.problem == problem.name
    return sessions[-1].began if same and sessions else None


def _kept(run: RunFolder) -> dict[str, Any]:
    try:
        kept = yaml.safe_load(run.recipe() or "")
    except yaml.YAMLError:
        kept = None
    # Without a recipe, nobody knows which fields of the problem were overridden.
    return kept if isinstance(kept, dict) else {"problem": None}


def _model(recipe: dict[str, Any], section: str) -> str | None:
    return ((recipe.get(section) or {}).get("llm") or {}).get("model")
