"""The layout of a store: one folder for each trial, immutable files, `outcome.json` written last.

    <store>/runs/<run>/recipe.yaml  start.json  sessions/  seconds/  epochs/  …  (`decisions.py`)
                       events.jsonl  errors.log                          (for people and reports)
                       ideas/<key>/{idea.json,exchange.json,edits.diff,base.diff,
                                    codebase.zip,repair.diff,repair_base.diff,repair.zip,
                                    repair_log.txt,job.json,log.txt,outcome.json}
    <store>/results/<content-hash>.json

`key` is the idea's id, or `<id>.seed<n>` for a repeat with another seed than the run's. A file that
exists is final; a step whose file is missing is done again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from executor.clock import now
from executor.errors import RunInUse, StoreError
from executor.records import Idea, Implementation, Job, Outcome, Record, Turn
from executor.store.decisions import (
    S,
    StrictRecord,
    numbered,
    read_numbered,
    read_record,
    write_record,
)
from executor.store.kept_result import KeptResult, kept_result
from executor.store.open import open_storage
from executor.store.storage import Lock, Storage
from executor.store.threads import in_threads
from executor.store.tree import unzip, zip_tree

R = TypeVar("R", bound=Record)
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# A part of a YAML text is valid YAML: this line tells that it is whole.
_YAML_END = b"\n...\n"


class Store:
    """A store at a local path or an fsspec URL. Raises StoreError when it cannot be written."""

    def __init__(self, url: str | Path) -> None:
        self._storage = open_storage(url)
        self.url = self._storage.url

    def run(self, name: str) -> RunFolder:
        """One run of the store, new or old. Raises StoreError for an impossible name."""
        return RunFolder(self._storage, name)

    def runs(self) -> list[str]:
        return self._storage.list("runs")

    def result(self, content_hash: str) -> KeptResult | None:
        """What this codebase had before; None if it never ran."""
        data = _json(self._storage.read(f"results/{content_hash}.json"))
        try:
            return None if data is None else kept_result(data, content_hash)
        except ValueError:
            return None

    def keep_result(self, kept: KeptResult, lock: Lock) -> None:
        """Keeps what a codebase led to, for the caller to release its lock."""
        names = f'"log": {json.dumps(kept.log)}, "text": {json.dumps(kept.text)}'
        text = f'{{"outcome": {kept.outcome.to_json()}, {names}}}'
        lock.turn_into(f"results/{kept.outcome.content_hash}.json", text.encode())

    def at_once(self, calls: Iterable[Callable[[], object]]) -> None:
        """Makes calls to this store that do not depend on each other, the fastest way."""
        self._storage.at_once(calls)

    def lock_result(self, content_hash: str) -> Lock | None:
        """Held while a codebase runs, so that no other process on this store runs it too."""
        return self._storage.try_lock(f"results/{content_hash}.lock")

    def read_text(self, path: str) -> str:
        return (self._storage.read(path) or b"").decode(errors="replace")


class RunFolder:
    """One run: `runs/<name>` of a store."""

    def __init__(self, storage: Storage, name: str) -> None:
        if not _RUN_NAME.fullmatch(name):
            raise StoreError(
                f"run name {name!r:.80}: use up to 128 letters, digits, `.`, `-` and `_`"
            )
        self._storage, self.name = storage, name
        self._path = f"runs/{name}"

    @property
    def url(self) -> str:
        return f"{self._storage.url}/{self._path}"

    def beside(self, name: str) -> RunFolder:
        """Another run of the same store. Raises StoreError for an impossible name."""
        return RunFolder(self._storage, name)

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
            events = self._storage.own_log(f"{self._path}/events.jsonl")
            if events and not events.endswith(b"\n"):
                # A kill cut the last line short: it must not swallow the next one.
                self._storage.append(f"{self._path}/events.jsonl", b"\n")
        except StoreError:
            lock.release()
            raise
        return lock

    def lock_code(self) -> Lock:
        """Makes this process the only one that writes code beside the run's writer. Raises RunInUse
        when there is another."""
        lock = self._storage.try_lock(f"{self._path}/.implement.lock")
        if lock is None:
            raise RunInUse(
                f"another process writes code into the run {self.name} in {self._storage.url}; "
                "wait for it, or choose another run name"
            )
        return lock

    def discard_if_empty(self) -> None:
        """Removes the run if no trial of it has ended and no language model was asked for it.

        Raises RunInUse when another process has it.
        """
        lock = self.lock()
        try:
            asked = any(
                self._storage.list(f"{self._path}/llm/{role}")
                for role in self._storage.list(f"{self._path}/llm")
            )
            if not asked and all(self.outcome(key) is None for key in self.trials()):
                self._storage.remove_folder(self._path)
        finally:
            lock.release()

    def trials(self) -> list[str]:
        """The trials of this run, by key."""
        return self._storage.list(f"{self._path}/ideas")

    def idea(self, key: str) -> Idea | None:
        return self._record(Idea, key, "idea.json")

    def outcome(self, key: str) -> Outcome | None:
        return self._record(Outcome, key, "outcome.json")

    def outcomes(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """The outcomes that there are of these trials, read at once."""
        keys = list(keys)
        found = zip(keys, in_threads(self.outcome, keys), strict=True)
        return {key: outcome for key, outcome in found if outcome is not None}

    def job(self, key: str) -> Job | None:
        return self._record(Job, key, "job.json")

    def diff(self, key: str, *, repaired: bool = True) -> str:
        """Of the second tree where there is one, unless it is known that there is none."""
        diff = self._read(key, "repair.diff") if repaired else None
        return (diff or self._read(key, "edits.diff") or b"").decode(errors="replace")

    def base_diff(self, key: str, *, repaired: bool = True) -> str:
        """The change of the idea's base; empty where that is the baseline. As `diff`."""
        diff = self._read(key, "repair_base.diff") if repaired else None
        return (diff or self._read(key, "base.diff") or b"").decode(errors="replace")

    def log(self, key: str, *, repaired: bool = True) -> str:
        """As `diff`."""
        log = self._read(key, "repair_log.txt") if repaired else None
        if log is None:
            log = self._read(key, "log.txt")
        return (log or b"").decode(errors="replace")

    def log_path(self, key: str, *, repaired: bool = False) -> str:
        """Where the log of a trial is kept, in the store: of its first tree, or of the second."""
        return f"{self._path}/ideas/{key}/{'repair_log.txt' if repaired else 'log.txt'}"

    def codebase(self, key: str, *, repaired: bool = True) -> dict[str, str] | None:
        """As `diff`: the patched tree; None when the idea has none."""
        tree = self._tree(key, "repair.zip") if repaired else None
        return tree or self._tree(key, "codebase.zip")

    def repaired(self, key: str) -> bool:
        """Whether the first tree was replaced by another, after it had crashed."""
        return self._tree(key, "repair.zip") is not None

    def write_idea(self, key: str, idea: Idea) -> None:
        self._write(key, "idea.json", idea.to_json().encode())

    def write_new_idea(self, key: str, idea: Idea) -> bool:
        """False, and nothing is written, where there is an idea of this key."""
        path = f"{self._path}/ideas/{key}/idea.json"
        return self._storage.write_new(path, idea.to_json().encode())

    def exchange(self, key: str) -> tuple[Turn, ...]:
        """What was said to and by a language model to implement the idea; empty without one."""
        turns = _json(self._read(key, "exchange.json")) or ()
        return tuple(Turn.from_json(json.dumps(turn)) for turn in turns)

    def write_implementation(self, key: str, implementation: Implementation) -> None:
        """Keeps the exchange that led to it, and the code where there is some."""
        self._write_implementation(key, implementation, "edits.diff", "base.diff", "codebase.zip")

    def write_repair(self, key: str, implementation: Implementation) -> None:
        """The same for what takes the place of a tree that crashed; the first one stays."""
        self._write_implementation(
            key, implementation, "repair.diff", "repair_base.diff", "repair.zip"
        )

    def write_job(self, key: str, job: Job) -> None:
        self._write(key, "job.json", job.to_json().encode())

    def write_log(self, key: str, log: str, *, repaired: bool = False) -> None:
        self._storage.write(self.log_path(key, repaired=repaired), log.encode(), final=True)

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

    def kept(self, name: str, kind: type[S]) -> S | None:
        """A record that decides how the run goes on, see `decisions.py`. Raises DamagedRecord."""
        return read_record(self._storage, f"{self._path}/{name}", kind)

    def keep(self, name: str, record: StrictRecord) -> None:
        write_record(self._storage, f"{self._path}/{name}", record, final=True)

    def kept_numbered(self, folder: str, kind: type[S]) -> dict[int, S]:
        """The records of a folder by number. Raises DamagedRecord."""
        return read_numbered(self._storage, f"{self._path}/{folder}", kind)

    def keep_numbered(self, folder: str, number: int, record: StrictRecord) -> None:
        self.keep(numbered(folder, number), record)

    def record(self, event: str, **fields: Any) -> None:
        """Adds a line to events.jsonl, which only people and reports read."""
        line = json.dumps({"time": round(now(), 4), "event": event, **fields})
        self._storage.append(f"{self._path}/events.jsonl", line.encode() + b"\n")

    def log_error(self, cause: str) -> None:
        """Adds what led to an error to errors.log, which only people read."""
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        self._storage.append(f"{self._path}/errors.log", f"{stamp}\n{cause}\n\n".encode())

    def errors(self) -> str:
        """The text of errors.log; empty where nothing failed."""
        return (self._storage.read(f"{self._path}/errors.log") or b"").decode(errors="replace")

    def flush(self) -> None:
        self._storage.flush()

    def events(self) -> list[dict[str, Any]]:
        """The lines of events.jsonl; one that a kill cut short is left out."""
        lines = (self._storage.read(f"{self._path}/events.jsonl") or b"").splitlines()
        return [event for line in lines if (event := _json(line)) is not None]

    def _write_implementation(
        self, key: str, made: Implementation, diff: str, base_diff: str, tree: str
    ) -> None:
        if made.exchange:
            text = ",\n".join(turn.to_json() for turn in made.exchange)
            self._write(key, "exchange.json", f"[{text}]\n".encode())
        if made.status == "completed":
            self._write(key, diff, made.diff.encode())
            if made.base_diff:
                self._write(key, base_diff, made.base_diff.encode())
            self._write(key, tree, zip_tree(made.files))

    def _tree(self, key: str, name: str) -> dict[str, str] | None:
        data = self._read(key, name)
        try:
            return unzip(data) if data else None
        except ValueError:
            return None

    def _read(self, key: str, name: str) -> bytes | None:
        return self._storage.read(f"{self._path}/ideas/{key}/{name}")

    def _write(self, key: str, name: str, data: bytes) -> None:
        self._storage.write(f"{self._path}/ideas/{key}/{name}", data, final=True)

    def _record(self, kind: type[R], key: str, name: str) -> R | None:
        data = self._read(key, name)
        try:
            return kind.from_json(data) if data else None
        except ValueError:
            return None


def _json(data: bytes | None) -> Any:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):  # the latter of a file that is nested without end
        return None
