"""Opens the ideator and the implementer that a recipe names.

    ideator = open_ideator(recipe.ideator, problem, run)
    implementer = open_implementer(recipe.implementer, problem, run)

Requests to language models behind an API and their replies are stored in the run's folder, under
`llm/`: the same request is never paid for twice, not even after a restart.
"""

from __future__ import annotations

from executor import Problem
from executor.implementer.implementer import DirectImplementer, Implementer
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.store.runs import RunFolder
from ideator_rl.ideators.ideator import Ideator
from ideator_rl.ideators.language_model.model_folder import fingerprint
from ideator_rl.recipe import (
    ApiIdeatorSettings,
    CheckpointIdeatorSettings,
    DirectImplementerSettings,
    LibraryIdeatorSettings,
    LLMImplementerSettings,
)

IdeatorSettings = LibraryIdeatorSettings | CheckpointIdeatorSettings | ApiIdeatorSettings


def open_ideator(settings: IdeatorSettings, problem: Problem, run: RunFolder) -> Ideator:
    """Raises UserError for a library, a model or a key that is missing."""
    # Imported here because some kinds have heavy imports.
    if isinstance(settings, LibraryIdeatorSettings):
        from ideator_rl.ideators.library import LibraryIdeator, load_library

        return LibraryIdeator(load_library(problem.library))
    if isinstance(settings, ApiIdeatorSettings):
        from ideator_rl.ideators.api import ApiIdeator

        llm = open_llm(settings.llm, Journal(f"{run.url}/llm/ideator"), "ideator.llm")
        return ApiIdeator(llm, problem, record=run.record)
    from ideator_rl.ideators.checkpoint import CheckpointIdeator

    return CheckpointIdeator.load(
        settings.model,
        problem,
        prompt=settings.prompt,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
    )


def asked_models(ideator: Ideator, settings: IdeatorSettings) -> dict[str, str]:
    """The fingerprints of the models on disk that an ideator asks, by the names in the recipe."""
    if not isinstance(settings, CheckpointIdeatorSettings):
        return {}
    from ideator_rl.ideators.checkpoint import CheckpointIdeator

    assert isinstance(ideator, CheckpointIdeator)
    return {settings.model: fingerprint(ideator.model.folder)}


def open_implementer(
    settings: DirectImplementerSettings | LLMImplementerSettings, problem: Problem, run: RunFolder
) -> Implementer:
    """Raises UserError for a key or a package that is missing."""
    if isinstance(settings, DirectImplementerSettings):
        return DirectImplementer(problem)
    from executor.implementer.llm import LLMImplementer

    return LLMImplementer(
        problem,
        open_llm(settings.llm, Journal(f"{run.url}/llm/implementer"), "implementer.llm"),
        samples=settings.samples,
        revisions=settings.revisions,
        edit_format=settings.edit_format,
        repair_within_s=settings.repair_within_s,
    )
