"""How a command line names a run of a store: STORE/runs/RUN, where the store may be a URL."""

from __future__ import annotations

from executor import Store
from executor.errors import UserError
from executor.run_records import read_start
from executor.store.runs import RunFolder
from executor.store.threads import in_threads


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
    if name not in (runs := store.runs()):
        begun = zip(runs, in_threads(lambda run: _was_begun(store.run(run)), runs), strict=True)
        known = ", ".join(run for run, was_begun in begun if was_begun) or "none"
        raise UserError(f"{path}: no such run; the runs of {url} are: {known}")
    return store.run(name)


def _was_begun(run: RunFolder) -> bool:
    """A run that was refused has its errors.log and nothing else."""
    return run.recipe() is not None or read_start(run) is not None
