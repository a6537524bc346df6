"""One executor for a whole Ray job: it survives its own death, nothing survives its driver's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

import ray

from executor import Idea, Problem, Store, StoreError, UserError
from executor.cluster.actor import ActorSettings, ProblemRun
from executor.cluster.remote import RemoteExecutor, start_executors
from executor.errors import ExecutorLost
from gym_envs import ResearchEnv, ResearchVectorEnv
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
from tests.tiny_problem import larger

pytestmark = pytest.mark.usefixtures("ray_cluster")


def start(problem: Problem, store: Path, run: str, **settings: Any) -> RemoteExecutor:
    own = ActorSettings((ProblemRun(problem, run),), str(store), **settings)
    [executor] = start_executors(run, own)
    return executor


@pytest.fixture
def remote(problem: Problem, store: Path) -> Iterator[RemoteExecutor]:
    remote = start(problem, store, "first", slots=2, sandbox="best-effort")
    yield remote
    remote.close()


def kill_actor(remote: RemoteExecutor) -> None:
    """kill -9 of the executor's process."""
    pid = ray.get(remote._actor.__ray_call__.remote(lambda actor: os.getpid()))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_any_process_of_the_job_executes_ideas(remote: RemoteExecutor) -> None:
    @ray.remote(num_cpus=0)
    def elsewhere(name: str) -> tuple[str, list[float]]:
        remote = RemoteExecutor.connect(name)
        futures = [remote.submit(idea(f"i{n}", 20 + n)) for n in range(4)]
        return remote.problem.name, [future.result().reward for future in futures]

    assert remote.problem.name == "tiny" and remote.slots == 2
    assert ray.get(elsewhere.remote(remote.name)) == ("tiny", [20, 21, 22, 23])
    assert remote.submit(idea("same", 21)).result().cached
    assert remote.submit_baseline().result().reward == 10


def test_an_environment_steps_on_it(remote: RemoteExecutor) -> None:
    env = ResearchEnv(remote.problem, executor=remote)
    env.reset()
    assert env.step(larger(30))[1:3] == (30.0, True)
    assert asyncio.run(env.astep(larger(31)))[1] == 31.0
    failed = env.step("no idea at all")
    assert (failed[1], failed[4]["status"]) == (0.0, "not_implemented")
    envs = ResearchVectorEnv(remote.problem, 3, executor=remote)
    envs.reset()
    assert envs.step([larger(n) for n in (32, 33, 34)])[1].tolist() == [32, 33, 34]


@pytest.mark.slow
def test_errors_are_those_of_the_executor(
    remote: RemoteExecutor, problem: Problem, store: Path
) -> None:
    with pytest.raises(UserError) as caught:
        remote.submit(Idea("a b", "…")).result()
    assert str(caught.value).startswith("idea id 'a b': use up to")
    remote.submit(idea("a", 20)).result()
    with pytest.raises(UserError, match="is taken in the run first by another text"):
        remote.submit(idea("a", 21)).result()
    with pytest.raises(UserError, match="has an executor in this Ray job already"):
        start(problem, store, "first")
    with pytest.raises(StoreError, match=r"^run name '\.\./x': use up to"):
        start(problem, store, "../x")
    remote.close()
    with pytest.raises(StoreError, match="the run first belongs to the seed 0; choose another"):
        start(problem, store, "first", seed=1, sandbox="best-effort")


@pytest.mark.slow
def test_a_closed_executor_is_lost_and_its_run_can_be_resumed(
    problem: Problem, store: Path
) -> None:
    remote = start(problem, store, "again", slots=1, sandbox="none")
    assert remote.submit(idea("a", 20)).result().reward == 20
    running = remote.submit(idea("b", 21, sleep=600))
    wait_until(lambda: remote.stats()["running"])
    remote.close()
    with pytest.raises(CancelledError):
        running.result(10)
    assert Store(store).run("again").events()[-1]["event"] == "stop"
    with pytest.raises(ExecutorLost, match="the same command goes on from there"):
        remote.submit(idea("c", 22)).result(10)
    with pytest.raises(ExecutorLost):
        remote.stage()
    with pytest.raises(ExecutorLost, match="there is no executor of again"):
        RemoteExecutor.connect(remote.name)

    remote = start(problem, store, "again", slots=1, sandbox="none")
    assert remote.submit(idea("a", 20)).result().reward == 20
    assert examined(problem) == [20]
    remote.close()


@pytest.mark.slow
def test_it_says_what_runs_and_how_busy_it_is(remote: RemoteExecutor) -> None:
    assert remote.stage()[0] == ""
    remote.mark("execute")
    wait_until(lambda: remote.stage()[0] == "execute")
    assert abs(remote.stage()[1] - time.time()) < 5
    # Both slots have run before.
    warm = [remote.submit(idea(f"warm{n}", 40 + n, sleep=0.5)) for n in range(2)]
    assert [future.result().status for future in warm] == ["completed"] * 2

    begun = time.time()
    futures = [remote.submit(idea(f"i{n}", 20 + n, sleep=1)) for n in range(4)]
    wait_until(lambda: remote.stats()["running"] == 2)
    assert remote.stats() == {"slots": 2, "running": 2, "queued": 2, "finished": 2}
    durations = [future.result().duration_s for future in futures]
    ended = time.time()
    assert remote.busy(begun, ended) == pytest.approx(
        sum(durations) / 2 / (ended - begun), abs=0.02
    )
    assert remote.busy(ended + 1, ended + 2) == 0
    assert remote.stats() == {"slots": 2, "running": 0, "queued": 0, "finished": 6}


