"""The claims that a run holds: ideas of others, imported once and never changed.

<run>/claims.jsonl      one claim a line
<run>/import.json       where they are from and what they are about, written last

keep_claims(run, Imported("org/name", "digits", 800), claims)
read_claims(run)                                         # empty for a run that was not imported
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from executor.errors import DamagedRecord, UserError
from executor.store.decisions import StrictRecord
from executor.store.open import open_storage
from executor.store.runs import RunFolder
from ideator_rl.claims.claim import Claim

FILE, RECORD = "claims.jsonl", "import.json"


@dataclass(frozen=True)
class Imported(StrictRecord):
    """Where a run's claims are from, which problem they are about, and how many there are."""

    source: str
    problem: str
    claims: int


def keep_claims(run: RunFolder, imported: Imported, claims: Sequence[Claim]) -> bool:
    """Keeps the claims of a new run.

    Returns:
        Whether they are new; the same claims again are left as they are.

    Raises:
        UserError: the run exists and holds something else, or another process has it.
    """
    storage, text = open_storage(run.url), "".join(f"{claim.to_json()}\n" for claim in claims)
    lock = run.lock()
    try:
        if read_import(run) is not None and storage.read(FILE) == text.encode():
            return False
        if read_import(run) is not None or run.trials():
            raise UserError(
                f"the run {run.name} holds something else already; choose another name with --run"
            )
        storage.write(FILE, text.encode())
        run.keep(RECORD, imported)
        return True
    finally:
        lock.release()


def read_import(run: RunFolder) -> Imported | None:
    """None for a run that was not imported. Raises StoreError."""
    return run.kept(RECORD, Imported)


def read_claims(run: RunFolder) -> list[Claim]:
    """In the order of their rows. Raises StoreError."""
    imported = read_import(run)
    if imported is None:
        return []
    data = open_storage(run.url).read(FILE) or b""
    try:
        claims = [Claim.from_json(line) for line in data.splitlines()]
    except (ValueError, RecursionError):
        claims = []
    if len(claims) != imported.claims:
        raise DamagedRecord(f"{run.url}/{FILE} is damaged; import {imported.source} once more")
    return claims
