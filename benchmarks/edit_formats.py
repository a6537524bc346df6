"""Measures which form of an edit one model writes best: how many of its edits apply, by format.

    python benchmarks/edit_formats.py --config recipes/digits/search/config_api.yaml \\
        --served-by vLLM [--json] [--implementer.llm.model NAME …]

The model is that of the recipe's section `implementer`, and every other key of it counts, too, but
`samples` and `edit_format`: the ideas of the problem's library are given to it in words alone, once
in each format. An edit applies when the tree with it could be started. What is asked and answered
is kept below `--store`, so that a measurement that was interrupted pays for nothing twice.
Prints rows for the table in docs/edit-formats.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from typing import Any, get_args

from executor import Idea, Problem
from executor.errors import UserError
from executor.implementer.edit_format import EditFormat
from executor.implementer.llm import LLMImplementer
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.records import Implementation
from gym_envs import find_problem
from ideator_rl.ideators.library import default_values, idea_text, load_library
from ideator_rl.recipe.overrides import parse_overrides
from ideator_rl.recipe.read import load_recipe
from ideator_rl.recipe.sections import LLMImplementerSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", required=True, help="a search recipe with an LLM implementer")
    parser.add_argument("--served-by", default="", help="for the table")
    parser.add_argument("--ideas", type=int, help="only so many of the library")
    parser.add_argument("--store", default="store/edit-formats", help="where answers are kept")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args, overrides = parser.parse_known_args()

    try:
        recipe = load_recipe(args.config, parse_overrides(overrides))
        settings = recipe.implementer
        if not isinstance(settings, LLMImplementerSettings):
            raise UserError(f"{args.config}: implementer.kind: must be llm")
        problem = find_problem(recipe.env, recipe.problem)
        ideas = library_in_words(problem)[: args.ideas]
        if not ideas:
            raise UserError("--ideas: no idea is left to measure")
        measured = asyncio.run(measure(problem, settings, ideas, args.store))
    except UserError as error:
        parser.exit(2, f"edit_formats: {error}\n")
    for name, figures in measured.items():
        print(row(settings.llm.model, args.served_by, problem.name, name, figures))
    if args.json:
        print(json.dumps({"model": settings.llm.model, "problem": problem.name, **measured}))


def library_in_words(problem: Problem) -> list[Idea]:
    """The library's ideas that complete, each without the edit that it carries."""
    atoms = [atom for atom in load_library(problem.library) if atom.expect == "completed"]
    texts = {atom.id: idea_text([(atom, default_values(atom))]) for atom in atoms}
    return [
        Idea(name, text.partition("[Code Changes]")[0].removeprefix("[Experiment]").strip())
        for name, text in texts.items()
    ]


async def measure(
    problem: Problem, settings: LLMImplementerSettings, ideas: Sequence[Idea], store: str
) -> dict[str, dict[str, Any]]:
    """Figures by format."""
    llm = open_llm(settings.llm, Journal(f"{store}/{problem.name}"))
    measured = {}
    try:
        for name in get_args(EditFormat):
            # One sample: of several, the others would be cancelled and their tokens not counted.
            implementer = LLMImplementer(
                problem, llm, samples=1, revisions=settings.revisions, edit_format=name
            )
            made = await asyncio.gather(*map(implementer.implement, ideas))
            measured[name] = figures_of(made)
    finally:
        await llm.close()
    return measured


def figures_of(made: Sequence[Implementation]) -> dict[str, Any]:
    """`first` and `revised` are shares of the ideas; tokens and money are means an idea."""
    turns = [turn for one in made for turn in one.exchange]
    ideas = len(made)
    inputs = ("input", "cache_read", "cache_write")
    return {
        "ideas": ideas,
        "first": sum(one.exchange[0].problem == "" for one in made) / ideas,
        "revised": sum(one.status == "completed" for one in made) / ideas,
        "tokens_in": sum(turn.usage.get(name, 0) for turn in turns for name in inputs) / ideas,
        "tokens_out": sum(turn.usage.get("output", 0) for turn in turns) / ideas,
        "money": sum(turn.cost for turn in turns) / ideas,
    }


def row(model: str, served_by: str, problem: str, name: str, figures: dict[str, Any]) -> str:
    shares = f"{figures['first']:.0%} | {figures['revised']:.0%}"
    cost = f"{figures['tokens_in']:,.0f} | {figures['tokens_out']:,.0f} | {figures['money']:.4g}"
    return (
        f"| {model} | {served_by} | {problem} | {figures['ideas']} | {name} | {shares} | {cost} |"
    )


if __name__ == "__main__":
    main()
