"""The executor: ideas in, outcomes out; what has run does not run again."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from executor import (
    Executor,
    Idea,
    Problem,
    ProblemError,
    Store,
    StoreError,
    UserError,
    load_problem,
)
from executor.processes import descendants
from executor.records import Implementation
from executor.store import zip_tree
from tests.executor.runs import (
    examined,
    idea,
    most_at_once,
    outcome_files,
    tiny,
    trials,
    wait_until,
)
from tests.executor.trials import all_gone, marked
from tests.tiny_problem import FILES


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test no process of its executors is alive, and no temporary folder is there."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    assert all_gone(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return tiny(tmp_path / "tiny")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def executor(problem: Problem, store: Path) -> Iterator[Executor]:
    with Executor(problem, store=store, slots=1) as executor:
        yield executor


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
        async def implement(self, idea: Idea) -> Implementation:
            if idea.text == "fail":
                raise ConnectionError("no answer from the model")
            return Implementation("completed", files(problem, int(idea.text)))

    with Executor(problem, store=store, slots=1, implementer=Literal()) as executor:
        failing = executor.submit(Idea("a", "fail"))
        assert executor.execute([Idea("b", "77")])[0].reward == 77
        with pytest.raises(ConnectionError):
            failing.result()
    assert set(outcome_files(store)) == {"b"}


def files(problem: Problem, value: int) -> Mapping[str, str]:
    return {**problem.codebase, "settings.py": f"value = {value}\nbonus = 0\n"}


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


def test_a_cancelled_idea_frees_its_slot_and_leaves_no_outcome(
    executor: Executor, store: Path, tmp_path: Path
) -> None:
    running = executor.submit(idea("running", 30, shell=f"echo > {tmp_path}/here; sleep 600"))
    waiting = executor.submit(idea("waiting", 31))
    wait_until((tmp_path / "here").exists)
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


def test_a_trial_whose_slot_is_killed_runs_again(executor: Executor, tmp_path: Path) -> None:
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


# ---- nothing runs twice


def test_identical_codebases_of_a_batch_run_once(problem: Problem, store: Path) -> None:
    batch = [idea(name, 30, sleep=0.2) for name in "abcd"]
    with Executor(problem, store=store, slots=2) as executor:
        outcomes = executor.execute(batch)
    assert [o.reward for o in outcomes] == [30.0] * 4
    assert [o.idea_id for o in outcomes] == list("abcd")
    assert sorted(o.cached for o in outcomes) == [False, True, True, True]
    assert examined(problem) == [30] and len(trials(executor.run)) == 1


def test_identical_codebases_of_different_runs_run_once(problem: Problem, store: Path) -> None:
    first = idea("first", 30, shell="echo a line of the log")
    with Executor(problem, store=store, slots=1, run="one") as executor:
        assert not executor.execute([first])[0].cached
    with Executor(problem, store=store, slots=1, run="two") as executor:
        (again,) = executor.execute([Idea("second", first.text)])
        assert again.cached and again.idea_id == "second" and again.reward == 30
        assert "a line of the log" in executor.run.log("second")
    assert examined(problem) == [30]


def test_failures_are_remembered_too(executor: Executor) -> None:
    outcomes = executor.execute([idea(name, shell="exit 1") for name in "ab"])
    assert [o.status for o in outcomes] == ["crashed", "crashed"]
    assert len(trials(executor.run)) == 1


BATCH = """
import sys
from executor import Executor, load_problem
from tests.executor.runs import idea
batch = [idea(f"i{n}", 20 + n, sleep=0.2) for n in range(3)]
with Executor(load_problem(sys.argv[1]), store=sys.argv[2], run=sys.argv[3], slots=1) as executor:
    outcomes = executor.execute(batch)
