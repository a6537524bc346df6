"""How a command line names a run of a store: STORE/runs/RUN, where the store may be a URL."""

from __future__ import annotations

from executor import Store
from executor.errors import UserError
from executor.store.runs import RunFolder


def split_run(path: str) -> tuple[str, str]:
    """STORE/runs/RUN as (STORE, RUN). Raises UserError."""
    store, found, name = path.rstrip("/").rpartition("/runs/")
    if path.startswith("runs/"):
        store, found, name = ".", "/runs/", path.rstrip("/").removeprefix("runs/")
    if not found or not name or "/" in name:
        raise UserError(f"{path}: not a run; name it STORE/runs/RUN, as in store/runs/mine")
    return store, name


def find_run(path: str) -> RunFolder:
    """The run at STORE/runs/RUN. Raises UserError where there is none."""
    url, name = split_run(path)
    store = Store(url)
    if name not in store.runs():
        known = ", ".join(store.runs()) or "none"
        raise UserError(f"{path}: no such run; the runs of {url} are: {known}")
    return store.run(name)
