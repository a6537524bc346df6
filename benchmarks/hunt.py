"""Hunts the best combination of a problem's library: at random, greedily and by evolution.

    python benchmarks/hunt.py --env demand --trials 20000 --write docs/hunt-demand.md

It tells whether a problem suits a study of ideators: the best of many random combinations should
lie far below what a long search reaches, in standard deviations of the noise between seeds. An idea
combines 1 to `--atoms` atoms with values; the best of each hunt runs again on fresh seeds.
Everything goes through the ordinary executor: equal codebases run once, and the same command goes
on where it was stopped.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from random import Random

from executor import Executor, Idea
from executor.settings import Scalar
from gym_envs import find_problem
from ideator_rl.ideators.library import Atom, genome_title, idea_text, load_library

Values = tuple[tuple[str, Scalar], ...]
Genome = tuple[tuple[str, Values], ...]  # atoms and their values, sorted by name
SIZES, WEIGHTS = (1, 2, 3, 4, 5), (25, 30, 20, 15, 10)  # atoms of a random idea, in percent
BATCH, ELITE = 100, 40
FRESH_SEEDS = range(1000, 1010)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--env", default="demand")
    parser.add_argument("--random", type=int, default=1000, help="random combinations")
    parser.add_argument(
        "--trials", type=int, default=20_000, help="ideas of the evolutionary search"
    )
    parser.add_argument("--atoms", type=int, default=5, help="the most that an idea combines")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--store", default="store")
    parser.add_argument("--write", type=Path, help="the Markdown file")
    args = parser.parse_args()

    problem = find_problem(args.env)
    atoms = {atom.id: atom for atom in load_library(problem.library)}
    settings = f"random{args.random}-atoms{args.atoms}-seed{args.seed}"
    run = f"hunt-{problem.name}-{problem.version}-{settings}"
    with Executor(problem, store=args.store, run=run, slots=args.slots) as executor:
        noise = [executor.submit_baseline(seed).result().reward for seed in FRESH_SEEDS]
        hunts = [Measured(executor, atoms, name) for name in ("random", "greedy", "evolution")]
        at_random(hunts[0], atoms, args.atoms, args.random, Random(args.seed))
        greedily(hunts[1], atoms, args.atoms)
        by_evolution(hunts[2], atoms, args.atoms, args.trials, Random(args.seed + 1))
        rows = [hunt.row() for hunt in hunts]
    budget = problem.file.budget
    text = f"""# The best combinations of the library of `{problem.name}`

Ideas of at most {args.atoms} atoms, {budget.seconds:g} {budget.kind} seconds a trial; the baseline
has {statistics.fmean(noise):.4f} (s.d. {statistics.stdev(noise):.4f} over {len(noise)} seeds).
Of {args.random} ideas drawn at random and {args.trials} bred by evolution the different ones count
as *ideas*. *Confirmed* is the mean of the best idea over {len(noise)} fresh seeds, ± its standard
deviation. Written by
`python benchmarks/hunt.py --env {problem.name} --random {args.random} --trials {args.trials} \
--atoms {args.atoms}`.