assert [outcome.reward for outcome in outcomes] == [20.0, 21.0, 22.0], outcomes
"""


def test_identical_codebases_of_processes_at_the_same_time_run_once(
    problem: Problem, store: Path
) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", BATCH, str(problem.folder), str(store), run])
        for run in ("one", "two", "three")
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert sorted(examined(problem)) == [20, 21, 22]


def test_another_seed_runs_again_in_a_folder_of_its_own(executor: Executor, store: Path) -> None:
    seeds = [executor.submit(idea("a", 30), seed=seed).result().seed for seed in (0, 1, -2, 1)]
    assert seeds == [0, 1, -2, 1]
    assert set(outcome_files(store)) == {"a", "a.seed1", "a.seed-2"}
    assert examined(executor.problem) == [30, 30, 30]


def test_another_version_of_the_problem_runs_again(problem: Problem, store: Path) -> None:
    other = load_problem(problem.folder, {"budget.seconds": 19})
    for run, version in (("one", problem), ("two", other)):
        with Executor(version, store=store, slots=1, run=run) as executor:
            assert not executor.execute([idea("a", 30)])[0].cached
    assert examined(problem) == [30, 30]


def test_an_idea_that_is_submitted_twice_is_one_trial(executor: Executor, store: Path) -> None:
    futures = [executor.submit(idea("a", 30, sleep=0.3)) for _ in range(3)]
    first, second, third = (future.result() for future in futures)
    assert first == second == third == executor.run.outcome("a")
    events = [event["event"] for event in executor.run.events()]
    assert (events.count("trial"), events.count("finished")) == (1, 1)


def test_the_same_run_again_reads_what_is_finished_and_runs_the_rest(
    problem: Problem, store: Path
) -> None:
    batch = [idea(f"i{n}", 20 + n) for n in range(4)]
    with Executor(problem, store=store, slots=1) as executor:
        before = executor.execute(batch[:2])
        # Begun, and then the executor closes.
        executor.submit(idea("i2", 22))
    kept = outcome_files(store)
    with Executor(problem, store=store, slots=1) as executor:
        assert executor.execute(batch)[:2] == before
    assert sorted(examined(problem)) == [20, 21, 22, 23]
    assert {name: text for name, text in outcome_files(store).items() if name in kept} == kept
    finished = [e["key"] for e in executor.run.events() if e["event"] == "finished"]
    assert sorted(finished) == ["i0", "i1", "i2", "i3"]


def test_a_bucket_keeps_a_run_as_a_folder_does(problem: Problem) -> None:
    url = f"memory://{uuid4().hex}"
    with Executor(problem, store=url, slots=1, max_ideas=2) as executor:
        before = executor.execute([idea("a", 30), idea("b", shell="exit 1")])
    with Executor(problem, store=url, slots=1, max_ideas=2) as executor:
        assert executor.execute([idea("a", 30), idea("b", shell="exit 1")]) == before
        assert executor.execute([idea("c", 31)])[0].status == "cancelled"
    assert Store(url).run("default").trials() == ["a", "b"]
    assert len(trials(Store(url).run("default"))) == 2


# ---- work that another process leaves in the store


def test_a_codebase_that_appears_in_the_store_is_run_by_the_clock(
    problem: Problem, store: Path
) -> None:
    other = Store(store).run("default")
    with Executor(problem, store=store, slots=1, period_s=0.05):
        other.write_idea("a", Idea("a", "made elsewhere"))
        # The implementer takes its time: several ticks see an idea without a codebase.
        time.sleep(0.4)
        other.write_implementation("a", Implementation("completed", files(problem, 55), "diff"))
        wait_until(lambda: other.outcome("a"))
    outcome = other.outcome("a")
    assert outcome is not None and (outcome.status, outcome.reward) == ("completed", 55.0)
    assert examined(problem) == [55]


def test_codebases_that_were_left_before_are_run_with_their_seeds(
    problem: Problem, store: Path
) -> None:
    run = Store(store).run("default")
    for n, key in enumerate(["a", "a.seed4", "baseline", "b.seed-1"]):
        run.write_idea(key, Idea(key.split(".")[0], "made elsewhere"))
        run.write_implementation(key, Implementation("completed", files(problem, 50 + n)))
    with Executor(problem, store=store, slots=1, seed=7, period_s=0.05):
        wait_until(lambda: len(outcome_files(store)) == 4)
    found = {key: run.outcome(key) for key in run.trials()}
    assert {key: o.seed for key, o in found.items() if o} == {
        "a": 7,
        "a.seed4": 4,
        "baseline": 7,
        "b.seed-1": -1,
    }


def test_what_makes_no_sense_in_the_store_does_not_stop_the_clock(
    problem: Problem, store: Path
) -> None:
    run = Store(store).run("default")
    ideas = store / "runs/default/ideas"
    for key in ("empty", "no-idea", "broken", "file", "stray"):
        (ideas / key).mkdir(parents=True)
    (ideas / "no-idea/codebase.zip").write_bytes(zip_tree(files(problem, 1)))
    (ideas / "broken/idea.json").write_text('{"id": ')
    (ideas / "stray/idea.json").write_text(Idea("another", "text").to_json())
    (ideas / "stray/codebase.zip").write_bytes(zip_tree(files(problem, 2)))
    (ideas / "a-file").write_text("")
    with Executor(problem, store=store, slots=1, period_s=0.05):
        time.sleep(0.2)
        run.write_idea("z", Idea("z", "text"))
        run.write_implementation("z", Implementation("completed", files(problem, 55)))
        wait_until(lambda: run.outcome("z"))


# ---- who may execute a run


def test_a_run_belongs_to_one_executor_at_a_time(
    executor: Executor, problem: Problem, store: Path
) -> None:
    with pytest.raises(StoreError, match="being executed"):
        Executor(problem, store=store)
    code = BATCH.replace("idea(f", "idea(f")
    command = [sys.executable, "-c", code, str(problem.folder), str(store), "default"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "being executed" in refused.stderr.splitlines()[-1]
    with Executor(problem, store=store, slots=1, run="another") as other:
        assert other.execute([idea("a", 30)])[0].completed
    assert executor.execute([idea("a", 30)])[0].cached


def test_a_run_belongs_to_one_version_and_one_seed(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=1) as executor:
        executor.execute([idea("a", 30)])
    other = load_problem(problem.folder, {"budget.seconds": 19})
    for wrong in ({"problem": other}, {"problem": problem, "seed": 3}):
        with pytest.raises(StoreError, match="the run default belongs to"):
            Executor(**wrong, store=store, slots=1)
    retitled = load_problem(problem.folder, {"title": "Another title"})
    with Executor(retitled, store=store, slots=1) as executor:
        assert executor.execute([idea("a", 30)])[0].reward == 30


def test_missing_data_do_not_lock_the_run(problem: Problem, store: Path) -> None:
    prepare = problem.folder / "prepare.py"
    prepare.write_text("def prepare(train, held_out, source=None): ...\n")
    data = {"data.prepare": "prepare.py", "data.auto": False}
    with pytest.raises(ProblemError, match="envs prepare tiny"):
        Executor(load_problem(problem.folder, data), store=store)
    data["data.auto"] = True
    with Executor(load_problem(problem.folder, data), store=store, slots=1) as executor:
        assert executor.execute([idea("a", 30)])[0].completed


def test_a_store_that_cannot_be_written_is_said_at_once(problem: Problem) -> None:
    with pytest.raises(StoreError, match="/dev/null/store"):
        Executor(problem, store="/dev/null/store")


# ---- the end


def test_closing_is_quick_whatever_runs(problem: Problem, store: Path, tmp_path: Path) -> None:
    executor = Executor(problem, store=store, slots=2)
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
