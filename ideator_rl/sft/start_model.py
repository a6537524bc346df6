"""The model that a warm start begins with, as something that transformers loads.

    check_start(recipe.model)                             # before anything is started
    make_start(recipe, lessons, run / "start")            # once a run, by one process
    find_start(recipe.model, run / "start")               # the folder to load

Building one from nothing takes seconds, out of a GGUF file up to a minute.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from executor.errors import UserError
from ideator_rl.ideators.language_model.model_folder import EXTRA, find_model
from ideator_rl.sft.gguf_model import find_gguf, save_gguf_model
from ideator_rl.sft.lessons import Lessons
from ideator_rl.sft.recipe import StartModelSettings, WarmStartRecipe
from ideator_rl.sft.tiny_model import build_model, build_tokenizer, save_checkpoint

# How many of the answers that a tokenizer will read it is trained on.
_TOKENIZER_ANSWERS = 2000


def check_start(settings: StartModelSettings) -> None:
    """Raises UserError where the model, or a package that it takes, is not there."""
    if missing := [name for name in ("transformers", "accelerate") if find_spec(name) is None]:
        raise UserError(f"the warm start, for the package {missing[0]}, {EXTRA}")
    if settings.path is not None:
        find_model(settings.path)
    elif settings.gguf is not None:
        find_gguf(settings.gguf)
    elif settings.sizes.hidden_size % settings.sizes.heads:
        raise UserError("model.sizes.hidden_size: must be a multiple of model.sizes.heads")
    elif settings.sizes.heads % settings.sizes.key_value_heads:
        raise UserError("model.sizes.heads: must be a multiple of model.sizes.key_value_heads")


def make_start(recipe: WarmStartRecipe, lessons: Lessons, folder: Path) -> None:
    """Makes the checkpoint folder, whole or not at all; nothing where it is there or not needed."""
    if folder.exists() or recipe.model.path is not None:
        return
    fresh = folder.with_name(f".{folder.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    settings = recipe.model
    if settings.gguf is not None:
        save_gguf_model(find_gguf(settings.gguf), fresh)
    else:
        texts = lessons.texts(_TOKENIZER_ANSWERS)
        tokenizer = build_tokenizer(texts, settings.sizes.vocabulary)
        save_checkpoint(build_model(settings.sizes, tokenizer, recipe.seed), tokenizer, fresh)
    fresh.rename(folder)


def find_start(settings: StartModelSettings, folder: Path) -> Path:
    """The checkpoint folder to load; `folder` is where `make_start` made one."""
    return folder if settings.path is None else find_model(settings.path)
