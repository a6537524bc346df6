"""Opens the implementer that a recipe names: who turns an idea into code.

    implementer = open_implementer(recipe.implementer, problem, run)

What a language model is asked and what it replies is stored in the run's folder, under `llm/`: the
same request is never paid for twice, not even after a restart.
"""

from __future__ import annotations

from executor import Problem
from executor.implementer.implementer import DirectImplementer, Implementer
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.store.runs import RunFolder
from ideator_rl.plugin_implementer import PluginImplementer
from ideator_rl.plugins import PluginSettings
from ideator_rl.recipe import DirectImplementerSettings, ImplementerSettings


def open_implementer(
    settings: ImplementerSettings, problem: Problem, run: RunFolder
) -> Implementer:
    """Raises UserError for a key, a package or a plug-in that is missing."""
    if isinstance(settings, DirectImplementerSettings):
        return DirectImplementer(problem)
    if isinstance(settings, PluginSettings):
        return PluginImplementer(settings, problem)
    from executor.implementer.llm import LLMImplementer

    return LLMImplementer(
        problem,
        open_llm(settings.llm, Journal(f"{run.url}/llm/implementer"), "implementer.llm"),
        samples=settings.samples,
        revisions=settings.revisions,
        edit_format=settings.edit_format,
        repair_within_s=settings.repair_within_s,
    )
