"""Trials by way of a store, run by `ideator-rl worker` processes that may die at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from executor import Executor, Idea, Outcome, Problem
from executor.errors import UserError
from executor.queue.entries import living_workers
from executor.queue.workers import StoreWorkers, open_store_workers
from executor.store.open import open_storage
from tests.executor.runs import examined, idea, outcome_files, tiny, wait_until
from tests.ideator_rl.command_line import in_process
from tests.store_workers import worker

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return tiny(tmp_path / "tiny")


def workers_of(store: str | Path, problem: Problem, slots: int | None = 2) -> StoreWorkers:
    return open_store_workers(str(store), {}, problem, "best-effort", slots)


def executed(store: str | Path, problem: Problem, ideas: Sequence[Idea]) -> list[Outcome]:
    workers = workers_of(store, problem, 4)
    with Executor(problem, store=store, run="first", workers=workers) as opened:
        return opened.execute(ideas)


def left_in_queue(store: Path) -> list[str]:
    """What nobody will need again; the lists of workers and problems stay."""
    return [
        path.name
        for path in store.glob("queue/tiny-*/**/*")
        if path.is_file() and path.name != "problem.json"
    ]


@pytest.mark.parametrize("where", ["folder", "s3"])
@pytest.mark.slow
def test_two_workers_run_each_trial_once_with_the_outcomes_of_local_slots(
    problem: Problem, tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    store = tmp_path / "store" if where == "folder" else request.getfixturevalue("s3_url")
    # The first four take their time: no worker has the slots for all of them.
    ideas = [idea(f"i{n}", 20 + n, sleep=3 if n < 4 else 0) for n in range(12)]
    ideas.append(idea("bad", shell="exit 3"))
    env = problem.folder
    with worker(store, env, name="one") as one, worker(store, env, name="two") as two:
        here = executed(store, problem, ideas)
        ran = one.ran + two.ran
        assert sorted(ran) == sorted(i.id for i in ideas)
        assert one.ran and two.ran
        assert one.stop() == two.stop() == 1
    assert sorted(examined(problem)) == list(range(20, 32))
    with Executor(
        problem, store=tmp_path / "local", run="first", slots=2, sandbox="best-effort"
    ) as local:
        there = local.execute(ideas)
    assert [(o.status, o.reward, o.content_hash) for o in here] == [
        (o.status, o.reward, o.content_hash) for o in there
    ]
    if where == "folder":
        assert left_in_queue(Path(store)) == []
    assert living_workers(open_storage(store)) == []


def test_the_slots_are_those_of_the_living_workers(problem: Problem, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no worker serves tiny .*`ideator-rl worker --store"):
        workers_of(tmp_path / "store", problem, None)
    with worker(tmp_path / "store", problem.folder):
        assert workers_of(tmp_path / "store", problem, None).slots == 2


@pytest.mark.slow
def test_what_a_killed_worker_ran_runs_elsewhere(problem: Problem, tmp_path: Path) -> None:
    store, env = tmp_path / "store", problem.folder
    with (
        Executor(problem, store=store, run="a", workers=workers_of(store, problem)) as executor,
        worker(store, env, name="first") as first,
    ):
        outcome = executor.submit(idea("slow", 7, sleep=3))
        wait_until(lambda: list(store.glob("queue/tiny-*/tries/*/0")), 30)
        first.kill()
        with worker(store, env, name="second") as second:
            assert outcome.result(60).reward == 7
            assert (first.ran, second.ran) == ([], ["slow"])
    assert examined(problem) == [7]


@pytest.mark.parametrize("clock_s", [-60, 60])
@pytest.mark.slow
def test_clocks_that_differ_by_a_minute_change_nothing(
    problem: Problem, tmp_path: Path, clock_s: float
) -> None:
    store, env = tmp_path / "store", problem.folder
    with worker(store, env, name="first", clock_s=clock_s) as first:
        assert workers_of(store, problem, None).slots == 2
        with Executor(
            problem, store=store, run="a", workers=workers_of(store, problem)
        ) as executor:
            slow = executor.submit(idea("slow", 7, sleep=3))
            wait_until(lambda: list(store.glob("queue/tiny-*/tries/*/0")), 30)
            # Nobody takes what is held by one whose clock is right or wrong.
            with worker(store, env, name="second") as second:
                assert slow.result(60).reward == 7
                first.kill()
                assert executor.submit(idea("next", 8)).result(60).reward == 8
            assert (first.ran, second.ran) == (["slow"], ["next"])
    assert examined(problem) == [7, 8]


@pytest.mark.slow
def test_a_trial_that_no_worker_survives_is_not_begun_for_ever(
    problem: Problem, tmp_path: Path
) -> None:
    store, env = tmp_path / "store", problem.folder
    with Executor(problem, store=store, run="a", workers=workers_of(store, problem)) as executor:
        outcome = executor.submit(idea("deadly", 7, sleep=30))
        for n in range(3):
            with worker(store, env, name=f"dies-{n}") as dies:
                wait_until(lambda n=n: list(store.glob(f"queue/tiny-*/tries/*/{n}")), 30)
                dies.kill()
        with worker(store, env, name="lives"):
            lost = outcome.result(30)
    assert (lost.status, lost.detail) == ("crashed", "the worker died 3 times during this trial")
    assert not list(store.glob("results/*.json"))


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_gives_its_trials_back(
    problem: Problem, tmp_path: Path
) -> None:
    store, env = tmp_path / "store", problem.folder
    with Executor(problem, store=store, run="a", workers=workers_of(store, problem)) as executor:
        outcome = executor.submit(idea("slow", 7, sleep=2))
        for n in range(4):
            with worker(store, env, name=f"leaves-{n}") as leaves:
                wait_until(lambda: list(store.glob("queue/tiny-*/tries/*/0")), 30)
                assert leaves.stop() == 1
                assert "Traceback" not in leaves.said
            assert not list(store.glob("queue/tiny-*/tries/*/*"))
            assert living_workers(open_storage(store)) == []
        with worker(store, env, name="stays"):
            assert outcome.result(60).reward == 7


def test_cancelling_ends_the_trial_where_it_runs(problem: Problem, tmp_path: Path) -> None:
    store, env = tmp_path / "store", problem.folder
    workers = workers_of(store, problem, 1)
    with (
        worker(store, env) as w,
        Executor(problem, store=store, run="a", workers=workers) as executor,
    ):
        endless = executor.submit(idea("endless", 7, sleep=601))
        wait_until(lambda: processes_of("sleep 601"), 30)
        endless.cancel()
        with pytest.raises(CancelledError):
            endless.result()
        wait_until(lambda: not processes_of("sleep 601"), 30)
        assert executor.submit(idea("next", 8)).result(30).reward == 8
        assert w.ran == ["next"]
    assert left_in_queue(store) == []


def processes_of(words: str) -> list[str]:
    told = subprocess.run(["pgrep", "-fx", words], capture_output=True, text=True)
    return told.stdout.split()


EXECUTE = """
import sys
from pathlib import Path
from executor import Executor, load_problem
from executor.queue.workers import open_store_workers
from tests.executor.runs import idea

