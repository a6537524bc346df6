"""Do two installations with different secrets agree on which ideas are good?

    python benchmarks/two_secrets.py --env nanogpt-tiny [--ideas 12] [--seeds 2] [--json]

The best ideas of the library under the first secret (docs/public-secret.txt, as in the tables of
docs) run again, afresh, under that secret and under one that this script draws. The two take turns,
one seed at a time with the baseline before, between and after the ideas, since the speed of a
shared machine drifts. A gain is an idea's reward less the mean of its turn's baselines. Reported:
the rank correlation (Spearman) of the gains, and for each idea the difference of its two gains in
standard errors, from the spread of the baselines within their turns.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import statistics
import tempfile
from pathlib import Path

from scipy.stats import spearmanr

from executor import Executor, Idea
from executor.data.prepared import prepare_data
from gym_envs import find_problem
from ideator_rl.ideators.library import default_values, idea_text, load_library

PUBLIC = Path(__file__).parents[1] / "docs" / "public-secret.txt"
BASELINES = 4  # a turn


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--env", default="nanogpt-tiny")
    parser.add_argument("--ideas", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--store", default="store")
    parser.add_argument("--data", default="store/docs-data", help="the first installation's data")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()

    use(args.data, args.env, PUBLIC)
    library = {
        a.id: idea_text([(a, default_values(a))]) for a in load_library(library_of(args.env))
    }
    ideas = [Idea(name, library[name]) for name in best(args, library)]
    first, second, spreads = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "secret"
        own.write_text(secrets.token_hex(32))
        for seed in range(args.seeds):
            for found, data, secret in (
                (first, args.data, PUBLIC),
                (second, f"{folder}/data", own),
            ):
                use(data, args.env, secret)
                gains, spread = turn(args.env, f"{folder}/store", ideas, seed)
                found.append(gains)
                spreads.append(spread)
    noise = math.sqrt(statistics.fmean(spread**2 for spread in spreads))
    error = noise * math.sqrt(2 * (1 + 1 / BASELINES) / args.seeds)

    rows = {}
    for name in (idea.id for idea in ideas):
        one, two = (statistics.fmean(gains[name] for gains in found) for found in (first, second))
        rows[name] = {"first": one, "second": two, "errors": (two - one) / error}
        print(f"{name:28} {one:+.4f}  {two:+.4f}  {rows[name]['errors']:+.1f} s.e.")
    both = [[row[key] for row in rows.values()] for key in ("first", "second")]
    rank = float(spearmanr(*both).statistic)
    print(f"rank correlation of {len(rows)} ideas over {args.seeds} seeds: {rank:.3f}")
    if args.json:
        print(json.dumps({"rank_correlation": rank, "noise": noise, "ideas": rows}))


def use(data: str, env: str, secret: Path) -> None:
    """Makes this process an installation with its own data folder and secret."""
    os.environ["IDEATOR_RL_DATA"] = str(Path(data).resolve())
    problem = find_problem(env)
    script = problem.file.data.prepare
    assert script, f"{env} has no data"
    prepare_data(problem.file.data_of, problem.folder / script, secret=secret)


def library_of(env: str) -> Path:
    return find_problem(env).library


def best(args: argparse.Namespace, library: dict[str, str]) -> list[str]:
    """The ideas with the highest reward of one run each, the best first."""
    problem = find_problem(args.env)
    run = f"secrets-{problem.name}-{problem.version}"
    with Executor(problem, store=args.store, run=run) as executor:
        ideas = [Idea(name, text) for name, text in library.items()]
        outcomes = [outcome for outcome in executor.execute(ideas) if outcome.completed]
    outcomes.sort(key=lambda outcome: -outcome.reward)
    return [outcome.idea_id for outcome in outcomes[: args.ideas]]


def turn(env: str, store: str, ideas: list[Idea], seed: int) -> tuple[dict[str, float], float]:
    """Each idea's gain over the baselines of this turn, and these baselines' s.d."""
    problem = find_problem(env)
    with Executor(problem, store=store, run=f"secrets-{problem.version}-{seed}") as executor:
        baselines, trials = [], {}
        for n, idea in enumerate(ideas):
            if n % math.ceil(len(ideas) / (BASELINES - 1)) == 0:
                baselines.append(executor.submit_baseline(100 * seed + n, priority=0))
            trials[idea.id] = executor.submit(idea, seed=seed)
        baselines.append(executor.submit_baseline(100 * seed + len(ideas), priority=0))
        honest = [trial.result().reward for trial in baselines]
        mean = statistics.fmean(honest)
        gains = {name: trial.result().reward - mean for name, trial in trials.items()}
    return gains, statistics.stdev(honest)


if __name__ == "__main__":
    main()
