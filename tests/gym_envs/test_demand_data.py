"""The data of `demand`: drawn wholly by the secret, clean where it is examined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from executor import load_problem
from executor.data.script import load_script

FOLDER = Path(__file__).parents[2] / "gym_envs" / "demand"
PARTS = ("train", "held_out", "final")
SECRET = "a secret of this test"
PLAUSIBLE = load_problem(FOLDER).file.reward.plausible

script = load_script(FOLDER / "prepare.py")
explained = load_script(FOLDER / "evaluate.py").module.explained


def prepared(folder: Path, secret: str = SECRET) -> dict[str, np.ndarray]:
    for name in PARTS:
        (folder / name).mkdir(parents=True)
    train, held_out, final = (folder / name for name in PARTS)
    with script.imports():
        script.module.prepare(train, held_out, None, secret=secret, final=final)
    return {p.relative_to(folder).as_posix(): np.load(p) for p in folder.rglob("*.npy")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return prepared(tmp_path_factory.mktemp("data"))


def test_a_secret_always_gives_the_same_data(data: dict[str, np.ndarray], tmp_path: Path) -> None:
    again = prepared(tmp_path)
    assert len(data) == 6 and data.keys() == again.keys()
    assert all(np.array_equal(data[name], again[name]) for name in data)


def test_another_secret_gives_another_grid(data: dict[str, np.ndarray], tmp_path: Path) -> None:
    other = prepared(tmp_path, "another secret")
    by_hour = [mean_by_hour(part, "held_out") for part in (data, other)]
    assert np.abs(by_hour[0] - by_hour[1]).max() > 20
    known = set(data["held_out/demand.npy"].tolist())
    assert np.mean([value in known for value in other["held_out/demand.npy"].tolist()]) < 0.01


def mean_by_hour(data: dict[str, np.ndarray], part: str) -> np.ndarray:
    hour_N, demand_N = data[f"{part}/rows.npy"][:, 0], data[f"{part}/demand.npy"]
    return np.array([demand_N[hour_N == hour].mean() for hour in range(24)])


def test_the_parts_are_disjoint_and_of_4000_hours_of_two_years(data: dict[str, np.ndarray]) -> None:
    hours = []
    for part in PARTS:
        rows_ND, demand_N = data[f"{part}/rows.npy"], data[f"{part}/demand.npy"]
        assert rows_ND.shape == (4000, 10) and demand_N.shape == (4000,)
        assert rows_ND.dtype == demand_N.dtype == np.float32
        hours.append({(day, hour) for hour, day in rows_ND[:, [0, 3]].tolist()})
        assert len(hours[-1]) == 4000
    assert len(set.union(*hours)) == 12_000
    assert {day for part in hours for day, _ in part} == set(range(730))


def test_only_the_meters_of_the_training_hours_are_faulty(data: dict[str, np.ndarray]) -> None:
    def stuck(part: str) -> float:
        _, count_V = np.unique(data[f"{part}/demand.npy"], return_counts=True)
        return float(count_V[count_V >= 5].sum()) / 4000

    def extreme(part: str) -> float:
        demand_N = data[f"{part}/demand.npy"]
        return float(np.mean(np.abs(np.log(demand_N / np.median(demand_N))) > np.log(5)))

    assert 0.03 < stuck("train") < 0.07 and 0.02 < extreme("train") < 0.07
    assert stuck("held_out") == stuck("final") == 0
    assert extreme("held_out") == extreme("final") == 0


@pytest.mark.parametrize("secret", ["a", "b", "c"])
def test_the_truth_without_noise_is_below_the_plausible_bound(secret: str) -> None:
    with script.imports():
        import grid  # beside prepare.py

        rows_ND = script.module.two_years(script.module.drawn_from(secret, "weather"))
        demand_N = grid.demand_of(rows_ND, script.module.drawn_from(secret, "grid"))
        signal_N = grid.signal_of(rows_ND, script.module.drawn_from(secret, "grid"))
    truth_N = grid.LEVEL * np.exp(grid.SPREAD * signal_N)
    assert 0.975 < explained(demand_N, truth_N) < PLAUSIBLE


def test_a_forecast_explains_everything_something_or_nothing() -> None:
    demand_N = np.array([100.0, 200.0, 300.0, 400.0])
    assert explained(demand_N, demand_N) == 1
    assert explained(demand_N, demand_N + 50) == pytest.approx(0.8)
    assert explained(demand_N, np.full(4, 250.0)) == 0
    assert explained(demand_N, np.array([1e300, -1e300, 0, 0])) == 0
