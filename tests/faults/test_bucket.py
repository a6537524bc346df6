"""A remote store that fails, stalls, cuts writes or loses answers: asked again, or given up."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from executor import StoreError
from executor.store import bucket, lease
from executor.store.bucket import Bucket
from tests.faults.faulty_filesystem import KINDS, Fault, fail, leftovers

# Its bounds are for a machine that does nothing else.
pytestmark = [pytest.mark.usefixtures("quick"), pytest.mark.alone]


# ---- one operation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", ["pipe_file", "cat_file", "ls", "rm_file"])
def test_what_fails_for_a_while_is_as_if_it_had_not(
    faulty: str, tmp_path: Path, kind: str, operation: str
) -> None:
    store = Bucket(faulty)
    store.write("runs/a", b"first")
    fail(Fault(kind, operation, times=2))
    store.write("runs/a", b"second")
    assert store.read("runs/a") == b"second"
    assert store.list("runs") == ["a"]
    store.remove("runs/a")
    assert store.read("runs/a") is None
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_stays_away_is_one_line_that_says_how_to_go_on(faulty: str, kind: str) -> None:
    store = Bucket(faulty)
    fail(Fault(kind, "pipe_file", "outcome.json", times=1e9))
    begun = time.monotonic()
    with pytest.raises(StoreError) as caught:
        store.write("runs/a/outcome.json", b"{}")
    assert time.monotonic() - begun < 5
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and f"the store {faulty} cannot be written" in message
    assert "what is finished is kept, and the same command goes on from there" in message


def test_a_store_that_was_given_up_fails_at_once_and_is_asked_again_later(
    faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "REST_S", 0.8)
    store = Bucket(faulty)
    store.write("a", b"kept")
    (tmp_path / "bucket.away").write_text("error")
    with pytest.raises(StoreError):
        store.read("a")
    begun = time.monotonic()
    for act in (lambda: store.write("a", b""), lambda: store.read("a"), lambda: store.list("")):
        with pytest.raises(StoreError, match="the store is away"):
            act()
    assert time.monotonic() - begun < 0.5
    (tmp_path / "bucket.away").unlink()
    time.sleep(0.8)
    assert store.read("a") == b"kept"


def test_a_store_that_comes_back_in_time_is_waited_for_and_said_once(
    faulty: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "PATIENCE_S", 20.0)
    store = Bucket(faulty)
    away = tmp_path / "bucket.away"
    away.write_text("error")
    timer = threading.Timer(1.5, away.unlink)
    timer.start()
    with caplog.at_level(logging.WARNING):
        store.write("a", b"late")
    assert not away.exists() and store.read("a") == b"late"
    assert [record.getMessage() for record in caplog.records] == [
        f"the store {faulty} cannot be written: [Errno 104] the store is away; "
        "trying again for 20 s"
    ]


@pytest.mark.parametrize("operation", ["cat_file", "pipe_file"])
def test_a_refusal_is_final_at_once(
    faulty: str, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    store = Bucket(faulty)
    asked = []

    def refuse(*_: object) -> None:
        asked.append(1)
        raise PermissionError("Access Denied")

    monkeypatch.setattr(store._files, operation, refuse)
    with pytest.raises(StoreError, match="Access Denied"):
        store.read("a") if operation == "cat_file" else store.write("a", b"")
    assert len(asked) == 1
    monkeypatch.undo()
    assert store.read("a") is None, "a refusal is no reason to give the store up"


def test_a_store_that_cannot_be_written_is_said_when_it_is_opened(
    faulty: str, tmp_path: Path
) -> None:
    (tmp_path / "bucket.away").write_text("error")
    with pytest.raises(StoreError, match="choose another with --store") as caught:
        Bucket(faulty)
    assert len(str(caught.value).splitlines()) == 1


def test_what_may_have_been_written_over_is_read_from_the_store(
    faulty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "REST_S", 0.0)
    store = Bucket(faulty)
    store.write("a", b"old", final=True)
    fail(Fault("lost", "pipe_file", times=1e9))
    with pytest.raises(StoreError):
        store.write("a", b"new")
    fail()
    assert store.read("a") == b"new"


def test_a_log_that_could_not_be_put_is_put_whole_by_the_next_flush(faulty: str) -> None:
    store = Bucket(faulty)
    store.append("log", b"1\n")
    store.flush()
    fail(Fault("cut", "pipe_file", "log", times=1e9))
    store.append("log", b"2\n")
    with pytest.raises(StoreError):
        store.flush()
    fail()
    store._rests_until = 0.0
    store.append("log", b"3\n")
    store.flush()
    assert Bucket(faulty).read("log") == b"1\n2\n3\n"


# ---- leases


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_is_had_although_the_store_fails(faulty: str, tmp_path: Path, kind: str) -> None:
    fail(Fault(kind, "pipe_file", ".lock"), Fault(kind, "cat_file", ".lock"))
    store = Bucket(faulty)
    lock = store.try_lock("runs/.lock")
    assert lock is not None
    assert Bucket(faulty).try_lock("runs/.lock") is None
    lock.release()
    assert leftovers(tmp_path) == []


def test_a_lock_that_is_not_renewed_is_taken_and_its_holder_stops(
    faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 1.0)
    first, second = Bucket(faulty), Bucket(faulty)
    held = first.try_lock("runs/.lock")
    assert held is not None
    # It is renewed, however long it is held.
    time.sleep(1.5)
    assert second.try_lock("runs/.lock") is None
    deadline = time.monotonic() + 10
    taken = None
    while taken is None and time.monotonic() < deadline:
        # Its holder may renew it in between.
        os.utime(tmp_path / "bucket/runs/.lock", (0, 0))
        taken = second.try_lock("runs/.lock")
    assert taken is not None
    with pytest.raises(StoreError, match="another process took over"):
        while time.monotonic() < deadline:
            first.write("a", b"")
            time.sleep(0.02)
    held.release()
    assert Bucket(faulty).try_lock("runs/.lock") is None, "only its holder releases a lock"
    taken.release()
    assert leftovers(tmp_path) == []


HOLDER = """
import sys, time
import tests.faults.faulty_filesystem
from executor.store.bucket import Bucket
print(Bucket(sys.argv[1]).try_lock("runs/.lock") is not None, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("where", ["faulty", "s3_url"])
def test_a_lock_ends_with_its_process_on_this_machine(
    request: pytest.FixtureRequest, where: str
) -> None:
    url = request.getfixturevalue(where)
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"True\n"
        assert Bucket(url).try_lock("runs/.lock") is None
        holder.send_signal(signal.SIGKILL)
    lock = Bucket(url).try_lock("runs/.lock")
    assert lock is not None
    lock.release()


def test_a_lock_that_could_not_be_released_ends_with_its_release(
    faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.0)
    store = Bucket(faulty)
    lock = store.try_lock("lock")
    assert lock is not None
    (tmp_path / "bucket.away").write_text("error")
    lock.release()
    (tmp_path / "bucket.away").unlink()
    assert (tmp_path / "bucket/lock").exists()
    assert Bucket(faulty).try_lock("lock") is not None


def test_a_lock_of_another_machine_is_not_judged_by_its_process(faulty: str) -> None:
    store = Bucket(faulty)
    lock = store.try_lock("lock")
    assert lock is not None
    owner = json.loads(store.read("lock") or b"")
    store.write("lock", json.dumps({**owner, "machine": "elsewhere", "pid": 2**22 + 1}).encode())
    assert store.try_lock("lock") is None


class SlowToAnswer(Bucket):
    """A bucket whose creator hears late that it has created."""

    def create(self, path: str, data: bytes) -> bool:
        created = super().create(path, data)
        time.sleep(0.3)
        return created


def test_a_lock_is_held_before_its_holder_knows(faulty: str) -> None:
    slow, other = SlowToAnswer(faulty), Bucket(faulty)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow.try_lock, "lock")
        while other.read("lock") is None:
            pass
        assert other.try_lock("lock") is None
        lock = first.result()
    assert lock is not None
    lock.release()
    assert other.try_lock("lock")


