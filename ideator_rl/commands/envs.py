"""`ideator-rl envs`: list, create, prepare, check and measure research environments."""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from executor import Executor, Problem, load_problem
from executor.data.prepared import prepare_data, verify_data
from executor.errors import UserError
from executor.store.open import open_storage
from executor.text.outside_text import clean_line
from executor.trial.log_tail import LONGEST_REASON
from gym_envs import find_problem, problem_paths
from gym_envs.registration import TEMPLATE, gymnasium_id
from ideator_rl.check.card import CARD
from ideator_rl.check.check import check_environment
from ideator_rl.commands.envs_import import add_import
from ideator_rl.commands.sandbox_option import add_sandbox, say_sandbox
from ideator_rl.terminal.terminal import say, say_json, warn

if TYPE_CHECKING:
    from gym_envs.cheats.cheat import Cheat

CHEATS = ("none", "telling", "all")


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "envs",
        help="list, create, prepare and check research environments",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  ideator-rl envs list\n  ideator-rl envs new my-problem\n"
        "  ideator-rl envs check my-problem/",
    )
    actions = parser.add_subparsers(dest="action", required=True)

    listing = actions.add_parser("list", help="the environments there are")
    listing.add_argument("--json", action="store_true", help="print one JSON object a line")
    listing.set_defaults(execute=list_environments)

    new = actions.add_parser("new", help="a folder with a small problem that works, to change")
    new.add_argument("name", help="its name, e.g. my-problem; the folder is made here")
    new.set_defaults(execute=new_environment)

    add_import(actions)

    prepare = actions.add_parser("prepare", help="make a problem's data")
    prepare.add_argument("env", help="name, id or folder")
    prepare.add_argument("--source", help="what to make them from, for problems that ask for it")
    prepare.add_argument(
        "--secret",
        type=Path,
        metavar="FILE",
        help="a secret shared between machines, from which the examination is drawn (default: one "
        "that this machine drew; it is in the folder of the data)",
    )
    prepare.add_argument("--tokens", type=int, help="how many, for problems that count in tokens")
    prepare.add_argument(
        "--verify", action="store_true", help="only compare what is there with its checksums"
    )
    prepare.set_defaults(execute=prepare_environment)

    for name, function, about in (
        ("check", check, "run the baseline and every library idea and compare with what is stated"),
        ("baseline", baseline, "run the unchanged codebase with several seeds"),
    ):
        action = actions.add_parser(name, help=about)
        action.add_argument("env", help="name, id or folder")
        action.add_argument("--seeds", type=int, default=3, help="baseline seeds (default: 3)")
        action.add_argument("--store", default="store", help="where results are kept")
        action.add_argument("--slots", type=int, help="trials at a time")
        add_sandbox(action, "best-effort")
        action.set_defaults(execute=function)
        if function is check:
            action.add_argument(
                "--card", metavar="FILE", help="where the card goes (default: the run's folder)"
            )
            action.add_argument(
                "--cheats",
                choices=CHEATS,
                default="telling",
                help="which attacks on the sandbox to try (default: a telling third of them)",
            )


def list_environments(args: argparse.Namespace) -> int:
    rows = []
    for name, toml in problem_paths().items():
        problem = load_problem(toml)
        budget = problem.file.budget
        rows.append(
            {
                "name": name,
                "id": gymnasium_id(toml),
                "budget": f"{budget.seconds:g} {budget.kind} s",
                "reward": f"{problem.file.reward.rule} of {problem.file.reward.metric}",
                "title": problem.file.title,
            }
        )
    widths = {key: max(len(row[key]) for row in rows) for key in rows[0]}
    for row in rows:
        line = "  ".join(f"{value:<{widths[key]}}" for key, value in row.items())
        if args.json:
            say_json(row)
        else:
            say(line.rstrip())
    return 0


def new_environment(args: argparse.Namespace) -> int:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", args.name):
        raise UserError(f"{args.name!r}: a name is lower-case words joined by dashes: my-problem")
    folder = Path(args.name)
    if folder.exists():
        raise UserError(f"{folder} exists already; choose another name")
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    env_id = "".join(word.capitalize() for word in args.name.split("-")) + "-v0"
    for path in (folder / "problem.toml", folder / "config_evolution.yaml"):
        text = path.read_text().replace("{{name}}", args.name).replace("{{id}}", env_id)
        path.write_text(text)
    say(
        f"{folder}/ holds a small problem that works; its README.md says what to change where.\n"
        f"  ideator-rl envs check {folder}/\n"
        f"  ideator-rl search --config {folder}/config_evolution.yaml"
    )
    return 0


def prepare_environment(args: argparse.Namespace) -> int:
    problem = find_problem(args.env)
    if problem.file.data.prepare is None:
        say(f"{problem.name} needs no data")
        return 0
    script = problem.folder / problem.file.data.prepare
    if args.verify:
        count = verify_data(problem.file.data_of, script)
        say(f"{problem.name}: {count} files, all as they were made")
        return 0
    if args.tokens is not None and args.tokens < 1:
        raise UserError("--tokens: must be at least 1")
    folder = prepare_data(problem.file.data_of, script, args.source, args.tokens, args.secret)
    say(f"{problem.name}: data in {folder}")
    return 0


def check(args: argparse.Namespace) -> int:
    problem = find_problem(args.env)
    with _executor(problem, args) as executor:
        held, card = check_environment(executor, args.seeds, _cheats(args.cheats))
        url = executor.run.url
    page = card.markdown()
    if args.card:
        Path(args.card).write_text(page)
    else:
        open_storage(url).write(CARD, page.encode())
    say(f"card: {args.card or f'{url}/{CARD}'}")
    return 0 if held else 1


def baseline(args: argparse.Namespace) -> int:
    problem = find_problem(args.env)
    with _executor(problem, args) as executor:
        futures = [executor.submit_baseline(seed) for seed in range(args.seeds)]
        outcomes = [future.result() for future in futures]
    for outcome in outcomes:
        say(
            f"seed {outcome.seed}  {outcome.status}  reward {outcome.reward:.5f}  "
            f"{dict(outcome.metrics)}  {clean_line(outcome.detail, LONGEST_REASON)}"
        )
    rewards = [outcome.reward for outcome in outcomes if outcome.completed]
    if len(rewards) > 1:
        say(f"reward {statistics.fmean(rewards):.5f} ± {statistics.stdev(rewards):.5f} (s.d.)")
    return 0 if len(rewards) == len(outcomes) else 1


def _cheats(which: str) -> tuple[Cheat, ...]:
    if which == "none":
        return ()
    from gym_envs.cheats import CHEATS as attacks  # imported where they are tried, nowhere else

    if which == "all":
        return attacks
    return tuple(cheat for cheat in attacks if cheat.telling and not cheat.slow)


def _executor(problem: Problem, args: argparse.Namespace) -> Executor:
    if args.seeds < 1:
        raise UserError("--seeds: must be at least 1")
    # The version is in the name: a changed problem is checked anew.
    run = f"check-{problem.name}-{problem.version}"
    warn(f"{problem.name}: results in {args.store}/runs/{run}")
    executor = Executor(problem, store=args.store, run=run, slots=args.slots, sandbox=args.sandbox)
    say_sandbox(executor.sandbox)
    return executor
