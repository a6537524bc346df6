from __future__ import annotations

import math

import pytest

from ideator_rl.rl.step_metrics import step_metrics, step_times, verl_figures


def _info(idea="a b c d", reward=0.5, stage="done", **other):
    completed = stage == "done"
    return {
        "idea": idea,
        "reward": reward,
        "stage": stage,
        "completed": completed,
        "lost": False,
        "content_hash": idea if stage != "implement" else "",
        "thinking_tokens": 10,
        "idea_tokens": 20,
        "generated_at": 1.0,
        "executed_at": 2.0,
        **other,
    }


def test_shares_are_of_all_answers_and_add_up():
    infos = [
        _info("one idea here", 0.9),
        _info("another idea here", 0.7),
        _info("no edits", 0.0, "implement"),
        _info("endless loop here", 0.0, "train"),
    ]
    figures = step_metrics(infos, best_before=0.95)
    assert figures["reward/mean"] == pytest.approx(0.4)
    assert (figures["reward/max"], figures["reward/best"]) == (0.9, 0.95)
    shares = ("completed", "stopped/implement", "stopped/train", "stopped/examine")
    assert [figures[name] for name in shares] == [0.5, 0.25, 0.25, 0.0]
    assert (figures["ideas/distinct"], figures["codebases/distinct"]) == (4, 3)


def test_the_best_of_the_first_step_is_its_own():
    assert step_metrics([_info(reward=0.3)], best_before=-math.inf)["reward/best"] == 0.3


def test_copies_are_one_idea_and_wholly_alike():
    figures = step_metrics([_info()] * 4, best_before=0.0)
    assert (figures["ideas/distinct"], figures["ideas/similarity"]) == (1, 1.0)


def test_executing_is_what_is_waited_for_after_the_last_answer():
    infos = [
        _info(generated_at=12.0, executed_at=13.0),
        _info(generated_at=14.0, executed_at=20.0),
    ]
    times = step_times(infos, began=10.0, timing={"step": 15.0, "update_actor": 3.0, "adv": 0.5})
    assert times["time/generate"] == 4.0
    assert times["time/execute"] == 6.0
    assert times["time/update"] == 3.5


def test_what_was_there_when_a_step_began_was_not_waited_for():
    infos = [_info(generated_at=1.0, executed_at=2.0), _info(generated_at=3.0, executed_at=12.0)]
    times = step_times(infos, began=10.0, timing={"step": 20.0, "gen": 2.0})
    assert (times["time/generate"], times["time/execute"], times["trainer/idle"]) == (0.0, 2.0, 0.1)


def test_of_verl_only_finite_figures_are_reported():
    figures = verl_figures({"actor/entropy": 1.5, "actor/kl_loss": math.nan, "unknown": 1.0})
    assert figures == {"actor/entropy": 1.5}
