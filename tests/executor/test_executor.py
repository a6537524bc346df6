"""The executor: ideas in, outcomes out; slots, priorities, and an orderly end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import time
from pathlib import Path

import pytest

from executor import (
    Executor,
    Idea,
    Problem,
    UserError,
)
from executor.processes.processes import descendants
from executor.records import Implementation
from tests.executor.runs import (
    examined,
    idea,
    most_at_once,
    outcome_files,
    patched_files,
    trials,
    wait_until,
)
from tests.executor.trials import marked
from tests.tiny_problem import FILES

pytestmark = pytest.mark.usefixtures("nothing_is_left")


# ---- ideas in, outcomes out


def test_outcomes_come_in_the_order_of_the_ideas(problem: Problem, store: Path) -> None:
    batch = [idea("slow", 30, sleep=0.6), idea("fast", 31), idea("crash", shell="exit 3")]
    with Executor(problem, store=store, slots=2) as executor:
        outcomes = executor.execute(batch)
    assert [(o.idea_id, o.status, o.reward) for o in outcomes] == [
        ("slow", "completed", 30.0),
        ("fast", "completed", 31.0),
        ("crash", "crashed", 0.0),
    ]
    assert outcomes[0].duration_s >= 0.6 and outcomes[0].metrics == {"value": 30.0}
    assert outcomes[0].submitted_at < outcomes[0].finished_at


def test_outcomes_come_as_they_complete(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=2) as executor:
        batch = [idea("slow", 30, sleep=1.0), idea("fast", 31)]
        assert [o.idea_id for o in executor.as_completed(batch)] == ["fast", "slow"]


def test_async_code_awaits_a_batch(problem: Problem, store: Path) -> None:
    async def scene() -> list[str]:
        with Executor(problem, store=store, slots=2) as executor:
            outcomes = await executor.aexecute([idea("a", 30), idea("b", 31)])
        return [outcome.idea_id for outcome in outcomes]

    assert asyncio.run(scene()) == ["a", "b"]


def test_a_batch_that_is_no_longer_awaited_ends(executor: Executor, store: Path) -> None:
    async def scene() -> None:
        batch = executor.aexecute([idea("a", 30, sleep=600), idea("b", 31, sleep=600)])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batch, 0.5)

    asyncio.run(scene())
    assert executor.execute([idea("c", 32)])[0].reward == 32
    assert set(outcome_files(store)) == {"c"}


@pytest.mark.parametrize(
    ("made", "status", "detail"),
    [
        (idea("a", 30), "completed", ""),
        (idea("a", shell="echo out of luck; exit 1"), "crashed", "out of luck"),
        (Idea("a", "[Code Changes]\nvalue: 11 -> 12"), "not_implemented", "value"),
        (Idea("a", "[Experiment] Think.\n[Code Changes]\n"), "not_implemented", ""),
        (Idea("a", ""), "not_implemented", ""),
        (
            Idea("a", "evaluate.py\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n"),
            "rejected",
            "evaluate.py",
        ),
        (Idea("a", "[Code Changes]\nvalue: 10 -> 1e999"), "rejected", ""),
    ],
)
def test_every_idea_has_an_outcome(
    executor: Executor, store: Path, made: Idea, status: str, detail: str
) -> None:
    (outcome,) = executor.execute([made])
    assert outcome.status == status and detail in outcome.detail
    assert outcome.reward == (30.0 if status == "completed" else 0.0)
    assert (outcome.detail == "") == (status == "completed")
    assert set(outcome_files(store)) == {"a"}
    assert executor.run.outcome("a") == outcome


@pytest.mark.parametrize(
    "text",
    [
        "lone \ud800 surrogate\n[Code Changes]\nvalue: 10 -> 30",
        "\0 \x85 \u2028 \U0001f600\n[Code Changes]\nvalue: 10 -> 30",
        "[Code Changes]\nsettings.py\n<<<<<<< SEARCH\nbonus = 0\n=======\n"
        "bonus = 20  # \ud800\n>>>>>>> REPLACE\n",
    ],
)
def test_an_idea_may_hold_any_unicode(executor: Executor, text: str) -> None:
    (outcome,) = executor.execute([Idea("a", text)])
    assert outcome.status in ("completed", "not_implemented")
    kept = executor.run.idea("a")
    assert kept is not None and kept.text == text
    assert executor.execute([idea("b", 31)])[0].reward == 31


@pytest.mark.parametrize(
    "name",
    ["", ".a", "a/b", "../a", "a b", "ü", "a\n", "x" * 129, "baseline", "a.seed3", "a.seed-1"],
)
def test_a_bad_name_is_refused_at_once(executor: Executor, name: str) -> None:
    with pytest.raises(UserError, match="idea id") as caught:
        executor.submit(Idea(name, "text"))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["00-003", "a.b", "seed3", "lr.seeding", "a.seed", "x" * 128])
def test_other_names_are_ideas_and_counted(problem: Problem, store: Path, name: str) -> None:
    with Executor(problem, store=store, slots=1, max_ideas=1) as executor:
        assert executor.execute([idea(name, 30)])[0].completed
        assert executor.ideas_left() == 0


def test_the_baseline_is_the_unpatched_codebase(executor: Executor) -> None:
    outcome = executor.submit_baseline().result()
    assert (outcome.idea_id, outcome.status, outcome.reward) == ("baseline", "completed", 10.0)


def test_an_implementer_of_ones_own_decides_what_an_idea_means(
    problem: Problem, store: Path
) -> None:
    class Literal:
        closed = False

        async def close(self) -> None:
            self.closed = True

        async def implement(self, idea: Idea) -> Implementation:
            if idea.text == "fail":
                raise ConnectionError("no answer from the model")
            return Implementation("completed", patched_files(problem, int(idea.text)))

    literal = Literal()
    with Executor(problem, store=store, slots=1, implementer=literal) as executor:
        failing = executor.submit(Idea("a", "fail"))
        assert executor.execute([Idea("b", "77")])[0].reward == 77
        with pytest.raises(ConnectionError):
            failing.result()
    assert set(outcome_files(store)) == {"b"} and literal.closed


# ---- slots and priorities


def test_never_more_trials_than_slots(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=2) as executor:
        assert executor.slots == 2
        executor.execute([idea(f"i{n}", 20 + n, sleep=0.15) for n in range(8)])
    events = trials(executor.run)
    assert len(events) == 8 and most_at_once(events) == 2


def test_priority_then_submission_decides_who_is_next(executor: Executor, store: Path) -> None:
    blocker = executor.submit(idea("blocker", 99, sleep=1.2))
    wait_until(lambda: (store / "runs/default/ideas/blocker/job.json").exists())
    priorities = [0, 1, 0, -1, 2, 0, 1, 0, 2, -1]
    futures = [
        executor.submit(idea(f"i{n}", 20 + n), priority=priority)
        for n, priority in enumerate(priorities)
    ]
    concurrent.futures.wait([blocker, *futures])
    expected = sorted(range(len(priorities)), key=lambda n: (-priorities[n], n))
    assert [e["key"] for e in trials(executor.run)] == ["blocker", *(f"i{n}" for n in expected)]


def test_a_long_batch_is_under_way_piece_by_piece(
    problem: Problem, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each idea that is under way holds a lock of the store, which is an open file.
    monkeypatch.setattr("executor.pipeline.UNDER_WAY", 3)
    monkeypatch.setattr("executor.pipeline.UNDER_WAY_A_SLOT", 3)
    with Executor(problem, store=store, slots=1) as executor:
        waiting = [executor.submit(idea("first", 20, sleep=0.5))]
        wait_until(lambda: len(list((store / "results").glob("*.lock"))) == 1)
        waiting += [executor.submit(idea(f"i{value}", value)) for value in range(30, 38)]
        wait_until(lambda: len(list((store / "results").glob("*.lock"))) == 3)
        waiting.append(executor.submit(idea("urgent", 40), priority=1))
        while not all(future.done() for future in waiting):
            assert len(list((store / "results").glob("*.lock"))) <= 3
            time.sleep(0.01)
        assert all(future.result().completed for future in waiting)
        keys = [trial["key"] for trial in trials(executor.run)]
    assert keys.index("urgent") <= 3 and len(keys) == 10, "it waited for those under way at most"


def test_a_cancelled_idea_frees_its_slot_and_leaves_no_outcome(
    open_executor: Executor, store: Path, tmp_path: Path
) -> None:
    executor = open_executor
    running = executor.submit(idea("running", 30, shell=f"echo > {tmp_path}/here; sleep 600"))
    wait_until((tmp_path / "here").exists)
    waiting = executor.submit(idea("waiting", 31))
    wait_until(lambda: executor.run.codebase("waiting"))
    waiting.cancel()
    running.cancel()
    assert executor.execute([idea("next", 32)])[0].reward == 32
    assert running.cancelled() and waiting.cancelled()
    assert set(outcome_files(store)) == {"next"} and examined(executor.problem) == [32]
    # It was not refused: submitted again, it runs.
    assert executor.execute([idea("waiting", 31)])[0].reward == 31


@pytest.mark.parametrize("slots", [0, -1])
def test_there_is_at_least_one_slot(problem: Problem, store: Path, slots: int) -> None:
    with pytest.raises(UserError, match="slots"):
        Executor(problem, store=store, slots=slots)
    with Executor(problem, store=store, slots=1) as executor:
        assert executor.execute([idea("a", 30)])[0].completed


def test_a_trial_whose_slot_is_killed_runs_again(open_executor: Executor, tmp_path: Path) -> None:
    executor = open_executor
    once = f"test -e {tmp_path}/here || {{ echo > {tmp_path}/here; sleep 600; }}"
    future = executor.submit(idea("a", 30, shell=once))
    wait_until((tmp_path / "here").exists)
    slots = [
        pid for pid in descendants() if b"workers.slot" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert len(slots) == 1
    os.kill(slots[0], signal.SIGKILL)
    assert future.result(30).reward == 30
    assert examined(executor.problem) == [30]


# ---- the end


def test_closing_is_quick_whatever_runs(problem: Problem, store: Path, tmp_path: Path) -> None:
    executor = Executor(problem, store=store, slots=2, sandbox="none")
    stubborn = f"trap '' TERM INT HUP; echo > {tmp_path}/here; sleep 600; sleep 600"
    running = [executor.submit(idea(f"i{n}", 20 + n, shell=stubborn)) for n in range(4)]
    wait_until((tmp_path / "here").exists)
    begun = time.monotonic()
    executor.close()
    assert time.monotonic() - begun < 3
    assert marked(tmp_path / "tmp") == []
    assert all(future.cancelled() for future in running)
    assert outcome_files(store) == {}
    executor.close()
    with pytest.raises(UserError, match="closed"):
        executor.submit(idea("late", 30))


def test_an_error_in_the_with_block_closes_the_executor(problem: Problem, store: Path) -> None:
    with pytest.raises(KeyError), Executor(problem, store=store, slots=1) as executor:
        executor.submit(idea("a", 30, sleep=600))
        raise KeyError("in the block")
    with Executor(problem, store=store, slots=1) as again:
        assert again.execute([idea("b", 31)])[0].completed


def test_an_executor_that_is_closed_at_once_is_closed(problem: Problem, store: Path) -> None:
    for _ in range(3):
        with Executor(problem, store=store, slots=2):
            pass


def test_tiny_is_what_these_tests_think_it_is() -> None:
    assert "sleep 0\n" in FILES["codebase/run.sh"]
