"""Folder and bucket: whole files or none, one writer, and the same answers from both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from executor import StoreError
from executor.store.bucket import Bucket
from executor.store.folder import Folder
from executor.store.open import open_storage
from executor.store.recent import RecentFiles
from executor.store.storage import Storage


@pytest.fixture(params=["folder", "file url", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    urls = {
        "folder": lambda: str(tmp_path / "deep" / "store"),
        "file url": lambda: f"file://{tmp_path}/deep/store",
        "memory": lambda: f"memory://{uuid4().hex}/store",
        "s3": lambda: request.getfixturevalue("s3_url"),
    }
    storage = open_storage(urls[request.param]())
    assert isinstance(storage, Bucket if request.param in ("memory", "s3") else Folder)
    return storage


def test_what_is_written_is_read(storage: Storage) -> None:
    for data in (b"", b"first", b"\0\xff\n" * 10_000, b"last"):
        storage.write("runs/a/file.bin", data)
        assert storage.read("runs/a/file.bin") == data


def test_what_is_there_is_not_written_anew(storage: Storage) -> None:
    assert storage.write_new("runs/a/file", b"first")
    assert not storage.write_new("runs/a/file", b"first")
    assert not storage.write_new("runs/a/file", b"second")
    assert storage.read("runs/a/file") == b"first"


def test_a_bucket_is_not_asked_for_what_was_written_to_it_for_good() -> None:
    url = f"memory://{uuid4().hex}"
    storage, files = Bucket(url), Bucket(url)
    for name in ("final", "changing"):
        storage.write(name, b"first", final=name == "final")
        files.write(name, b"of another process")
    assert storage.read("final") == b"first"
    assert storage.read("changing") == b"of another process"
    storage.write("runs/a/final", b"first", final=True)
    storage.remove_folder("runs/a")
    assert storage.read("runs/a/final") is None


def test_what_was_final_and_is_written_anew_or_removed_is_not_remembered(storage: Storage) -> None:
    for path in ("rewritten", "removed"):
        storage.write(path, b"first", final=True)
    storage.write("rewritten", b"second")
    storage.remove("removed")
    assert storage.read("rewritten") == b"second"
    assert storage.read("removed") is None


def test_only_so_much_is_remembered_of_what_was_written() -> None:
    recent = RecentFiles(most_bytes=10)
    for name in ("a", "b", "b", "c"):
        recent.keep(name, name.encode() * 5)
    assert [recent.get(name) for name in "abc"] == [None, b"bbbbb", b"ccccc"]
    recent.keep("d", b"d" * 11)
    assert [recent.get(name) for name in "bcd"] == [None, None, None]


def test_what_is_missing_is_none(storage: Storage) -> None:
    storage.write("runs/a", b"")
    for path in ("no", "no/such/file", "runs/b", "runs/a/below-a-file"):
        assert storage.read(path) is None


def test_a_folder_lists_its_names_in_order(storage: Storage) -> None:
    assert storage.list("runs") == []
    for name in ("runs/b/x", "runs/a/x", "runs/a/y", "runs/10/x", "runs/9"):
        storage.write(name, b"1")
    assert storage.list("") == ["runs"]
    assert storage.list("runs") == ["10", "9", "a", "b"]
    assert storage.list("runs/a") == ["x", "y"]
    assert storage.list("runs/no") == []


def test_a_folder_of_a_bucket_is_listed_with_one_request(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    bucket, asked = Bucket(s3_url), []
    pages = s3fs.S3FileSystem._iterdir
    monkeypatch.setattr(
        s3fs.S3FileSystem, "_iterdir", lambda *a, **k: asked.append(k["prefix"]) or pages(*a, **k)
    )
    assert bucket.list("runs") == []
    bucket.write("runs/a", b"1")
    assert bucket.list("runs") == ["a"]
    assert asked == ["store/runs/"] * 2


def test_a_folder_goes_with_all_that_is_in_it(storage: Storage) -> None:
    for name in ("runs/a/x", "runs/a/deep/y", "runs/ab/x"):
        storage.write(name, b"1")
    storage.append("runs/a/log", b"1\n")
    for _ in range(2):
        storage.remove_folder("runs/a")
    storage.flush()
    assert storage.list("runs") == ["ab"] and storage.read("runs/a/x") is None


def test_a_lock_is_no_part_of_a_listing(storage: Storage) -> None:
    lock = storage.try_lock("runs/.lock")
    assert lock is not None and storage.list("runs") == []
    lock.release()
    assert storage.list("runs") == []


def test_a_lock_has_one_holder(storage: Storage) -> None:
    for _ in range(2):
        lock = storage.try_lock("runs/.lock")
        assert lock is not None
        assert open_storage(storage.url).try_lock("runs/.lock") is None
        lock.release()


def test_a_lock_can_go_into_a_file(storage: Storage) -> None:
    for data in (b"what was found", b"more"):
        lock = storage.try_lock("results/a.lock")
        assert lock is not None
        lock.turn_into("results/a.json", data)
        lock.release()
        assert storage.list("results") == ["a.json"] and storage.read("results/a.json") == data
    after = storage.try_lock("results/a.lock")
    assert after is not None and storage.read("results/a.json") == b"more"
    after.release()


def test_what_a_killed_holder_had_begun_to_write_is_in_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_bytes(b"a longer text that was never put in place")
    lock = Folder(tmp_path).try_lock("a.lock")
    assert lock is not None
    lock.turn_into("a.json", b"whole")
    assert (tmp_path / "a.json").read_bytes() == b"whole" and os.listdir(tmp_path) == ["a.json"]


def test_lines_are_appended_across_sessions(storage: Storage) -> None:
    for session in (storage, open_storage(storage.url)):
        session.append("log/events", b"1\n")
        session.append("log/events", b"2\n")
        session.flush()
    assert open_storage(storage.url).read("log/events") == b"1\n2\n1\n2\n"


def test_opening_leaves_nothing_behind(storage: Storage) -> None:
    assert storage.list("") == []
    assert not isinstance(storage, Folder) or os.listdir(storage.root) == []


@pytest.mark.parametrize("below", ["file", "/dev/null/x", "/proc/x", "/sys/x"])
def test_a_store_that_cannot_be_written_is_one_line(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "x" if below == "file" else Path(below)
    with pytest.raises(StoreError) as caught:
        open_storage(path)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("url", ["nonsense://bucket/x", "memory:/x://y", "s4://bucket"])
def test_a_url_that_cannot_be_opened_is_one_line(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_storage(url)
    assert url in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_write_that_fails_is_one_line_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    (tmp_path / "runs").write_text("a file where a folder should be")
    (tmp_path / "taken").mkdir()
    for path in ("runs/a/b", "taken", "x" * 300):
        with pytest.raises(StoreError, match="cannot be written"):
            storage.write(path, b"data")
    for locked_or_logged in (storage.try_lock, lambda path: storage.append(path, b"line")):
        with pytest.raises(StoreError, match="cannot be written"):
            locked_or_logged("runs/a/b")
    assert sorted(os.listdir(tmp_path)) == ["runs", "taken"]


WRITER = """
import sys
from executor.store.folder import Folder
storage, size = Folder(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while True:
    for byte in (b"a", b"b"):
        storage.write("deep/file", byte * size)
"""


def test_another_process_never_sees_part_of_a_file(tmp_path: Path) -> None:
    size = 300_000
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(size)]
    storage = Folder(tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout and writer.stdout.readline() == b"ready\n"
        while storage.read("deep/file") is None:
            pass
        seen, reads, deadline = set(), 0, time.monotonic() + 60
        # On a busy machine the writer may not run while many reads do.
        while (reads < 500 or len(seen) < 2) and time.monotonic() < deadline:
            seen.add(bytes(storage.read("deep/file") or b""))
            reads += 1
        # Killed in the middle of a write, as likely as not.
        writer.send_signal(signal.SIGKILL)
    assert seen == {b"a" * size, b"b" * size}
    assert storage.read("deep/file") in (b"a" * size, b"b" * size)
    assert storage.list("deep") == ["file"]


def test_threads_that_write_the_same_file_leave_one_of_theirs(tmp_path: Path) -> None:
    storage = Folder(tmp_path)

    def write_often(data: bytes) -> None:
        for _ in range(50):
            storage.write("file", data)

    contents = [bytes([65 + i]) * 10_000 for i in range(4)]
    threads = [threading.Thread(target=write_often, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.read("file") in contents
    assert os.listdir(tmp_path) == ["file"]


HOLDER = """
import sys, time
from executor.store.folder import Folder
lock = Folder(sys.argv[1]).try_lock("runs/.lock")
print(lock is not None, flush=True)
time.sleep(600)
"""


def test_a_lock_excludes_others_and_ends_with_its_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"True\n"
        assert Folder(tmp_path).try_lock("runs/.lock") is None
        holder.kill()
    lock = Folder(tmp_path).try_lock("runs/.lock")
    assert lock is not None
    assert Folder(tmp_path).try_lock("runs/.lock") is None
    lock.release()
    again = Folder(tmp_path).try_lock("runs/.lock")
    assert again is not None
    again.release()


def test_of_many_who_want_a_lock_one_has_it_at_a_time(tmp_path: Path) -> None:
    storage, holders, most = Folder(tmp_path), 0, 0

    def take_turns() -> None:
        nonlocal holders, most
        for _ in range(100):
            if lock := storage.try_lock("lock"):
                holders += 1
                most = max(most, holders)
                holders -= 1
                lock.release()

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
