"""The store, the only truth: one folder an idea, immutable files, `outcome.json` written last.

    <store>/runs/<run>/recipe.yaml  events.jsonl
                       ideas/<key>/{idea.json,exchange.json,edits.diff,codebase.zip,
                                    repair.diff,repair.zip,repair_log.txt,job.json,
                                    log.txt,outcome.json}
    <store>/results/<content-hash>.json

`key` is the idea's id, or `<id>.seed<n>` for a repeat with another seed than the run's: every trial
has its own folder.
Whatever is missing has not happened; whatever is there is final.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from executor.clock import now
from executor.errors import RunInUse, StoreError
from executor.records import Idea, Implementation, Job, Outcome, Record, Turn
from executor.storage import Lock, Storage, open_storage

R = TypeVar("R", bound=Record)
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_REPEAT = re.compile(r".+\.seed(-?[0-9]+)")
# A part of a YAML text is valid YAML: this line tells that it is whole.
_YAML_END = b"\n...\n"
# Every zip entry gets this date, so that equal codebases are equal bytes.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class Store:
    """A store at a local path or an fsspec URL. Raises StoreError when it cannot be written."""

    def __init__(self, url: str | Path) -> None:
        self._storage = open_storage(url)
        self.url = self._storage.url

    def run(self, name: str) -> RunFolder:
        """One run of the store, new or old. Raises StoreError for an impossible name."""
        if not _RUN_NAME.fullmatch(name):
            raise StoreError(
                f"run name {name!r:.80}: use up to 128 letters, digits, `.`, `-` and `_`"
            )
        return RunFolder(self._storage, name)

    def runs(self) -> list[str]:
        return self._storage.list("runs")

    def result(self, content_hash: str) -> tuple[Outcome, str] | None:
        """The outcome that this codebase had before, and the log's path; None if it never ran."""
        data = _json(self._storage.read(f"results/{content_hash}.json"))
        if data is None:
            return None
        return Outcome.from_json(json.dumps(data["outcome"])), data["log"]

    def keep_result(self, outcome: Outcome, log_path: str) -> None:
        text = json.dumps({"outcome": json.loads(outcome.to_json()), "log": log_path})
        self._storage.write(f"results/{outcome.content_hash}.json", text.encode())

    def lock_result(self, content_hash: str) -> Lock | None:
        """Held while a codebase runs, so that no other process on this store runs it too."""
        return self._storage.try_lock(f"results/{content_hash}.lock")

    def read_text(self, path: str) -> str:
        return (self._storage.read(path) or b"").decode(errors="replace")


