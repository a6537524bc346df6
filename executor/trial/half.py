"""One half of a trial: the training, or the candidate under examination, in a box of its own.

    with open_half(spec, folder, "train", sandbox, stopped) as half:
        process = half.start(command, env={"SEED": "0"})

A half has its own copy of the codebase, its own temporary folder, log and control group.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from executor.processes.processes import Process
from executor.sandbox import Box, Sandbox, box_uid, open_group, start
from executor.sandbox.cgroup import ControlGroup
from executor.sandbox.meter import Meter
from executor.sandbox.sandbox import start_warm
from executor.sandbox.servers import Server, server_for
from executor.sandbox.tree import write_tree
from executor.trial.command import PRELUDE, RUN_SCRIPT, TORCHRUN, Command, environment
from executor.trial.spec import TrialSpec

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Half:
    """One locked-in half of a trial, the training or the candidate."""

    spec: TrialSpec
    sandbox: Sandbox
    box: Box
    group: ControlGroup | None
    meter: Meter
    log: int
    log_path: Path
    stopped: Callable[[], bool]

    def start(self, command: Command, **how: Any) -> Process:
        """`env` among `how` is added to the clean environment. Raises OSError."""
        how["env"] = self.env() | how.get("env", {})
        how |= {"output": self.log, "group": self.group}
        if server := self.server(command):
            return start_warm(server, self.sandbox, self.box, command.script, command.clock, **how)
        return start(self.sandbox, self.box, command.words, **how)

    def env(self) -> dict[str, str]:
        return environment(self.sandbox, self.box, cpus=self.spec.cpus, extra=self.spec.env)

    def server(self, command: Command) -> Server | None:
        """The server of which the command is a fork; None where it starts cold.

        To fork a process that holds a GPU is not safe.
        """
        if self.sandbox.name != "namespaces" or not command.script or self.box.gpus:
            return None
        startup_s = self.spec.startup_seconds
        return server_for(command.modules, self.env(), startup_s, self.stopped)


@contextmanager
def open_half(
    spec: TrialSpec, folder: Path, name: str, sandbox: Sandbox, stopped: Callable[[], bool]
) -> Iterator[Half]:
    """Lays a half out in `folder`; removes its control group afterwards."""
    box = _lay_out(spec, folder, name, sandbox)
    log_path = folder / "logs" / name
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    group = None
    try:
        group = open_group(sandbox, box)
        limits = None if sandbox.level == "none" else box.limits
        meter = Meter(folder, limits, group, sandbox.mounted)
        yield Half(spec, sandbox, box, group, meter, log, log_path, stopped)
    finally:
        os.close(log)
        if group:
            group.remove()


def _lay_out(spec: TrialSpec, folder: Path, name: str, sandbox: Sandbox) -> Box:
    """Writes the patched tree, then the frozen files over it, then the pipe."""
    work, scratch = folder / name, folder / f"{name}-scratch"
    writable = [str(work), f"{scratch}/tmp", f"{scratch}/shm"]
    for path in writable:
        os.makedirs(path)
    files = {**spec.files, **spec.frozen, "exam_pipe.py": _exam_pipe()}
    encoded = {
        file: text.encode()
        for file, text in files.items()
        if name == "train" or not file.startswith("candidate/")
    }
    own(sandbox, [*writable, *write_tree(str(work), encoded)])
    return Box(
        work=work,
        scratch=scratch,
        # Only training sees the training data.
        data=Path(spec.train_data) if spec.train_data and name == "train" else None,
        hidden=tuple(map(Path, spec.hidden)),
        tools={path.name: path for path in (PRELUDE, RUN_SCRIPT, TORCHRUN)},
        limits=spec.limits,
        gpus=spec.gpus > 0,
    )


def own(sandbox: Sandbox, paths: Iterable[str | Path]) -> None:
    """Makes the paths the property of the user that boxes run as."""
    if sandbox.isolates:
        for path in paths:
            os.chown(path, box_uid(), -1)


@cache
def _exam_pipe() -> str:
    return (_HERE / "exam_pipe.py").read_text()
