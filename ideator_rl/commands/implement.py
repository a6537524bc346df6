"""`ideator-rl implement`: ideas in, codebases out, and nothing is executed.

The codebases are left in a run of a store, so that the language model can be asked on a machine
that runs no trials. Whoever executes this run takes them: `ideator-rl execute` of the same ideas,
or a search of that name, whose clock finds what was left.
"""

from __future__ import annotations

import argparse
import asyncio

from executor import Idea, Store
from executor.errors import UserError
from executor.implementer.implementer import Implementer
from executor.records import Implementation
from executor.store.runs import RunFolder
from executor.store.threads import in_thread
from executor.tasks.task_group import task_group
from executor.text.outside_text import clean_line
from executor.trial.log_tail import LONGEST_REASON
from executor.trial_keys import check_idea_id
from gym_envs import find_problem
from ideator_rl.commands.execute import read_ideas
from ideator_rl.open_implementer import open_implementer
from ideator_rl.recipe.read import load_recipe
from ideator_rl.recipe.sections import DirectImplementerSettings
from ideator_rl.run_path import split_run
from ideator_rl.terminal.terminal import say, say_json

AT_ONCE = 64


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "implement",
        help="turn ideas into code, without executing them",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n"
        "  ideator-rl implement --env digits --ideas in_words.jsonl \\\n"
        "    --implementer recipes/digits/search/config_api.yaml --out s3://bucket/store/runs/first",
    )
    parser.add_argument("--env", required=True, help="a problem's name, id or folder")
    parser.add_argument("--ideas", required=True, help="a JSONL file of ideas, - for stdin")
    parser.add_argument(
        "--implementer",
        metavar="RECIPE",
        help="a search recipe whose implementer writes the code (default: ideas carry edits)",
    )
    parser.add_argument("--out", metavar="RUN", required=True, help="STORE/runs/RUN")
    parser.add_argument("--json", action="store_true", help="print one JSON line an idea")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    problem, ideas = find_problem(args.env), read_ideas(args.ideas)
    for idea in ideas:
        check_idea_id(idea.id)
    store, name = split_run(args.out)
    kept = Store(store).run(name)
    recipe = load_recipe(args.implementer) if args.implementer else None
    lock = kept.lock_code()
    try:
        settings = recipe.implementer if recipe else DirectImplementerSettings()
        implementer = open_implementer(settings, problem, kept)
        asyncio.run(_implement(ideas, implementer, kept, as_json=args.json))
    finally:
        lock.release()
    return 0


async def _implement(
    ideas: list[Idea], implementer: Implementer, kept: RunFolder, *, as_json: bool
) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(idea: Idea) -> None:
        async with turn:
            made = await _implementation(idea, implementer, kept)
        detail = clean_line(made.detail, LONGEST_REASON)
        if as_json:
            say_json({"idea_id": idea.id, "status": made.status, "detail": detail})
        else:
            say(f"{idea.id:20} {made.status:15} {detail}".rstrip())

    try:
        async with task_group() as tasks:
            for idea in ideas:
                tasks.create_task(one(idea))
    finally:
        await implementer.close()


async def _implementation(idea: Idea, implementer: Implementer, kept: RunFolder) -> Implementation:
    """The kept one, or a new one that is kept. Raises UserError."""
    before = await in_thread(kept.idea, idea.id)
    if before is not None and before.text != idea.text:
        raise UserError(
            f"idea id {idea.id!r} is taken in the run {kept.name} by another text; choose another "
            "id or another run"
        )
    if before is not None and (files := await in_thread(kept.codebase, idea.id)) is not None:
        return Implementation("completed", files)
    made = await implementer.implement(idea)
    if before is None:
        await in_thread(kept.write_idea, idea.id, idea)
    await in_thread(kept.write_implementation, idea.id, made)
    return made
