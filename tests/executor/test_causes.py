"""What led to an error can be read: in the run's log, or in the log of the process."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from executor import Executor, Problem
from executor.causes import cause_of
from executor.errors import UserError
from executor.scheduler import Scheduler
from tests.executor.runs import wait_until


def hide() -> None:
    try:
        raise ValueError("the reason")
    except ValueError:
        raise UserError("one line") from None


def test_a_cause_tells_what_the_one_line_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "the reason")
    with pytest.raises(ExceptionGroup) as raised:
        try:
            hide()
        except UserError as error:
            raise ExceptionGroup("tasks", [error]) from None
    told = cause_of(raised.value)
    assert "ValueError: [key]" in told and "UserError: one line" in told and "in hide" in told


def test_what_ends_a_run_is_in_its_log(problem: Problem, store: Path) -> None:
    with pytest.raises(UserError), Executor(problem, store=store, run="first") as executor:
        assert executor.run.errors() == ""
        hide()
    assert "ValueError: the reason" in executor.run.errors()
    assert "ValueError" in (store / "runs" / "first" / "errors.log").read_text()


def test_an_error_in_the_background_is_logged(
    problem: Problem,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_: Scheduler) -> None:
        raise RuntimeError("the clock stopped")

    monkeypatch.setattr(Scheduler, "tick_forever", fail)
    with Executor(problem, store=store, run="first") as executor:
        wait_until(lambda: "the clock stopped" in executor.run.errors())
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert ["the clock stopped" in record.getMessage() for record in logged] == [True]
