"""`ideator-rl import`: ideas that others executed, as claims to learn from.

What is claimed is not believed: no imported reward is the best of anything, saves a trial or is
confirmed. With --again the ideas are executed here, and what comes of that is this store's own. The
same command again goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from executor import Executor, Problem, Store
from executor.errors import ProblemError, UserError
from gym_envs import find_problem
from ideator_rl.commands.sandbox_option import add_sandbox, say_sandbox
from ideator_rl.kept.recipe import keep_recipe
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.recipe.sections import BudgetSettings, ConfirmSettings, ExecutorSettings
from ideator_rl.terminal.progress import progress
from ideator_rl.terminal.terminal import say, warn

if TYPE_CHECKING:
    from ideator_rl.claims.claim import Claim
    from ideator_rl.claims.foreign_row import ForeignRow


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "import",
        help="read the ideas of a data set into a store, as claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Then `search.history: NAME` shows them to the ideator of a search, and "
        "`data.claims: NAME`\nteaches them in a warm start.\n\nexamples:\n"
        "  ideator-rl import digits-ideas --run theirs\n"
        "  ideator-rl import codasci/search_es_pre_gpt5 --run gpt5 --env nanogpt --again",
    )
    parser.add_argument(
        "source", metavar="PATH", help="a Parquet or JSONL file, a folder of them, or org/name"
    )
    parser.add_argument("--run", required=True, metavar="NAME", help="the run that holds them")
    parser.add_argument("--store", default="store", help="a folder or URL (default: store)")
    parser.add_argument("--env", help="the problem, where the set names none or several")
    parser.add_argument("--again", action="store_true", help="execute the ideas here")
    parser.add_argument("--slots", type=int, help="trials at a time, with --again")
    parser.add_argument("--seed", type=int, default=0, help="seed of the trials (default: 0)")
    add_sandbox(parser, "strict")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    from ideator_rl.claims.claim import as_claims
    from ideator_rl.claims.foreign_set import read_foreign
    from ideator_rl.claims.kept_claims import Imported, keep_claims

    kept = Store(args.store).run(args.run)
    rows, env = _of_one_problem(read_foreign(args.source), args)
    problem = find_problem(env)
    claims = as_claims(rows, problem)
    is_new = keep_claims(kept, Imported(args.source, problem.name, len(claims)), claims)
    _say_imported(args.source, problem, rows, claims, is_new=is_new)
    if args.again:
        _execute(args, env, problem, claims)
    say(kept.url)
    return 0


def _of_one_problem(
    rows: Sequence[ForeignRow], args: argparse.Namespace
) -> tuple[list[ForeignRow], str]:
    """The rows of the problem that is asked for, or that all of them name. Raises UserError."""
    names = sorted({row.env for row in rows if row.env})
    if len(names) > 1:
        if args.env not in names:
            told = ", ".join(names[:10])
            raise UserError(f"{args.source}: has ideas on {told}; choose one of them with --env")
        return [row for row in rows if row.env == args.env], args.env
    if not (env := args.env or "".join(names)):
        raise UserError(f"{args.source}: does not say what its ideas are about; name it with --env")
    try:
        find_problem(env)
    except ProblemError as error:
        raise UserError(f"{args.source}: {error}; name a problem of yours with --env") from None
    return list(rows), env


def _say_imported(
    source: str,
    problem: Problem,
    rows: Sequence[ForeignRow],
    claims: Sequence[Claim],
    *,
    is_new: bool,
) -> None:
    from ideator_rl.claims.foreign_row import missing_columns

    missing = missing_columns(rows)
    succeeded = sum(claim.succeeded for claim in claims)
    warn(
        f"{source}: {len(claims)} ideas on {problem.name}, {succeeded} of them claimed to complete"
        + ("" if is_new else ", imported before")
        + (f"; it does not say: {', '.join(missing)}" if missing else "")
    )
    versions = {claim.version for claim in claims} - {""}
    # Data that are not prepared here have no version yet.
    with suppress(ProblemError):
        if versions and versions != {problem.version}:
            warn(f"their rewards are of another version of {problem.name} than the one here")


def _execute(args: argparse.Namespace, env: str, problem: Problem, claims: Sequence[Claim]) -> None:
    from ideator_rl.claims.again import AsClaimed, execute_claims

    # As a search would keep it, so that reports, exports and warm starts read the run.
    recipe = SearchRecipe(
        env=env,
        run=args.run,
        store=args.store,
        seed=args.seed,
        budget=BudgetSettings(ideas=len(claims)),
        executor=ExecutorSettings(slots=args.slots, sandbox=args.sandbox),
        confirm=ConfirmSettings(top=0),
    )
    with (
        Executor(
            problem,
            store=args.store,
            run=args.run,
            slots=args.slots,
            implementer=AsClaimed(problem, claims),
            sandbox=args.sandbox,
            seed=args.seed,
        ) as executor,
        progress(len(claims)) as show,
    ):
        keep_recipe(executor.run, recipe)
        say_sandbox(executor.sandbox)
        outcomes = execute_claims(executor, claims, show)
    completed = sum(outcome.completed for outcome in outcomes)
    warn(f"executed here: {completed} of {len(outcomes)} ideas completed")
