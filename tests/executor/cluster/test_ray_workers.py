"""Trials as Ray tasks: the same outcomes as on local slots, whatever Ray or the nodes do."""

from __future__ import annotations

import _thread
import asyncio
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from executor import Executor, Outcome, Problem, UserError, load_problem
from executor.cluster.task import Needs, run_trial_here
from executor.cluster.workers import RayWorkers
from executor.records import Job, Trial
from executor.sandbox import Sandbox, choose
from executor.workers.local import LocalWorkers, available_cores
from executor.workers.slot_process import TRIES
from tests.executor.runs import idea, most_at_once, tiny, trials
from tests.executor.trials import TRAIN, is_alive, make_spec, marked

pytestmark = [pytest.mark.usefixtures("ray_cluster"), pytest.mark.slow]
JOB = Job("a", "hash")
# Here training has to be able to leave signs on the host.
OPEN = Sandbox("process", "none")
# More than the head node has: such trials run on the two others.
MANY = {"resources.cpus": 32}
# The first time it stays, and says who runs it.
STAYS_ONCE = f"""
import os, sys, time
first = not os.path.exists(sys.argv[1])
open(sys.argv[1], 'w').write(str(os.getppid()))
if first: time.sleep(600)
{TRAIN}"""


@pytest.fixture(scope="module")
def nodes(ray_cluster: Any) -> Iterator[list[Any]]:
    """Two more nodes."""
    found = [ray_cluster.add_node(num_cpus=32, num_gpus=2) for _ in range(2)]
    ray_cluster.wait_for_nodes()
    yield found


def play(workers: Any, scene: Callable[[Any], Awaitable[Any]]) -> Any:
    """What a scene returns; the workers are closed after it."""

    async def whole() -> Any:
        try:
            return await asyncio.wait_for(scene(workers), 60)
        finally:
            await workers.close()

    return asyncio.run(whole())


async def number_in(path: Path) -> int:
    while not path.exists() or not path.read_text():
        await asyncio.sleep(0.02)
    return int(path.read_text())


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_outcomes_are_those_of_local_workers(tmp_path: Path) -> None:
    tiny(tmp_path / "tiny")
    problem = load_problem(tmp_path / "tiny", {"budget.seconds": 1.5})
    ideas = [idea("good", 30), idea("crash", shell="exit 3"), idea("slow", sleep=60)]
    lock = choose("best-effort")

    def outcomes(name: str, workers: Any) -> list[Outcome]:
        with Executor(problem, store=tmp_path / name, workers=workers) as executor:
            assert executor.slots == 2
            found = executor.execute(ideas)
        assert most_at_once(trials(executor.run)) <= 2
        measured = ("duration_s", "charged_s", "startup_s", "train_s", "examine_s", "cpu_s")
        other = ("memory_mib", "disk_mib", "submitted_at", "finished_at")
        return [replace(o, **dict.fromkeys((*measured, *other), 0.0)) for o in found]

    in_ray = outcomes("ray", RayWorkers(problem, lock, slots=2))
    assert [outcome.status for outcome in in_ray] == ["completed", "crashed", "timeout"]
    assert in_ray == outcomes("local", LocalWorkers(2, lock))


def test_no_more_trials_run_at_a_time_than_there_are_slots(problem: Problem, store: Path) -> None:
    workers = RayWorkers(problem, choose("best-effort"), slots=2)
    with Executor(problem, store=store, workers=workers) as executor:
        # Long enough for both to be seen at once, however slowly a busy machine starts them.
        ideas = [idea(f"i{n}", 20 + n, sleep=1) for n in range(6)]
        assert [o.reward for o in executor.execute(ideas)] == [20, 21, 22, 23, 24, 25]
    assert most_at_once(trials(executor.run)) == 2


def test_by_default_only_cores_that_exist_are_slots(problem: Problem) -> None:
    assert RayWorkers(problem, OPEN).slots == min(16, len(available_cores()))


def test_a_trial_that_no_node_can_ever_run_is_refused(problem: Problem) -> None:
    greedy = load_problem(problem.folder, {"resources.gpus": 3})
    with pytest.raises(UserError, match=r"no node of this Ray cluster has the 1 core.* 3 GPU"):
        RayWorkers(greedy, OPEN)


