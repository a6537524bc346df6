"""Opens the ideator that a recipe names.

    ideator = open_ideator(recipe.ideator, problem, run)

Requests to language models behind an API and their replies are stored in the run's folder, under
`llm/`: the same request is never paid for twice, not even after a restart.
"""

from __future__ import annotations

from executor import Problem
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.store.runs import RunFolder
from ideator_rl.ideators.ideator import Ideator
from ideator_rl.ideators.language_model.chat import PromptStyle
from ideator_rl.ideators.language_model.model_folder import fingerprint
from ideator_rl.ideators.plugin import PluginIdeator
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.sections import (
    ApiIdeatorSettings,
    CheckpointIdeatorSettings,
    IdeatorSettings,
    LibraryIdeatorSettings,
)


def open_ideator(
    settings: IdeatorSettings,
    problem: Problem,
    run: RunFolder,
    default_prompt: PromptStyle = "full",
) -> Ideator:
    """Opens an ideator.

    Args:
        settings: the section `ideator` of a recipe.
        problem: what the ideas are about.
        run: keeps what a language model is asked and replies.
        default_prompt: how a checkpoint is asked where neither settings nor its folder say.

    Raises:
        UserError: a library, a model, a key or a plug-in is missing, or it cannot be asked so.
    """
    # Imported here because some kinds have heavy imports.
    if isinstance(settings, LibraryIdeatorSettings):
        from ideator_rl.ideators.library import LibraryIdeator, load_library

        return LibraryIdeator(load_library(problem.library))
    if isinstance(settings, ApiIdeatorSettings):
        from ideator_rl.ideators.api import ApiIdeator

        llm = open_llm(settings.llm, Journal(f"{run.url}/llm/ideator"), "ideator.llm")
        return ApiIdeator(llm, problem, record=run.record)
    if isinstance(settings, PluginSettings):
        return PluginIdeator(settings, problem, "ideator")
    from ideator_rl.ideators.checkpoint import CheckpointIdeator

    return CheckpointIdeator.load(
        settings.model,
        problem,
        prompt=settings.prompt,
        default_prompt=default_prompt,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        prompts=settings.prompts,
    )


def asked_models(ideator: Ideator, settings: IdeatorSettings) -> dict[str, str]:
    """The fingerprints of the models on disk that an ideator asks, by the names in the recipe."""
    if not isinstance(settings, CheckpointIdeatorSettings):
        return {}
    from ideator_rl.ideators.checkpoint import CheckpointIdeator

    assert isinstance(ideator, CheckpointIdeator)
    return {settings.model: fingerprint(ideator.model.folder)}
