"""The executor and its store: what has run does not run again, whoever ran it."""

from __future__ import annotations

import subprocess
import sys
import time
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
from executor.records import Implementation, Job
from executor.store.tree import zip_tree
from tests.executor.runs import (
    examined,
    idea,
    outcome_files,
    patched_files,
    trials,
    wait_until,
)
from tests.tiny_problem import make_problem

pytestmark = pytest.mark.usefixtures("nothing_is_left")


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


def test_a_log_that_a_kill_kept_from_its_result_is_written_again(
    problem: Problem, store: Path
) -> None:
    with Executor(problem, store=store, slots=1) as executor:
        outcome = executor.submit(idea("a", 30, shell="sleep 0; echo measured")).result()
    folder = store / "runs" / "default" / "ideas" / "a"
    for name in ("log.txt", "outcome.json"):
        (folder / name).unlink()
    with Executor(problem, store=store, slots=1) as executor:
        again = executor.submit(idea("a", 30, shell="sleep 0; echo measured")).result()
        assert executor.run.log("a") == "measured\n"
    assert (again.reward, again.cached) == (outcome.reward, False)
    assert examined(problem) == [30]


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_an_idea_that_another_process_left_meanwhile_keeps_its_text_and_its_code(
    problem: Problem, store: Path, where: str
) -> None:
    url = str(store) if where == "folder" else f"memory://{uuid4().hex}"
    with Executor(problem, store=url, slots=1, period_s=1000) as executor:
        left = Store(url).run("default")
        for name in "ab":
            left.write_idea(name, idea(name, 30))
            files = patched_files(problem, 40)
            left.write_implementation(name, Implementation("completed", files))
        # Of the code that is there, not of the code that the idea's text would give.
        assert executor.submit(idea("a", 30)).result(20).reward == 40
        with pytest.raises(UserError, match="taken in the run default by another text"):
            executor.submit(idea("b", 31)).result(20)


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
        other.write_implementation(
            "a", Implementation("completed", patched_files(problem, 55), "diff")
        )
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
        run.write_implementation(key, Implementation("completed", patched_files(problem, 50 + n)))
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
    (ideas / "no-idea/codebase.zip").write_bytes(zip_tree(patched_files(problem, 1)))
    (ideas / "broken/idea.json").write_text('{"id": ')
    (ideas / "stray/idea.json").write_text(Idea("another", "text").to_json())
    (ideas / "stray/codebase.zip").write_bytes(zip_tree(patched_files(problem, 2)))
    (ideas / "a-file").write_text("")
    with Executor(problem, store=store, slots=1, period_s=0.05):
        time.sleep(0.2)
        run.write_idea("z", Idea("z", "text"))
        run.write_implementation("z", Implementation("completed", patched_files(problem, 55)))
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


def test_a_changed_character_in_a_helper_of_the_examination_runs_every_idea_again(
    problem: Problem, store: Path
) -> None:
    (problem.folder / "scoring.py").write_text("FACTOR = 1\n")
    text = problem.evaluate.read_text().replace("import ast", "import ast, scoring")
    problem.evaluate.write_text(text.replace('"value": float(', '"value": scoring.FACTOR * float('))
    ideas, rewards = [idea("a", 30), idea("b", 40)], []
    for run, factor in (("first", 1), ("again", 1), ("changed", 2)):
        (problem.folder / "scoring.py").write_text(f"FACTOR = {factor}\n")
        with Executor(load_problem(problem.folder), store=store, run=run, slots=1) as executor:
            rewards.append([(o.reward, o.cached) for o in executor.execute(ideas)])
    first, again, changed = rewards
    assert first == [(30, False), (40, False)]
    assert again == [(30, True), (40, True)]
    assert changed == [(60, False), (80, False)]


def test_a_trial_for_the_final_part_stays_one_after_a_kill(tmp_path: Path, store: Path) -> None:
    folder = make_problem(tmp_path / "tiny")
    (folder / "prepare.py").write_text(
        "def prepare(train, held_out, source=None, *, final):\n"
        "    (final / 'here').write_text('')\n"
    )
    problem = load_problem(folder, {"data.prepare": "prepare.py"})
    run = Store(store).run("default")
    run.write_idea("a.seed4", Idea("a", "made elsewhere"))
    run.write_job("a.seed4", Job("a", "", seed=4, final=True))
    files = patched_files(problem, 50)
    run.write_implementation("a.seed4", Implementation("completed", files))
    with Executor(problem, store=store, slots=1, period_s=0.05):
        wait_until(lambda: run.outcome("a.seed4") is not None)
    outcome = run.outcome("a.seed4")
    assert outcome and outcome.final == {"value": 50} and outcome.final_reward == 50
