"""The hunt for the best combination of a library, on a problem whose best one is known."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from ideator_rl.ideators.library import load_library
from tests.tiny_problem import make_problem

import hunt


def test_every_hunt_finds_the_best_combination_and_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    problem = make_problem(tmp_path / "tiny")
    words = ["--env", str(problem), "--random", "100", "--trials", "300", "--atoms", "2"]
    monkeypatch.setattr(sys, "argv", ["hunt.py", *words, "--store", str(tmp_path / "store")])
    told = []
    for _ in range(2):
        hunt.main()
        told.append(capfd.readouterr().out)
    rows = [
        line for line in told[0].splitlines() if line.startswith(("| random", "| gre", "| evo"))
    ]
    assert len(rows) == 3
    for row in rows:
        assert row.endswith(" | 16.0000 | 16.0000 ± 0.0000 | bonus 3 + larger 13 |")
    assert told[0] == told[1]


def test_children_have_few_atoms_and_bring_in_each_of_the_library(tmp_path: Path) -> None:
    atoms = {a.id: a for a in load_library(make_problem(tmp_path) / "ideas.yaml")}
    rng = Random(0)
    elite = [hunt.random_genome(atoms, size, rng) for size in (1, 2, 3, 4)]
    children = [hunt.child(elite, atoms, 3, rng) for _ in range(300)]
    assert {len(child) for child in children} == {1, 2, 3}
    assert all(list(child) == sorted(dict(child).items()) for child in children)
    assert {gene for child in children for gene in child} == set(hunt.genes(atoms))
