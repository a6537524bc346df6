"""The queue of a store: jobs in their order, each once; trials until they are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.errors import DamagedRecord
from executor.queue.entries import WorkerEntry, join, leave, living_workers
from executor.queue.queue import Queue, QueuedJob, QueuedProblem, open_queues
from executor.records import Trial
from executor.store.open import open_storage
from executor.store.storage import Storage

PROBLEM = QueuedProblem("tiny", "0f" * 8, {"budget.seconds": 3})
TRIAL = Trial("completed", "done", metrics={"value": 3.0}, started=1.0, ended=2.0)


def job(content: str, priority: int = 0, submitted_at: float = 0.0) -> QueuedJob:
    return QueuedJob(
        "an-idea", content, 0, False, "best-effort", priority, submitted_at, {"run.sh": "true"}
    )


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    urls: dict[str, Callable[[], str]] = {
        "folder": lambda: str(tmp_path),
        "memory": lambda: f"memory://{tmp_path.name}",
        "s3": lambda: request.getfixturevalue("s3_url"),
    }
    return open_storage(urls[request.param]())


@given(
    st.lists(
        st.tuples(st.integers(-5, 99), st.floats(0, 4e9, allow_nan=False)),
        unique=True,
        max_size=20,
    )
)
def test_names_sort_by_priority_and_age(asked: list[tuple[int, float]]) -> None:
    jobs = [job("a", priority, round(at, 3)) for priority, at in asked]
    by_name = sorted(jobs, key=lambda job: job.order)
    assert [(-j.priority, j.submitted_at) for j in by_name] == sorted(
        (-j.priority, j.submitted_at) for j in jobs
    )


def test_jobs_wait_in_their_order_and_each_once(storage: Storage) -> None:
    queue = Queue(storage, PROBLEM)
    assert open_queues(storage) == []
    jobs = [job("b", 0, 2.0), job("a", 0, 3.0), job("c", 1, 4.0)]
    for each in (*jobs, job("a", 5, 9.0)):
        queue.post(each)
    waiting = queue.waiting()
    assert list(waiting) == ["c-best-effort", "b-best-effort", "a-best-effort"]
    assert queue.job(waiting["c-best-effort"]) == jobs[2]
    assert open_queues(storage) == [PROBLEM]
    queue.cancel("b-best-effort")
    assert queue.job(waiting["b-best-effort"]) is None
    assert "b-best-effort" not in queue.waiting()


def test_a_trial_stays_until_it_is_forgotten_and_needs_no_job(storage: Storage) -> None:
    queue = Queue(storage, PROBLEM)
    queue.post(job("a"))
    [key] = queue.waiting()
    queue.begin(key, 0)
    queue.begin(key, 1)
    queue.take_back(key, 1)
    assert queue.tries(key) == 1
    queue.finish(key, TRIAL)
    assert queue.waiting() == {} and queue.ended() == {key} and queue.trial(key) == TRIAL
    queue.post(job("a"))
    assert queue.waiting() == {}
    queue.forget([key])
    assert queue.ended() == set() and queue.trial(key) is None
    queue.post(job("a"))
    assert queue.tries(key) == 0


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\0b"])
def test_a_job_does_not_write_outside_its_codebase(tmp_path: Path, path: str) -> None:
    queue = Queue(open_storage(tmp_path), PROBLEM)
    queue.post(replace(job("a"), files={path: "text"}))
    with pytest.raises(DamagedRecord, match="damaged"):
        queue.job(queue.waiting()["a-best-effort"])


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"status": 3}', '{"metrics": {"a": "b"}}', "[" * 9999]
)
def test_a_trial_that_cannot_be_read_tells_nothing_of_the_codebase(
    tmp_path: Path, text: str
) -> None:
    storage = open_storage(tmp_path)
    storage.write(f"{PROBLEM.folder}/trials/a-strict.json", text.encode())
    trial = Queue(storage, PROBLEM).trial("a-strict")
    assert trial is not None and (trial.status, trial.ended) == ("crashed", 0.0)


def test_a_job_that_was_cancelled_and_posted_anew_ends_with_its_trial(tmp_path: Path) -> None:
    queue = Queue(open_storage(tmp_path), PROBLEM)
    queue.post(job("a", submitted_at=1.0))
    [key] = queue.waiting()
    queue.cancel(key)
    queue.post(job("a", submitted_at=2.0))
    # By a worker that has not seen that the first one was gone.
    queue.finish(key, TRIAL)
    assert queue.waiting() == {} and queue.trial(key) == TRIAL


def test_only_one_worker_has_a_job(storage: Storage) -> None:
    queue = Queue(storage, PROBLEM)
    lease = queue.lease("a-strict")
    assert lease is not None and queue.lease("a-strict") is None
    lease.release()
    again = queue.lease("a-strict")
    assert again is not None
    again.release()


def test_workers_are_listed_as_long_as_their_leases_are_held(storage: Storage) -> None:
    here, gone = WorkerEntry("here", 2, "tiny"), WorkerEntry("gone", 4, "")
    leases = [join(storage, "one", here), join(storage, "two", gone)]
    assert sorted(living_workers(storage), key=lambda e: e.host) == [gone, here]
    leases[1].release()
    assert living_workers(storage) == [here]
    leave(storage, "one", leases[0])
    assert living_workers(storage) == []
