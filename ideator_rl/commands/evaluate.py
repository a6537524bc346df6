"""`ideator-rl evaluate`: how good are the ideas of an ideator? The same command again resumes."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING, Any, get_args

from executor.sandbox.sandbox import LEVELS
from ideator_rl.commands.sandbox_option import say_sandbox
from ideator_rl.evaluation.recipe import read_evaluation
from ideator_rl.ideators.language_model.chat import PromptStyle
from ideator_rl.recipe.overrides import parse_overrides
from ideator_rl.recipe.sections import code_model
from ideator_rl.terminal.terminal import say, say_json, warn

if TYPE_CHECKING:
    from executor import Executor
    from ideator_rl.evaluation.evaluation import Prepared

OPTIONS = ("env", "models", "n", "k", "out", "store", "seed", "prompt", "max_tokens", "temperature")
EXECUTOR_OPTIONS = ("slots", "sandbox")


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="sample and execute the ideas of models, and compare them",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Writes ideas.jsonl, results.json, curve.csv and report.html into DIR. With --out "
        "STORE/runs/RUN\neverything lies there; else trials are kept in --store (default: store), "
        "as a run named like DIR.\nEvery other key of the recipe can be set, too: "
        "--executor.baseline_seeds 5\n\nexamples:\n"
        "  ideator-rl evaluate --env digits --model store/runs/digits-grpo-qwen3_tiny-seed0/model "
        "-n 64 -k 1,4,16,64 --out results\n"
        "  ideator-rl evaluate --config digits/qwen3_tiny",
    )
    add = parser.add_argument
    add("--config", metavar="RECIPE", help="a YAML recipe; what is given here comes on top")
    add("--env", help="a problem's name, id or folder")
    add(
        "--model",
        action="append",
        metavar="PATH",
        dest="models",
        help="a checkpoint folder, or org/name of the hub; several are compared with the first",
    )
    add("-n", type=int, help="ideas a model (default: 64)")
    add("-k", type=_sizes, metavar="K,K,…", help="best of how many (default: 1, 4, 16, … up to n)")
    add("--out", metavar="DIR", help="where the results go (default: the run's folder)")
    add("--store", help="where trials are kept (default: store)")
    add("--seed", type=int, help="seed of the sampling (default: 0)")
    add("--slots", type=int, help="trials at a time")
    add("--sandbox", choices=LEVELS, help="how the ideas' code is locked in (default: strict)")
    add("--prompt", choices=get_args(PromptStyle), help="default: what the model was taught with")
    add("--max-tokens", type=int, metavar="N", help="most tokens of an answer")
    add("--temperature", type=float, metavar="T", help="default: 1")
    add("--json", action="store_true", help="print the results as one JSON object")
    parser.set_defaults(execute=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    recipe = read_evaluation(args.config, _values(args), parse_overrides(args.overrides))
    # Not at the top: the other commands do without all this.
    from ideator_rl.evaluation.evaluation import begin, evaluate, prepare
    from ideator_rl.evaluation.figures import to_json
    from ideator_rl.evaluation.page import write_evaluation
    from ideator_rl.evaluation.table import print_evaluation

    ready = prepare(recipe)
    with begin(ready) as executor:
        _say_start(ready, executor)
        try:
            found = evaluate(ready, executor)
        except KeyboardInterrupt:
            _say_interrupted(ready, executor)
            return 1
    page = write_evaluation(ready.out, found)
    if args.json:
        say_json(json.loads(to_json(found)))
    else:
        print_evaluation(found)
        say(f"\nreport: {page}")
    return 0


def _values(args: argparse.Namespace) -> dict[str, Any]:
    """The recipe keys that were given as options."""
    own = {name: getattr(args, name) for name in OPTIONS}
    own |= {f"executor.{name}": getattr(args, name) for name in EXECUTOR_OPTIONS}
    return {name: value for name, value in own.items() if value is not None}


def _sizes(text: str) -> list[int]:
    if not re.fullmatch(r"[0-9]+(,[0-9]+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: numbers with commas between, as in 1,4,16")
    return [int(size) for size in text.split(",")]


def _say_start(ready: Prepared, executor: Executor) -> None:
    recipe, budget = ready.recipe, ready.problem.file.budget
    model = code_model(recipe.implementer)
    models = len(recipe.models) + len(recipe.apis) + len(recipe.plugins)
    written = f", their code written by {model}" if model else ""
    warn(
        f"evaluating {models} model{'s' if models > 1 else ''} on "
        f"{ready.problem.name}: {recipe.n} ideas each{written}, "
        f"{budget.seconds:g} {budget.kind} s a trial, "
        f"{executor.slots} at a time; results in {ready.out.url}, run {recipe.run} in "
        f"{recipe.store}"
    )
    say_sandbox(executor.sandbox)


def _say_interrupted(ready: Prepared, executor: Executor) -> None:
    kept = len(executor.run.outcomes(executor.run.trials()))
    warn(
        f"\ninterrupted; what was sampled is kept in {ready.out.url}, and {kept} finished trials "
        f"in {executor.run.url}. The same command goes on from there."
    )
