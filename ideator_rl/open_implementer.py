"""Opens the implementer that a recipe names: who turns an idea into code.

    implementer = open_implementer(recipe.implementer, problem, run)

What a language model is asked and what it replies is stored in the run's folder, under `llm/`: the
same request is never paid for twice, not even after a restart.
"""

from __future__ import annotations

from executor import Problem
from executor.errors import UserError
from executor.implementer.implementer import DirectImplementer, Implementer
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.store.runs import RunFolder
from ideator_rl.plugins.implementer import PluginImplementer
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.sections import DirectImplementerSettings, ImplementerSettings


def open_implementer(
    settings: ImplementerSettings, problem: Problem, run: RunFolder, *, base_key: str = ""
) -> Implementer:
    """`base_key` is the key of a recipe that asks for one that can change other codebases than the
    baseline. Raises UserError for that, and for a key, a package or a plug-in that is missing."""
    if isinstance(settings, DirectImplementerSettings):
        return DirectImplementer(problem)
    if isinstance(settings, PluginSettings):
        plugin = PluginImplementer(settings, problem)
        if base_key and not plugin.takes_base():
            raise UserError(
                f"{base_key}: parent: the implementer {settings.name} changes the baseline only; "
                "others take the codebase as one more argument of `implement` and `repair`"
            )
        return plugin
    from executor.implementer.llm import LLMImplementer

    return LLMImplementer(
        problem,
        open_llm(settings.llm, Journal(f"{run.url}/llm/implementer"), "implementer.llm"),
        samples=settings.samples,
        revisions=settings.revisions,
        edit_format=settings.edit_format,
        repair_within_s=settings.repair_within_s,
    )
