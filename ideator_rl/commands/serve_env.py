"""`ideator-rl serve-env`: a research problem as an OpenEnv environment, for trainers elsewhere."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack, suppress
from importlib.util import find_spec

from executor import Executor
from executor.errors import UserError
from gym_envs import find_problem
from ideator_rl.commands.sandbox_option import add_sandbox, say_sandbox
from ideator_rl.terminal.terminal import warn

_OWN = ("127.0.0.1", "localhost", "::1")


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "serve-env",
        help="serve a problem as an OpenEnv environment",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  ideator-rl serve-env --env digits --port 8000",
    )
    parser.add_argument("--env", required=True, help="a problem's name, id or folder")
    parser.add_argument("--host", default=_OWN[0], help=f"default: {_OWN[0]}, this machine only")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000")
    parser.add_argument("--store", help="where trials are kept (default: nowhere)")
    parser.add_argument("--slots", type=int, help="trials at a time")
    add_sandbox(parser, "strict")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    if find_spec("openenv") is None:
        raise UserError("serve-env needs the extra openenv: pip install 'ideator-rl[openenv]'")
    problem = find_problem(args.env)
    with ExitStack() as opened:
        store = args.store or opened.enter_context(
            tempfile.TemporaryDirectory(prefix="ideator-rl-serve-", ignore_cleanup_errors=True)
        )
        executor = opened.enter_context(
            Executor(problem, store=store, run="serve-env", slots=args.slots, sandbox=args.sandbox)
        )
        say_sandbox(executor.sandbox)
        _serve(args.host, args.port, executor)
    return 0


def _serve(host: str, port: int, executor: Executor) -> None:
    """Until Ctrl-C. Raises UserError where the address cannot be had."""
    # Not at the top: the other commands do without all this.
    import socket

    import uvicorn

    from ideator_rl.integrations.openenv import make_app

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{host}:{port}: cannot be listened on: {reason}") from None
    with listening:
        port = listening.getsockname()[1]
        warn(
            f"serving {executor.problem.name} on http://{host}:{port}, {executor.slots} trials at "
            "a time; Ctrl-C ends it"
        )
        if host not in _OWN:
            warn(
                "warning: whoever reaches this address can execute ideas here; nobody is asked who"
            )
        # A client is told of its errors; here they would be traces of steps that Ctrl-C has ended.
        config = uvicorn.Config(
            make_app(executor), log_level="critical", timeout_graceful_shutdown=3
        )
        with suppress(KeyboardInterrupt):  # how a server ends
            uvicorn.Server(config).run(sockets=[listening])
    warn("ended")