def test_a_trial_finds_the_environment_of_a_local_one(problem: Problem, tmp_path: Path) -> None:
    train = f"import json, os\nprint(json.dumps(dict(os.environ)))\n{TRAIN}"
    spec = make_spec(tmp_path / "spec", train)

    def environment(workers: Any) -> dict[str, str]:
        trial = play(workers, lambda workers: workers.run(JOB, spec))
        found = json.loads(trial.log)
        assert f"{tempfile.gettempdir()}/ideator-rl-" in found["HOME"]
        return {key: value for key, value in found.items() if found["HOME"] not in value}

    in_ray = environment(RayWorkers(problem, OPEN, slots=1))
    assert "PATH" in in_ray and not [name for name in in_ray if name.startswith("RAY")]
    assert in_ray == environment(LocalWorkers(1, OPEN))


def test_cancelling_ends_the_trial_and_the_slot_is_used_again(
    problem: Problem, tmp_path: Path
) -> None:
    # It has left the session of its trial.
    stray = "import os, sys, time\nif os.fork(): time.sleep(600)\nos.setsid()\n"
    nap = f"{stray}open(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    entry = ["python", "train.py", str(tmp_path / "pid")]

    async def scene(workers: RayWorkers) -> Trial:
        running = asyncio.create_task(workers.run(JOB, make_spec(tmp_path / "a", nap, entry=entry)))
        pid = await number_in(tmp_path / "pid")
        running.cancel()
        await asyncio.wait([running], timeout=20)
        assert running.cancelled() and not is_alive(pid)
        assert marked(tmp_path) == []
        return await workers.run(JOB, make_spec(tmp_path / "b"))

    assert play(RayWorkers(problem, OPEN, slots=1), scene).status == "completed"


def test_a_trial_is_interrupted_where_a_script_had_its_processes_ignore_that(
    problem: Problem, tmp_path: Path
) -> None:
    entry = ["python", "train.py", str(tmp_path / "pid")]
    spec = make_spec(tmp_path / "a", STAYS_ONCE, entry=entry)

    def interrupt() -> None:
        asyncio.run(asyncio.wait_for(number_in(tmp_path / "pid"), 20))
        _thread.interrupt_main()  # as Ray does

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            run_trial_here(Needs.of(problem, OPEN), spec)
    finally:
        signal.signal(signal.SIGINT, before)
    assert marked(tmp_path) == []


def test_a_trial_that_waits_in_ray_can_be_cancelled(problem: Problem, tmp_path: Path) -> None:
    all_cores = load_problem(problem.folder, {"resources.cpus": 16})
    first, second = (["python", "train.py", str(tmp_path / name)] for name in "ab")

    async def scene(workers: RayWorkers) -> None:
        specs = [make_spec(tmp_path / "s", STAYS_ONCE, entry=entry) for entry in (first, second)]
        running = asyncio.create_task(workers.run(JOB, specs[0]))
        await number_in(tmp_path / "a")
        waiting = asyncio.create_task(workers.run(JOB, specs[1]))
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert time.monotonic() - begun < 4 and not (tmp_path / "b").exists()
        running.cancel()
        await asyncio.wait([running])

    play(RayWorkers(all_cores, OPEN, slots=2), scene)


def test_a_trial_whose_ray_worker_is_killed_runs_again(problem: Problem, tmp_path: Path) -> None:
    entry = ["python", "train.py", str(tmp_path / "slot")]

    async def scene(workers: RayWorkers) -> tuple[Trial, int]:
        spec = make_spec(tmp_path / "spec", STAYS_ONCE, entry=entry)
        running = asyncio.create_task(workers.run(JOB, spec))
        slot = await number_in(tmp_path / "slot")
        os.kill(parent(slot), signal.SIGKILL)
        return await running, slot

    trial, slot = play(RayWorkers(problem, OPEN, slots=1), scene)
    assert trial.status == "completed"
    assert not is_alive(slot)


def test_a_training_that_kills_its_slot_every_time_crashed(
    problem: Problem, tmp_path: Path
) -> None:
    train = "import os, sys\nopen(sys.argv[1], 'a').write('x')\nos.kill(os.getppid(), 9)\n"
    spec = make_spec(
        tmp_path / "spec", train, entry=["python", "train.py", str(tmp_path / "tries")]
    )
    workers = RayWorkers(problem, OPEN, slots=1)
    trial = play(workers, lambda workers: workers.run(JOB, spec))
    assert (trial.status, trial.stage, trial.ended) == ("crashed", "train", 0.0)
    assert f"died {TRIES} times" in trial.detail
    assert (tmp_path / "tries").read_text() == "x" * TRIES


# ---- on other nodes


