"""The best reward against what it took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import START, begin, completed, confirmed_run, paid_run, write_trial

from executor.records import Idea
from executor.store.runs import Store
from ideator_rl.analysis import load_run
from ideator_rl.analysis.run_cost import run_cost
from ideator_rl.analysis.run_curves import executions, run_curves, value_at


def test_the_best_rises_with_executions_and_slot_time(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    begin(run)
    write_trial(run, Idea("baseline", ""), completed("baseline", 0.5))
    run.record("trial", key="baseline", started=0.0, ended=1800.0, time=START)
    rewards = {"a": 0.6, "b": 0.4, "c": 0.9}
    for number, (key, reward) in enumerate(rewards.items()):
        write_trial(run, Idea(key, key), completed(key, reward, at=number + 1.0))
        run.record("trial", key=key, started=0.0, ended=3600.0, time=START)
    # The same code again takes nothing, and neither does an idea without code.
    same = replace(completed("d", 0.9, at=9.0), content_hash="c-0", cached=True)
    write_trial(run, Idea("d", "d"), same)
    none = replace(completed("e", 0.0, at=9.5), status="not_implemented", content_hash="")
    write_trial(run, Idea("e", "e"), none)

    data = load_run(run)
    found = run_curves(data)
    assert found["executions"].best == ((1, 0.6), (3, 0.9)) and found["executions"].end == 3
    assert found["slot_h"].best == ((1.5, 0.6), (3.5, 0.9)) and found["slot_h"].end == 3.5
    assert found["money"].end == 0 and executions(data) == 3
    assert found["executions"].confirmed == ()


def test_what_another_run_had_measured_counts_with_the_time_that_it_took(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    begin(run)
    known = replace(completed("a", 0.6), cached=True, duration_s=7200.0)
    write_trial(run, Idea("a", "a"), known)
    assert run_curves(load_run(run))["slot_h"].end == 2


def test_only_what_survives_fresh_seeds_is_confirmed(tmp_path: Path) -> None:
    data = load_run(confirmed_run(tmp_path))
    found = data.confirmation
    assert found and found.survivors == 1
    (idea,) = (idea for idea in found.ideas if idea.survives)
    (begin, sure), (_, reward) = run_curves(data)["executions"].confirmed
    assert (begin, sure) == (0, pytest.approx(0.9002, abs=1e-4)) and reward == idea.mean


def test_all_money_of_a_run_is_on_its_curve(tmp_path: Path) -> None:
    data = load_run(paid_run(tmp_path))
    cost = run_cost(data)
    assert cost and run_curves(data)["money"].end == pytest.approx(cost.total.money)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1))), st.integers(0, 6))
def test_a_curve_is_read_where_it_rose_last(rises: list[tuple[int, float]], x: int) -> None:
    steps = tuple(sorted(dict(rises).items()))
    assert value_at(steps, x) == next((v for at, v in steps[::-1] if at <= x), None)