class RunFolder:
    """One run: `runs/<name>` of a store."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage, self.name = storage, name
        self._path = f"runs/{name}"

    @property
    def url(self) -> str:
        return f"{self._storage.url}/{self._path}"

    def lock(self) -> Lock:
        """Makes this process the run's only writer. Raises RunInUse when there is another."""
        lock = self._storage.try_lock(f"{self._path}/.lock")
        if lock is None:
            raise RunInUse(
                f"the run {self.name} in {self._storage.url} is being executed by somebody else; "
                "wait for it, stop it, or choose another run name (on a bucket, one that was "
                "killed on another machine lets go after a minute)"
            )
        try:
            events = self._storage.read(f"{self._path}/events.jsonl")
            if events and not events.endswith(b"\n"):
                # A kill cut the last line short: it must not swallow the next one.
                self._storage.append(f"{self._path}/events.jsonl", b"\n")
        except StoreError:
            lock.release()
            raise
        return lock

    def trials(self) -> list[str]:
        """The trials of this run, by key."""
        return self._storage.list(f"{self._path}/ideas")

    def idea(self, key: str) -> Idea | None:
        return self._record(Idea, key, "idea.json")

    def outcome(self, key: str) -> Outcome | None:
        return self._record(Outcome, key, "outcome.json")

    def job(self, key: str) -> Job | None:
        return self._record(Job, key, "job.json")

    def diff(self, key: str) -> str:
        diff = self._read(key, "repair.diff") or self._read(key, "edits.diff")
        return (diff or b"").decode(errors="replace")

    def log(self, key: str) -> str:
        log = self._read(key, "repair_log.txt")
        if log is None:
            log = self._read(key, "log.txt")
        return (log or b"").decode(errors="replace")

    def log_path(self, key: str, *, repaired: bool = False) -> str:
        """Where the log of a trial is kept, in the store: of its first tree, or of the second."""
        return f"{self._path}/ideas/{key}/{'repair_log.txt' if repaired else 'log.txt'}"

    def codebase(self, key: str) -> dict[str, str] | None:
        """The patched tree, the repaired one where there is one; None when the idea has none."""
        return self._tree(key, "repair.zip") or self._tree(key, "codebase.zip")

    def repaired(self, key: str) -> bool:
        """Whether the first tree was replaced by another, after it had crashed."""
        return self._tree(key, "repair.zip") is not None

    def write_idea(self, key: str, idea: Idea) -> None:
        self._write(key, "idea.json", idea.to_json().encode())

    def exchange(self, key: str) -> tuple[Turn, ...]:
        """What was said to and by a language model to implement the idea; empty without one."""
        turns = _json(self._read(key, "exchange.json")) or ()
        return tuple(Turn.from_json(json.dumps(turn)) for turn in turns)

    def write_implementation(self, key: str, implementation: Implementation) -> None:
        """Keeps the exchange that led to it, and the code where there is some."""
        self._write_implementation(key, implementation, "edits.diff", "codebase.zip")

    def write_repair(self, key: str, implementation: Implementation) -> None:
        """The same for what takes the place of a tree that crashed; the first one stays."""
        self._write_implementation(key, implementation, "repair.diff", "repair.zip")

    def write_job(self, key: str, job: Job) -> None:
        self._write(key, "job.json", job.to_json().encode())

    def write_log(self, key: str, log: str, *, repaired: bool = False) -> None:
        self._storage.write(self.log_path(key, repaired=repaired), log.encode())

    def write_exam_log(self, key: str, log: str) -> None:
        """What the candidate printed while it was asked: for people, never for an ideator."""
        if log:
            self._write(key, "exam_log.txt", log.encode())

    def write_outcome(self, key: str, outcome: Outcome) -> None:
        self._write(key, "outcome.json", outcome.to_json().encode())

    def recipe(self) -> str | None:
        """The text that `write_recipe` got; None when there is none or it was cut short."""
        data = self._storage.read(f"{self._path}/recipe.yaml") or b""
        whole, end, _ = data.rpartition(_YAML_END)
        return f"{whole.decode()}\n" if end else None

    def write_recipe(self, text: str) -> None:
        self._storage.write(f"{self._path}/recipe.yaml", text.rstrip("\n").encode() + _YAML_END)

    def record(self, event: str, **fields: Any) -> None:
        """Adds a line to events.jsonl, which nothing but reports and the clock read."""
        line = json.dumps({"time": round(now(), 4), "event": event, **fields})
        self._storage.append(f"{self._path}/events.jsonl", line.encode() + b"\n")

    def flush(self) -> None:
        self._storage.flush()

    def events(self) -> list[dict[str, Any]]:
        """The lines of events.jsonl; one that a kill cut short is left out."""
        lines = (self._storage.read(f"{self._path}/events.jsonl") or b"").splitlines()
        return [event for line in lines if (event := _json(line)) is not None]

    def _write_implementation(self, key: str, made: Implementation, diff: str, tree: str) -> None:
        if made.exchange:
            text = ",\n".join(turn.to_json() for turn in made.exchange)
            self._write(key, "exchange.json", f"[{text}]\n".encode())
        if made.status == "completed":
            self._write(key, diff, made.diff.encode())
            self._write(key, tree, zip_tree(made.files))

    def _tree(self, key: str, name: str) -> dict[str, str] | None:
        data = self._read(key, name)
        try:
            return unzip(data) if data else None
        except zipfile.BadZipFile:
            return None

    def _read(self, key: str, name: str) -> bytes | None:
        return self._storage.read(f"{self._path}/ideas/{key}/{name}")

    def _write(self, key: str, name: str, data: bytes) -> None:
        self._storage.write(f"{self._path}/ideas/{key}/{name}", data)

    def _record(self, kind: type[R], key: str, name: str) -> R | None:
        data = self._read(key, name)
        try:
            return kind.from_json(data) if data else None
        except ValueError:
            return None


def trial_key(idea_id: str, seed: int, run_seed: int) -> str:
    """The name of a trial's folder; `run_seed` is the seed that the run's ideas get."""
    return idea_id if seed == run_seed else f"{idea_id}.seed{seed}"


def repeat_seed(key: str) -> int | None:
    """The seed of a repeat; None for a trial that has the seed of its run."""
    match = _REPEAT.fullmatch(key)
    return int(match[1]) if match else None


def zip_tree(files: Mapping[str, str]) -> bytes:
    """A zip of a source tree; equal trees give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unzip(data: bytes) -> dict[str, str]:
    """The tree of `zip_tree`."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def _json(data: bytes | None) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None
