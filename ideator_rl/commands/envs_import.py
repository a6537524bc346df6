"""`ideator-rl envs import`: a problem of OpenEvolve, SkyDiscover or ShinkaEvolve, run as it is."""

from __future__ import annotations

import argparse
from pathlib import Path

from executor.errors import UserError
from ideator_rl.terminal.terminal import say, warn


def add_import(actions: argparse._SubParsersAction) -> None:
    parser = actions.add_parser(
        "import",
        help="a problem of another framework, run as it is",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  ideator-rl envs import examples/circle_packing --examined",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="initial_program.py and evaluator.py, or initial.py and evaluate.py",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the problem's folder (default: here, named like PATH)",
    )
    parser.add_argument(
        "--examined",
        action="store_true",
        help="run the evaluator outside of the program's box, so that no idea can write its score",
    )
    parser.add_argument(
        "--metric",
        default="combined_score",
        help="the reward (default: combined_score, else the mean of all)",
    )
    parser.add_argument(
        "--plausible",
        type=float,
        metavar="REWARD",
        help="no honest program earns more: what does is rejected",
    )
    parser.set_defaults(execute=import_environment)


def import_environment(args: argparse.Namespace) -> int:
    # Imported here: no other command reads problems of others.
    from gym_envs.imports.peer import read_peer
    from gym_envs.imports.suspicions import reads_the_source, suspicions
    from gym_envs.imports.write import TOGETHER, installed, write_problem

    peer = read_peer(args.path)
    evaluator = (peer.folder / peer.evaluator).read_text()
    if args.examined and (line := reads_the_source(evaluator)):
        raise UserError(
            f"{peer.folder / peer.evaluator}: line {line} reads the program's source text, which "
            "--examined cannot show it: import without --examined"
        )
    name = peer.folder.resolve().name.lower().replace("_", "-")
    out = args.out or Path(name)
    folder = write_problem(
        peer, out, examined=args.examined, metric=args.metric, plausible=args.plausible
    )
    for line_of_text in suspicions(peer):
        warn(f"warning: {line_of_text}")
    for module in installed(peer)[1]:
        warn(f"warning: {module} is imported, and not installed here")
    if not args.examined:
        warn(f"warning: {TOGETHER}")
    say(
        f"{folder}/ runs {args.path} as it is\n"
        f"  ideator-rl envs check {folder}/\n"
        f"  ideator-rl search --config {folder}/config_evolution.yaml"
    )
    return 0
