"""The pages of the study, from made-up runs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from objectives.arms import CHOSEN
from objectives.confirm import Confirmed
from objectives.figures import Figures
from objectives.results import Results
from objectives.write import write


def run(arm: str, seed: int, reward: float) -> Figures:
    return Figures(
        arm=arm,
        seed=seed,
        steps=0 if arm == "evolution" else 12,
        executions=640,
        best=reward + 0.01,
        confirmed=Confirmed(reward, reward - 0.02, 0.5, 0.49, 0.003, "[Experiment] A."),
        curve={1: 0.5, 64: reward - 0.1, 640: reward + 0.01},
        first_mean=0.3,
        last_mean=0.4,
        completed=0.75,
        distinct=0.5,
        algorithms=0.25,
        length=(300.0, 200.0),
        policy={} if arm == "evolution" else {1: 0.4, 4: 0.5, 16: 0.6, 64: 0.7},
        seconds=60.0,
    )


def test_a_page_without_a_tuning_names_the_problem_whose_rates_it_takes(tmp_path: Path) -> None:
    Results(tmp_path / "digits.jsonl").add(run("grpo", 0, 0.7))
    write(tmp_path)
    page = (tmp_path / "digits.md").read_text()
    assert "\n1 runs, 0.0 hours in all" in page and "\nThose of demand.\n" in page


def test_a_page_compares_all_arms_with_grpo_and_best_of_n(tmp_path: Path) -> None:
    results = Results(tmp_path / "digits.jsonl")
    for seed in range(4):
        for arm, gain in (("grpo", 0.0), (CHOSEN, 0.1), ("best_of_n", 0.02), ("evolution", 0.2)):
            results.add(run(arm, seed, 0.7 + gain + 0.001 * seed * gain + 0.001 * seed))
    Results(tmp_path / "digits-tuning.jsonl").add(run("grpo 0.001", 100, 0.6))
    assert results.has("grpo", 3) and not results.has("grpo", 4)

    write(tmp_path)
    page = (tmp_path / "digits.md").read_text()
    assert "16 runs, and 1 that chose the learning rates, 0.3 hours in all (the\n" in page
    chosen = next(line for line in page.splitlines() if line.startswith(f"| {CHOSEN} | 4 |"))
    assert "+0.1001 (" in chosen and "+0.0801 (" in chosen and "p < 0.0001" in chosen
    assert "| -0.1001 (-0.1004 to -0.0999) |" in chosen
    assert (
        "| evolution |  | 640 | 0.300 → 0.400 | 75 % | 50 % | 25 % | 300 → 200 |  |  |  |" in page
    )
    assert "| grpo 0.001 | 1 | 0.6000 |" in page
    picture = (tmp_path / "digits.svg").read_text()
    assert CHOSEN in picture
    write(tmp_path)
    assert (tmp_path / "digits.svg").read_text() == picture
    assert not (tmp_path / "digits-tuning.md").exists()
