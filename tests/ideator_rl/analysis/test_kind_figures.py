"""What kinds of ideas a run had, from the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_runs import BASE, begin, completed, write_trial

from executor.records import Idea
from executor.store.runs import Store
from ideator_rl.analysis import load_run
from ideator_rl.analysis.idea_kinds import Change
from ideator_rl.analysis.kind_figures import kind_figures, kinds_by_epoch

SETTING = {**BASE, "train.py": BASE["train.py"].replace("200", "300")}
ALGORITHM = {**BASE, "train.py": BASE["train.py"] + "save()\n"}


def test_kinds_are_read_from_the_codebases_of_a_run(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    begin(run)
    write_trial(run, Idea("baseline", ""), completed("baseline", 0.5))
    write_trial(run, Idea("a", "x", epoch=0), completed("a", 0.6), files=SETTING)
    write_trial(run, Idea("b", "y", epoch=1), completed("b", 0.9), files=ALGORITHM)
    write_trial(run, Idea("c", "z", epoch=1), completed("c", 0.7), files=SETTING)
    failed = replace(completed("d", 0.0), status="crashed", stage="train", metrics={})
    write_trial(run, Idea("d", "z", epoch=1), failed, files=ALGORITHM)
    missing = replace(completed("e", 0.0), status="not_implemented", stage="implement")
    write_trial(run, Idea("e", "z", epoch=2), missing)

    data = load_run(run)
    assert {idea.idea_id: idea.change for idea in data.ideas} == {
        "a": Change("setting", 1, 1),
        "b": Change("algorithm", 1, 0),
        "c": Change("setting", 1, 1),
        "d": Change("algorithm", 1, 0),
        "e": None,
    }
    setting, algorithm = kind_figures(data.ideas)
    assert (setting.kind, setting.ideas, setting.share, setting.completed) == ("setting", 2, 0.5, 1)
    assert setting.mean == pytest.approx(0.65) and (setting.added, setting.removed) == (1, 1)
    assert algorithm.best and algorithm.best.idea_id == "b" and algorithm.completed == 0.5
    epochs = kinds_by_epoch(data.ideas)
    assert {epoch: list(found) for epoch, found in epochs.items()} == {
        0: ["setting"],
        1: ["setting", "algorithm"],
        2: [],
    }


def test_without_a_baseline_there_are_no_kinds(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    begin(run)
    write_trial(run, Idea("a", "x"), completed("a", 0.6), files=SETTING)
    (idea,) = load_run(run).ideas
    assert idea.change is None and kind_figures([idea]) == ()
