"""Whether prompts that show earlier ideas have room beside the problem, asked before a run."""

from __future__ import annotations

from pathlib import Path

from executor.problem.problem import Problem
from executor.records import Idea, Outcome
from ideator_rl.ideators.archive_prompts import fitted
from ideator_rl.ideators.ideator import Executed
from ideator_rl.ideators.language_model.chat import style_prompt
from ideator_rl.ideators.language_model.language_model import LanguageModel
from ideator_rl.rl.train_recipe import TrainRecipe


def check_prompts(recipe: TrainRecipe, problem: Problem, folder: Path) -> str:
    """Why no earlier idea will ever be shown, in one line; empty where some may be, or where groups
    change an idea's code, shown or not."""
    answer, kind = recipe.answer, recipe.prompts.kind
    if kind == "fixed" or recipe.changes_parents:
        return ""
    assert answer.prompt, "set when the recipe was read"
    model = LanguageModel(folder)
    most = min(answer.max_prompt_tokens, model.room(answer.max_answer_tokens))
    empty = Executed(Idea("a", "[Experiment]"), Outcome("a", "completed", 0.0))
    asked = fitted(style_prompt(problem, answer.prompt), [empty], lambda _: True)
    need = len(model.encode(asked.text))
    if need <= most:
        return ""
    return (
        f"prompts.kind: {kind}: a prompt with an earlier idea takes over {need} tokens, and {most} "
        "are free (answer.max_prompt_tokens, and the model's context): every prompt will be the "
        "first one. Raise it, or take a larger model: a tiny one understands no other prompt"
    )