def test_cancelling_frees_the_slot_and_leaves_no_process(
    problem: Problem, store: Path, tmp_path: Path
) -> None:
    remote = start(problem, store, "cancel", slots=1, sandbox="none")
    shell = f"touch {tmp_path}/runs; sleep 600 # {tmp_path}"
    running = remote.submit(idea("long", shell=f"sh -c '{shell}; true'"))
    wait_until((tmp_path / "runs").exists)
    assert running.cancel()
    assert remote.submit(idea("next", 20)).result(20).reward == 20
    assert all_gone(f"# {tmp_path}")
    remote.close()


@pytest.mark.slow
def test_it_answers_however_many_ideas_are_under_way(remote: RemoteExecutor) -> None:
    futures = [remote.submit(idea(f"i{n}", sleep=600)) for n in range(1100)]
    wait_until(lambda: remote.stats()["running"])
    assert remote.busy(0, 1) == 0
    for future in futures:
        future.cancel()
    assert remote.submit(idea("next", 20)).result(60).reward == 20


@pytest.mark.slow
def test_an_executor_that_is_killed_loses_nothing(
    remote: RemoteExecutor, problem: Problem, store: Path
) -> None:
    futures = [remote.submit(idea(f"i{n}", 20 + n, sleep=0.7)) for n in range(8)]
    wait_until(lambda: len(outcome_files(store)) >= 3)
    kill_actor(remote)
    kept = [20 + int(name.removeprefix("i")) for name in outcome_files(store)]
    assert [future.result(60).reward for future in futures] == [20.0 + n for n in range(8)]
    times = Counter(examined(problem))
    assert set(times) == set(range(20, 28))
    assert all(times[value] == 1 for value in kept)
    # What was under way at the kill, at most, has been examined twice.
    assert times.total() <= 8 + 2
    run = Store(store).run("first")
    assert sorted(event["key"] for event in trials(run)) == sorted(f"i{n}" for n in range(8))
    assert most_at_once(trials(run)) == 2
    assert [event["event"] for event in run.events()].count("start") == 2


@pytest.mark.slow
def test_several_problems_share_the_slots_of_one_actor_also_after_its_death(
    store: Path, tmp_path: Path
) -> None:
    runs = [ProblemRun(tiny(tmp_path / name), name) for name in ("one", "two")]
    settings = ActorSettings(tuple(runs), str(store), slots=2, sandbox="none")
    executors = start_executors("both", settings)
    assert [executor.run for executor in executors] == ["one", "two"]
    again = RemoteExecutor.connect(executors[0].name, "two")
    assert again.problem.folder == tmp_path / "two" and again.slots == 2
    begun = time.time()
    futures = [
        executor.submit(idea(f"i{n}", 20 + n, sleep=0.5))
        for n in range(4)
        for executor in executors
    ]
    wait_until(lambda: len(list(store.glob("runs/*/ideas/*/outcome.json"))) >= 3)
    kill_actor(again)
    assert [future.result(60).reward for future in futures] == [20, 20, 21, 21, 22, 22, 23, 23]
    events = [event for own in runs for event in trials(Store(store).run(own.run))]
    assert sorted(event["key"] for event in events) == sorted(2 * [f"i{n}" for n in range(4)])
    assert most_at_once(events) == 2
    # What ran before the restart is not known, and it is one place.
    ended = time.time()
    assert 0 < again.busy(begun, ended) == executors[0].busy(begun, ended) < 1
    again.close()
    with pytest.raises(ExecutorLost):
        executors[0].submit(idea("late", 20)).result(10)


DRIVER = """
import sys
import ray
from executor import load_problem
from executor.cluster.reaper import end_with_me
from pathlib import Path
from tests.executor.cluster.test_ray_actor import start
from tests.executor.runs import idea

with end_with_me():
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    problem, store = load_problem(sys.argv[1]), Path(sys.argv[2])
    remote = start(problem, store, "driven", slots=2, sandbox="none")
    print(remote.submit(idea("quick", 20)).result().reward, flush=True)
    futures = [remote.submit(idea(f"i{n}", 20 + n, sleep=86399)) for n in range(2)]
    futures[0].result()
"""


@pytest.mark.slow
def test_nothing_survives_a_driver_that_is_killed_and_its_run_goes_on(
    problem: Problem, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(problem.folder), str(store)],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout and driver.stdout.readline() == "20.0\n"
    sleeping = f"{tmp_path}/tmp/ideator-rl-"
    wait_until(lambda: len([pid for pid in marked(sleeping) if b"sleep" in cmdline(pid)]) == 2)
    driver.kill()
    driver.wait()

    remote = start(problem, store, "driven", slots=2, sandbox="none")
    assert remote.submit(idea("quick", 20)).result().reward == 20
    assert examined(problem) == [20]
    remote.close()
    # Ray's own processes, the trials, and whoever waited for the driver's end.
    assert all_gone(tmp_path / "tmp", 20)
    assert [path for path in (tmp_path / "tmp").iterdir() if path.name != "ray"] == []


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