| hunt | ideas | best reward | confirmed | the best idea |
| --- | --- | --- | --- | --- |
{"".join(rows)}"""
    if args.write:
        args.write.write_text(text)
    else:
        print(text)


class Measured:
    """The rewards of one hunt, and how it gets more of them."""

    def __init__(self, executor: Executor, atoms: dict[str, Atom], name: str) -> None:
        self._executor, self._atoms, self._name = executor, atoms, name
        self.rewards: dict[Genome, float] = {}
        self._ideas: dict[Genome, Idea] = {}

    def run(self, genomes: Iterable[Genome]) -> None:
        """Executes those that this hunt has not executed yet."""
        new = list(dict.fromkeys(g for g in genomes if g not in self.rewards))
        for genome in new:
            text = idea_text([(self._atoms[name], dict(chosen)) for name, chosen in genome])
            self._ideas[genome] = Idea(f"{self._name}-{len(self._ideas):06}", text)
        outcomes = self._executor.execute([self._ideas[genome] for genome in new])
        self.rewards |= {g: o.reward for g, o in zip(new, outcomes, strict=True)}
        best = self.ranked()[0]
        told = f"{len(self.rewards)} ideas, best {self.rewards[best]:.4f}: {genome_title(best)}"
        print(f"{self._name}: {told}", file=sys.stderr)

    def ranked(self) -> list[Genome]:
        """The best first."""
        return sorted(self.rewards, key=lambda genome: -self.rewards[genome])

    def row(self) -> str:
        """A line of the table: the best idea, and what it earns on fresh seeds."""
        best = self.ranked()[0]
        futures = [self._executor.submit(self._ideas[best], seed=seed) for seed in FRESH_SEEDS]
        again = [future.result().reward for future in futures]
        confirmed = f"{statistics.fmean(again):.4f} ± {statistics.stdev(again):.4f}"
        cells = (len(self.rewards), f"{self.rewards[best]:.4f}", confirmed, genome_title(best))
        return f"| {self._name} | " + " | ".join(map(str, cells)) + " |\n"


def at_random(
    measured: Measured, atoms: dict[str, Atom], most: int, count: int, rng: Random
) -> None:
    for start in range(0, count, BATCH):
        sizes = rng.choices(SIZES, WEIGHTS, k=min(BATCH, count - start))
        measured.run(random_genome(atoms, min(size, most), rng) for size in sizes)


def greedily(measured: Measured, atoms: dict[str, Atom], most: int) -> None:
    """Adds the best atom with its best value until none helps."""
    best: Genome = ()
    while len(best) < most:
        larger = [joined(best, gene) for gene in genes(atoms) if gene[0] not in dict(best)]
        measured.run(larger)
        if measured.ranked()[0] == best:
            break
        best = measured.ranked()[0]


def by_evolution(
    measured: Measured, atoms: dict[str, Atom], most: int, trials: int, rng: Random
) -> None:
    """Breeds the best ideas: adds, exchanges, varies or drops an atom, or joins two ideas."""
    at_random(measured, atoms, most, 2 * BATCH, rng)
    for _ in range(2 * BATCH, trials, BATCH):
        elite = measured.ranked()[:ELITE]
        measured.run([child(elite, atoms, most, rng) for _ in range(BATCH)])


def child(elite: Sequence[Genome], atoms: dict[str, Atom], most: int, rng: Random) -> Genome:
    by_rank = min(int(rng.expovariate(4 / len(elite))), len(elite) - 1)
    child = dict(elite[by_rank])
    move = rng.choices(["join", "add", "exchange", "vary", "drop"], [4, 3, 2, 3, 1])[0]
    if move in ("exchange", "drop") and len(child) > 1:
        del child[rng.choice(sorted(child))]
    if move == "join":
        child = dict(rng.choice(elite)) | child
    elif move in ("add", "exchange"):
        child |= dict(random_genome(atoms, 1, rng))
    elif move == "vary":
        name = rng.choice(sorted(child))
        child[name] = values(atoms[name], rng)
    return tuple(sorted(rng.sample(sorted(child.items()), min(most, len(child)))))


def random_genome(atoms: dict[str, Atom], size: int, rng: Random) -> Genome:
    return tuple(
        (name, values(atoms[name], rng)) for name in sorted(rng.sample(sorted(atoms), size))
    )


def values(atom: Atom, rng: Random) -> Values:
    return tuple((param, rng.choice(atom.params[param])) for param in sorted(atom.params))


def genes(atoms: dict[str, Atom]) -> Iterator[tuple[str, Values]]:
    """Every atom with each of its values."""
    for name, atom in atoms.items():
        params = sorted(atom.params)
        for chosen in product(*(atom.params[param] for param in params)):
            yield name, tuple(zip(params, chosen, strict=True))


def joined(genome: Genome, gene: tuple[str, Values]) -> Genome:
    return tuple(sorted((*genome, gene)))


if __name__ == "__main__":
    main()