def with_data(folder: Path, **overrides: object) -> Problem:
    """The tiny problem with data of its own."""
    toml = tiny(folder).path
    prepare = """
def prepare(train, held_out, source=None):
    (train / "x").write_text("1")
    (held_out / "y").write_text("2")
"""
    (folder / "prepare.py").write_text(f"# {folder}\n{prepare}")
    toml.write_text(f'{toml.read_text()}\n[data]\nprepare = "prepare.py"\n')
    return load_problem(folder, overrides)


def test_data_that_are_gone_end_the_run_with_one_line(tmp_path: Path) -> None:
    problem = with_data(tmp_path / "tiny")
    workers = RayWorkers(problem, OPEN, slots=1)
    held_out = problem.data().held_out
    assert held_out is not None
    held_out.rename(tmp_path / "away")
    with (
        Executor(problem, store=tmp_path / "store", workers=workers) as executor,
        pytest.raises(UserError, match=rf"cannot run on .*{held_out} is not there.* envs prepare"),
    ):
        executor.execute([idea("a", 20)])
    (tmp_path / "away").rename(held_out)


@pytest.mark.usefixtures("nodes")
def test_a_node_without_the_data_prepares_them(tmp_path: Path) -> None:
    problem = with_data(tmp_path / "tiny", **MANY)
    workers = RayWorkers(problem, choose("best-effort"))
    assert workers.slots == 2
    with Executor(problem, store=tmp_path / "store", workers=workers) as executor:
        folder = executor.problem.data().train.parent
        shutil.rmtree(folder)
        assert executor.execute([idea("a", 20)])[0].status == "completed"
    assert (folder / "held_out" / "y").read_text() == "2"


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (shutil.rmtree, "tiny: its data are not prepared; run: ideator-rl envs prepare tiny"),
        (lambda data: (data / "manifest.json").write_text("{}"), "data of tiny are others than"),
    ],
)
def test_where_no_node_has_the_right_data_the_run_ends_with_one_line(
    tmp_path: Path, harm: Callable[[Path], object], said: str
) -> None:
    problem = with_data(tmp_path / "tiny", **MANY)
    folder = problem.data().train.parent
    problem = load_problem(problem.folder, {**MANY, "data.auto": False})
    with Executor(problem, store=tmp_path / "s", workers=RayWorkers(problem, OPEN)) as executor:
        harm(folder)
        with pytest.raises(UserError) as caught:
            executor.execute([idea("a", 20)])
    assert said in str(caught.value)
    assert str(caught.value).splitlines() == [str(caught.value)]


@pytest.mark.usefixtures("nodes")
def test_trials_at_the_same_time_have_gpus_of_their_own(problem: Problem, tmp_path: Path) -> None:
    with_gpu = load_problem(problem.folder, {"resources.gpus": 1})
    # Each stays until both are there.
    train = f"""
import os, sys, time
mine = os.environ["CUDA_VISIBLE_DEVICES"]
print(mine)
open(f"{{sys.argv[1]}}/{{sys.argv[2]}}", "w")
while len(os.listdir(sys.argv[1])) < 4: time.sleep(0.01)
{TRAIN}"""
    (tmp_path / "meeting").mkdir()

    async def scene(workers: RayWorkers) -> list[Trial]:
        assert workers.slots == 4
        words = ["python", "train.py", str(tmp_path / "meeting")]
        specs = [
            make_spec(tmp_path / f"s{n}", train, entry=[*words, str(n)], gpus=1) for n in range(4)
        ]
        return await asyncio.gather(*(workers.run(JOB, spec) for spec in specs))

    logs = [trial.log.strip() for trial in play(RayWorkers(with_gpu, OPEN), scene)]
    # Two on each node.
    assert sorted(logs) == ["0", "0", "1", "1"]


def test_a_trial_whose_node_is_lost_runs_again_on_another(
    problem: Problem, tmp_path: Path, ray_cluster: Any, nodes: list[Any]
) -> None:
    many = load_problem(problem.folder, MANY)
    entry = ["python", "train.py", str(tmp_path / "slot")]

    async def scene(workers: RayWorkers) -> tuple[Trial, int]:
        spec = make_spec(tmp_path / "spec", STAYS_ONCE, entry=entry)
        running = asyncio.create_task(workers.run(JOB, spec))
        slot = await number_in(tmp_path / "slot")
        raylet = parent(parent(slot))
        (its,) = (n for n in nodes if n.all_processes["raylet"][0].process.pid == raylet)
        ray_cluster.remove_node(its, allow_graceful=False)
        return await running, slot

    trial, slot = play(RayWorkers(many, OPEN), scene)
    assert trial.status == "completed"
    assert not is_alive(slot)
