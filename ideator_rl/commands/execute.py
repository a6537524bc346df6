"""`ideator-rl execute`: ideas in, outcomes out; or one stored idea's codebase once more, alone."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from executor import Executor, Idea, Outcome, Store
from executor.errors import UserError
from executor.text.outside_text import clean_line
from executor.trial.log_tail import LONGEST_REASON
from gym_envs import find_problem
from ideator_rl.commands.sandbox_option import add_sandbox, say_sandbox
from ideator_rl.open_executor import open_executor
from ideator_rl.recipe.read import load_recipe
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.recipe.sections import (
    DirectImplementerSettings,
    ExecutorSettings,
    LocalWorkersSettings,
    RayWorkersSettings,
    StoreWorkersSettings,
    WorkersSettings,
)
from ideator_rl.run_path import split_run
from ideator_rl.terminal.progress import counting, outcome_line
from ideator_rl.terminal.terminal import say, say_json, warn

_WORKERS: Mapping[str, Callable[[], WorkersSettings]] = {
    "local": LocalWorkersSettings,
    "ray": RayWorkersSettings,
    "store": StoreWorkersSettings,
}


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "execute",
        help="execute ideas from a file",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='An ideas file has one JSON object a line: {"id": "a", "text": "[Experiment] …"}\n\n'
        "examples:\n"
        "  ideator-rl execute --env digits --ideas ideas.jsonl --out store/runs/mine\n"
        "  ideator-rl execute --env digits --ideas in_words.jsonl \\\n"
        "    --implementer recipes/digits/search/config_api.yaml\n"
        "  ideator-rl execute --again store/runs/digits-evolution-seed0/ideas/002-003 --seed 7",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--ideas", metavar="FILE", help="a JSONL file of ideas, - for stdin")
    what.add_argument("--again", metavar="FOLDER", help="an idea of a stored run, kept nowhere")
    parser.add_argument("--env", help="a problem's name, id or folder (with --ideas)")
    parser.add_argument(
        "--implementer",
        metavar="RECIPE",
        help="a search recipe whose implementer writes the code (default: ideas carry edits)",
    )
    parser.add_argument("--out", metavar="RUN", default="store/runs/execute", help="STORE/runs/RUN")
    parser.add_argument("--slots", type=int, help="trials at a time")
    parser.add_argument(
        "--workers",
        choices=tuple(_WORKERS),
        default="local",
        help="where trials run: on this machine, on the Ray cluster of RAY_ADDRESS, or wherever an "
        "`ideator-rl worker` finds them in the store",
    )
    parser.add_argument("--seed", type=int, help="seed of the trials (default: 0, or the run's)")
    add_sandbox(parser, "strict")
    parser.add_argument("--json", action="store_true", help="print outcomes as JSON lines")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    if args.slots is not None and args.slots < 1:
        raise UserError("--slots: must be at least 1")
    if args.again:
        return _again(args)
    if not args.env:
        raise UserError("--ideas needs --env, the problem to execute them on")
    problem = find_problem(args.env)
    ideas = read_ideas(args.ideas)
    with (
        open_executor(_recipe(args), problem, seed=args.seed or 0) as executor,
        counting(len(ideas), "executed") as show,
    ):
        say_sandbox(executor.sandbox)
        outcomes = {}
        for outcome in executor.as_completed(ideas):
            outcomes[outcome.idea_id] = outcome
            show()
    for idea in ideas:
        _print(idea, outcomes[idea.id], as_json=args.json)
    return 0


def _recipe(args: argparse.Namespace) -> SearchRecipe:
    """What the options say, as a search would have it."""
    store, name = split_run(args.out)
    settings = ExecutorSettings(
        workers=_WORKERS[args.workers](), sandbox=args.sandbox, slots=args.slots
    )
    made = load_recipe(args.implementer).implementer if args.implementer else None
    return SearchRecipe(
        env=args.env,
        run=name,
        store=store,
        implementer=made or DirectImplementerSettings(),
        executor=settings,
    )


def _again(args: argparse.Namespace) -> int:
    """Runs a stored codebase in a store of its own, so that nothing kept can answer for it."""
    folder = Path(args.again)
    store, name = split_run(str(folder.parent.parent))
    before = Store(store).run(name)
    idea, outcome = before.idea(folder.name), before.outcome(folder.name)
    files, recipe = before.codebase(folder.name), before.recipe()
    if idea is None or outcome is None or files is None:
        raise UserError(f"{folder}: not an executed idea; name STORE/runs/RUN/ideas/ID")
    overrides, env = {}, args.env
    if recipe is not None:
        # Every kind of recipe has these two.
        parsed = yaml.safe_load(recipe)
        overrides, env = parsed["problem"], env or parsed["env"]
    if not env:
        raise UserError(f"{folder}: its run has no recipe; say which problem it is with --env")
    problem = find_problem(env, overrides)
    seed = outcome.seed if args.seed is None else args.seed
    with (
        tempfile.TemporaryDirectory(prefix="ideator-rl-again-") as scratch,
        Executor(
            problem, store=scratch, run="again", slots=1, seed=seed, sandbox=args.sandbox
        ) as executor,
    ):
        say_sandbox(executor.sandbox)
        again = executor.submit_codebase(idea, files).result()
    warn(f"before: seed {outcome.seed:<4} {_figures(outcome)}")
    warn(f"again:  seed {again.seed:<4} {_figures(again)}")
    if args.json:
        say_json(json.loads(again.to_json()))
    return 0


def _figures(outcome: Outcome) -> str:
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in outcome.metrics.items())
    detail = clean_line(outcome.detail, LONGEST_REASON)
    return f"{outcome.status}  reward {outcome.reward:.4f}  {metrics}  {detail}".rstrip()


def _print(idea: Idea, outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        say_json(json.loads(outcome.to_json()))
    else:
        say(outcome_line(idea, outcome, LONGEST_REASON))


def read_ideas(name: str) -> list[Idea]:
    """The ideas of a JSONL file. Raises UserError naming the line."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(f"{name}: cannot be read: {reason}") from None
    ideas = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            idea = Idea(id=str(entry.get("id", f"{number:04d}")), text=entry["text"])
        except (ValueError, KeyError, AttributeError):
            raise UserError(
                f'{name}:{number}: not an idea; write {{"id": "a", "text": "[Experiment] …"}}'
            ) from None
        if not isinstance(idea.text, str):
            raise UserError(f"{name}:{number}: text must be a string")
        ideas.append(idea)
    if not ideas:
        raise UserError(f"{name}: holds no ideas")
    if len({idea.id for idea in ideas}) < len(ideas):
        raise UserError(f"{name}: two ideas have the same id")
    return ideas