def test_a_renewal_under_way_ends_before_the_release(
    faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.4)
    first, second = Bucket(faulty), Bucket(faulty)
    held = first.try_lock("runs/.lock")
    assert held is not None
    looked, go_on = threading.Event(), threading.Event()
    read = first.read

    def slow_read(path: str) -> bytes | None:
        found = read(path)
        looked.set()
        go_on.wait(10)
        return found

    monkeypatch.setattr(first, "read", slow_read)
    assert looked.wait(10), "it renews its lease"
    releasing = threading.Thread(target=held.release)
    releasing.start()
    time.sleep(0.1)
    go_on.set()
    releasing.join(10)
    # Nothing of the first holder comes late.
    taken = second.try_lock("runs/.lock")
    assert taken is not None
    time.sleep(0.3)
    second.write("a", b"")
    taken.release()
    assert leftovers(tmp_path) == []


def test_a_release_whose_answer_is_lost_leaves_the_next_holder_alone(
    faulty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_FIRST_PAUSE_S", 0.8)
    first, second = Bucket(faulty), Bucket(faulty)
    lock = first.try_lock("lock")
    assert lock is not None
    fail(Fault("lost", "rm_file"))
    with ThreadPoolExecutor(1) as pool:
        released = pool.submit(lock.release)
        while second.read("lock") is not None:
            pass
        taken = second.try_lock("lock")
        assert taken is not None and not released.done()
        released.result()
    assert first.try_lock("lock") is None
    taken.release()
    assert first.try_lock("lock")


@pytest.mark.parametrize("where", ["faulty", "s3_url"])
def test_of_many_who_want_a_lock_one_has_it_at_a_time(
    request: pytest.FixtureRequest, where: str
) -> None:
    url = request.getfixturevalue(where)
    holders, most, turns = 0, 0, 0

    def take_turns() -> None:
        nonlocal holders, most, turns
        store = Bucket(url)
        for _ in range(10):
            if lock := store.try_lock("lock"):
                holders += 1
                most, turns = max(most, holders), turns + 1
                time.sleep(0.001)
                holders -= 1
                lock.release()

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and turns
