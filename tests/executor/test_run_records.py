"""What a run was begun with is kept in records, and holds in every session."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from executor import Executor, Problem, Store, StoreError
from executor.run_records import (
    SECONDS,
    RunStart,
    SessionClock,
    SessionSeconds,
    read_sessions,
    read_start,
    seconds_used,
)
from tests.executor.runs import examined, idea


def test_a_start_says_what_a_run_is_about(problem: Problem) -> None:
    url = f"memory://{uuid4().hex}"
    for slots in (1, 2):
        with Executor(problem, store=url, slots=slots, seed=3) as executor:
            assert executor.execute([idea("a", 30)])[0].completed
    run = Store(url).run("default")
    assert read_start(run) == RunStart("tiny", problem.version, 3, problem.file.reward)
    first, second = read_sessions(run)
    assert (first.slots, second.slots) == (1, 2) and first.began < second.began
    assert first.sandbox == str(executor.sandbox)
    used = run.kept_numbered(SECONDS, SessionSeconds)
    assert seconds_used(run) == used[0].seconds + used[1].seconds > 0


def test_without_its_events_a_run_is_refused_and_charged_just_the_same(
    problem: Problem, store: Path
) -> None:
    with Executor(problem, store=store, slots=1, sandbox="none", max_seconds=60) as executor:
        before = executor.execute([idea("a", 30)])
    used = seconds_used(executor.run)
    (store / "runs/default/events.jsonl").unlink()
    for wrong in ({"seed": 3}, {"sandbox": "strict"}):
        with pytest.raises(StoreError, match="the run default belongs to"):
            Executor(problem, store=store, slots=1, **{"sandbox": "none", **wrong})
    with Executor(problem, store=store, slots=1, sandbox="none", max_seconds=60) as executor:
        assert 0 < executor.seconds_left() <= 60 - used
        assert executor.execute([idea("a", 30)]) == before
    assert examined(problem) == [30]


def test_outcomes_of_unknown_conditions_are_one_clear_line(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=1) as executor:
        executor.execute([idea("a", 30)])
    for lose in (Path.unlink, lambda path: path.write_bytes(b"\0" * 40)):
        lose(store / "runs/default/start.json")
        with pytest.raises(StoreError, match=r"has outcomes and no start\.json.*another run name$"):
            Executor(problem, store=store, slots=1)


def test_every_session_has_a_record_of_its_own(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    for number in range(3):
        SessionClock(run).begin(number + 1, "none")
    (tmp_path / "runs/first/sessions/000.json").unlink()
    (tmp_path / "runs/first/sessions/notes.json").write_text("no record")
    session = SessionClock(run)
    session.begin(4, "none")
    session.keep()
    assert [session.slots for session in read_sessions(run)] == [2, 3, 4]
