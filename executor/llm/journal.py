"""What a run has asked and been told: every reply is kept before anybody sees it.

    journal = Journal("store/runs/digits-claude/llm/ideator")
    journal.response(key)                                # Response, or None: ask
    entry = journal.begin(key, request, at_risk=worst)   # before an attempt is sent
    journal.answered(key, entry, charge, response)       # or failed(), when it has ended

One file a request, `<key>.json`. It says what the attempts have cost, and why the failed ones have.
A process that was killed leaves attempts without an end: they count as the worst they can cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from executor.llm.meter import NOTHING, Charge
from executor.llm.records import Purpose, Request, Response
from executor.records import Record
from executor.settings import convert
from executor.store.open import open_storage
from executor.store.threads import in_threads


@dataclass(frozen=True)
class JournalEntry(Record):
    """One request: `spent` on attempts that have ended, `at_risk` with the one under way."""

    purpose: Purpose
    sample: int
    spent: Charge = NOTHING
    at_risk: Charge = NOTHING
    failures: tuple[str, ...] = ()
    response: Response | None = None

    @classmethod
    def from_json(cls, text: str | bytes) -> JournalEntry:
        """Raises ValueError when the text is not an entry."""
        return convert(json.loads(text), cls)


class Journal:
    """In a folder of its own, a path or an fsspec URL. Every method raises StoreError.

    The folder is read at the first question to it: what other processes wrote until then is known.
    From then on this process is the only one that writes. Threads may share it.
    """

    def __init__(self, url: str | Path) -> None:
        self._storage = open_storage(url)
        self.url = self._storage.url
        self._listing = Lock()
        self._listed: set[str] | None = None

    def _names(self) -> set[str]:
        # Of two threads that ask first, the second must not list what the first has added to.
        with self._listing:
            if self._listed is None:
                self._listed = set(self._storage.list(""))
            return self._listed

    def entries(self) -> Iterator[JournalEntry]:
        yield from filter(None, in_threads(self._read, sorted(self._names())))

    def spent(self) -> Charge:
        """What the run has spent at most, attempts without an end included."""
        return sum((entry.spent + entry.at_risk for entry in self.entries()), NOTHING)

    def entry(self, key: str) -> JournalEntry | None:
        return self._read(f"{key}.json")

    def response(self, key: str) -> Response | None:
        entry = self.entry(key)
        return entry.response if entry else None

    def begin(self, key: str, request: Request, at_risk: Charge) -> JournalEntry:
        """An attempt is about to be sent."""
        entry = self.entry(key) or JournalEntry(request.purpose, request.sample)
        # What a killed process had under way has ended, too.
        entry = replace(entry, spent=entry.spent + entry.at_risk, at_risk=at_risk)
        self._write(key, entry)
        return entry

    def failed(self, key: str, entry: JournalEntry, charge: Charge, why: str) -> None:
        """The attempt has come to nothing, and cost `charge`."""
        failures = (*entry.failures, why)
        spent = entry.spent + charge
        self._write(key, replace(entry, spent=spent, at_risk=NOTHING, failures=failures))

    def answered(
        self, key: str, entry: JournalEntry, charge: Charge, response: Response
    ) -> Response:
        """The response, kept, with the cost of all attempts."""
        spent = entry.spent + charge
        response = replace(response, cost=spent.money)
        self._write(key, replace(entry, spent=spent, at_risk=NOTHING, response=response))
        return response

    def _read(self, name: str) -> JournalEntry | None:
        if name not in self._names():
            return None
        try:
            return JournalEntry.from_json(self._storage.read(name) or b"")
        except ValueError:
            # A power cut can leave an empty file.
            return None

    def _write(self, key: str, entry: JournalEntry) -> None:
        self._storage.write(f"{key}.json", entry.to_json().encode())
        self._names().add(f"{key}.json")
