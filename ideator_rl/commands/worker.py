"""`ideator-rl worker`: runs the trials that executors elsewhere leave in a store.

The machines share nothing but the store: a search, an evaluation or a training with
`executor.workers.kind: store` posts its trials there, workers take them by lease and leave what
they measured. A worker that vanishes loses its trials to the others. It needs the same version of
the package and of the problem, and the same secret of held-out data, as the executor:
`ideator-rl envs prepare ENV --secret FILE`.
"""

from __future__ import annotations

import argparse
import asyncio

from executor.errors import UserError
from executor.sandbox import choose
from executor.settings import MOST_SLOTS
from gym_envs import find_problem
from ideator_rl.commands.sandbox_option import add_sandbox, say_sandbox
from ideator_rl.terminal.terminal import warn


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "worker",
        help="run the trials that executors leave in a store",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n"
        "  ideator-rl worker --store s3://bucket/store --env digits --slots 2 --idle-exit 30",
    )
    parser.add_argument("--store", required=True, metavar="URL", help="the executors' store")
    parser.add_argument("--env", help="the only problem to serve (default: any)")
    parser.add_argument(
        "--slots", type=int, help="trials at a time (default: as many as cores and GPUs allow)"
    )
    parser.add_argument(
        "--idle-exit", type=float, metavar="MIN", help="end after so many minutes without a trial"
    )
    add_sandbox(parser, "strict")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    if args.slots is not None and not 1 <= args.slots <= MOST_SLOTS:
        raise UserError(f"--slots: must be from 1 to {MOST_SLOTS}")
    if args.idle_exit is not None and not 0 < args.idle_exit < float("inf"):
        raise UserError("--idle-exit: must be a positive number of minutes")
    # Imported here: no other command needs them.
    from executor.queue.worker import Offer, serve
    from executor.store.open import open_storage

    offer = Offer(
        choose(args.sandbox),
        args.slots,
        args.env,
        60 * args.idle_exit if args.idle_exit is not None else None,
    )
    say_sandbox(offer.sandbox)
    asyncio.run(serve(open_storage(args.store), find_problem, offer, warn))
    warn("nothing to do: this worker ends")
    return 0