problem, store = load_problem(sys.argv[1]), sys.argv[2]
workers = open_store_workers(store, {}, problem, "best-effort", 2)
with Executor(problem, store=store, run="first", workers=workers) as executor:
    executor.execute([idea(f"i{n}", n, sleep=0.3) for n in range(8)])
"""


def test_an_executor_that_is_killed_goes_on_and_nothing_runs_twice(
    problem: Problem, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    words = [sys.executable, "-c", EXECUTE, str(problem.folder), str(store)]
    with worker(store, problem.folder) as w:
        first = subprocess.Popen(words)
        wait_until(lambda: len(outcome_files(store)) >= 2, 60)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        kept = outcome_files(store)
        subprocess.run(words, check=True, timeout=60)
        assert sorted(w.ran) == [f"i{n}" for n in range(8)]
    assert {name: outcome_files(store)[name] for name in kept} == kept
    assert len(outcome_files(store)) == 8 and sorted(examined(problem)) == list(range(8))


def test_another_version_of_the_problem_is_refused_in_one_line(
    problem: Problem,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("executor.queue.workers._LONELY_S", 1.0)
    store, other = tmp_path / "store", tiny(tmp_path / "other")
    (other.folder / "evaluate.py").write_text("def examine(candidate, held_out): return {}\n")
    with (
        Executor(problem, store=store, run="a", workers=workers_of(store, problem)) as executor,
        worker(store, other.folder) as w,
    ):
        outcome = executor.submit(idea("a", 7))
        wait_until(lambda: "refused: " in w.said, 30)
        wait_until(lambda: "no worker serves tiny" in caplog.text, 30)
        assert "others than the executor's" in caplog.text and not outcome.done()
        with worker(store, problem.folder, name="fits"):
            assert outcome.result(30).reward == 7
        assert w.said.count("refused: ") == 1 and w.ran == []


def test_a_weaker_sandbox_is_refused_in_one_line(problem: Problem, tmp_path: Path) -> None:
    store, env = tmp_path / "store", problem.folder
    with (
        Executor(problem, store=store, run="a", workers=workers_of(store, problem)) as executor,
        worker(store, env, "--sandbox", "none", name="weak") as weak,
    ):
        outcome = executor.submit(idea("a", 7))
        wait_until(
            lambda: "ask for a best-effort sandbox and this worker has none" in weak.said, 30
        )
        with worker(store, env, "--sandbox", "best-effort", name="fits"):
            assert outcome.result(30).reward == 7
        assert weak.said.count("refused: ") == 1 and weak.ran == []


def test_a_damaged_job_is_a_crash_and_the_worker_goes_on(problem: Problem, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with Executor(problem, store=store, run="a", workers=workers_of(store, problem)) as executor:
        bad = executor.submit(idea("bad", 7))
        wait_until(lambda: list(store.glob("queue/tiny-*/jobs/*.json")), 30)
        [job] = store.glob("queue/tiny-*/jobs/*.json")
        job.write_text(job.read_text().replace("settings.py", "../settings.py"))
        good = executor.submit(idea("good", 8))
        with worker(store, problem.folder):
            assert good.result(30).reward == 8
            assert (bad.result(30).status, "is damaged" in bad.result().detail) == ("crashed", True)
    assert examined(problem) == [8] and len(list(store.glob("results/*.json"))) == 1


def test_a_worker_without_work_ends(problem: Problem, tmp_path: Path) -> None:
    with worker(tmp_path / "store", problem.folder, "--idle-exit", "0.02") as idle:
        assert idle.process.wait(30) == 0
    assert idle.said.endswith("nothing to do: this worker ends\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--slots", "0"), "--slots: must be from 1 to 4096"),
        (("--idle-exit", "0"), "--idle-exit: must be a positive number of minutes"),
        (("--env", "no-such"), "unknown environment 'no-such'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, words: Sequence[str], line: str) -> None:
    done = in_process(tmp_path, "worker", "--store", "store", *words)
    assert done.code == 2 and line in done.err
    assert len([text for text in done.err.splitlines() if text.startswith("ideator-rl:")]) == 1
