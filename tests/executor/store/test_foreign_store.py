"""A store that somebody else wrote into: what is not of the executor's making is not there."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from executor import Outcome, Store
from executor.store.kept_result import KeptResult
from executor.store.tree import LARGEST_TREE, zip_tree


def _zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _encrypted() -> bytes:
    data = bytearray(_zip({"train.py": b"x = 1"}, zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


_STRANGE = {
    "climbs out": _zip({"../../evaluate.py": b"x = 1"}),
    "climbs out from inside": _zip({"lib/../../evaluate.py": b"x = 1"}),
    "absolute": _zip({"/etc/cron.d/job": b"x = 1"}),
    "a folder": _zip({"lib/": b""}),
    "a newline": _zip({"train.py\n": b"x = 1"}),
    "a bomb": _zip({"train.py": bytes(LARGEST_TREE + 1)}),
    "a bomb of many": _zip({f"{n}.py": bytes(2**20) for n in range(65)}),
    "no text": _zip({"train.py": b"\xff\xfe"}),
    "encrypted": _encrypted(),
    "damaged": zip_tree({"train.py": "x" * 1000})[:60] + bytes(60),
    "no zip": b"PK but not a zip",
}


@pytest.mark.parametrize("kind", _STRANGE)
def test_a_strange_zip_is_no_codebase(tmp_path: Path, kind: str) -> None:
    run = Store(tmp_path).run("first")
    path = tmp_path / "runs" / "first" / "ideas" / "a" / "codebase.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(_STRANGE[kind])
    assert run.codebase("a") is None


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": {}},
        {"outcome": []},
        {"outcome": {"reward": "1e9"}},
        {"outcome": {"status": "best"}},
        {"outcome": {"metrics": [1.0]}},
        {"outcome": {"content_hash": "another"}},
        {"log": None},
        {"text": 7},
        [],
        7,
    ],
)
def test_a_strange_result_is_no_result(tmp_path: Path, change: object) -> None:
    store = Store(tmp_path)
    lock = store.lock_result("0123")
    assert lock
    outcome = Outcome("a", "completed", 0.5, content_hash="0123")
    store.keep_result(KeptResult(outcome, "a log", "its text"), lock)
    assert store.result("0123") is not None
    path = tmp_path / "results" / "0123.json"
    kept = json.loads(path.read_text())
    if isinstance(change, dict):
        inner = change.get("outcome", kept["outcome"])
        change = {**kept, **change}
        if isinstance(inner, dict) and inner:
            change["outcome"] = {**kept["outcome"], **inner}
    path.write_text(json.dumps(change))
    assert store.result("0123") is None


def test_a_run_under_another_name_has_one_writer_all_the_same(tmp_path: Path) -> None:
    """Two names of one folder, by a link."""
    store = Store(tmp_path)
    store.run("first").write_recipe("a: 1")
    (tmp_path / "runs" / "second").symlink_to("first")
    lock = store.run("first").lock()
    with pytest.raises(Exception, match="executed by somebody else"):
        store.run("second").lock()
    lock.release()


def test_a_result_that_is_nested_without_end_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "0123.json").write_text("[" * 100_000)
    assert Store(tmp_path).result("0123") is None
