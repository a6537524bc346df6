"""How a problem's command is started in its box: the words, and an environment without secrets."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.sandbox import Box, Sandbox, places, tool
from executor.sandbox.visible import gpu_numbers

_SANDBOX = Path(__file__).parents[1] / "sandbox"
# The first imports the second, which lies beside it.
PRELUDE, RUN_SCRIPT = _SANDBOX / "prelude.py", _SANDBOX / "run_script.py"
TORCHRUN = Path(__file__).parent / "torchrun.py"
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
# As /dev and nvidia-smi number GPUs, and so slots and boxes; by itself CUDA has the fastest first.
GPU_ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def kept_environment() -> dict[str, str]:
    """The variables of this process that say nothing but where the system is."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}


def environment(
    sandbox: Sandbox, box: Box, *, cpus: int, extra: Mapping[str, str]
) -> dict[str, str]:
    """A clean environment: no key, token or setting of the parent."""
    work, _, small = places(sandbox, box)
    env = kept_environment()
    # torchrun and its like lie beside the interpreter.
    env["PATH"] = os.pathsep.join(filter(None, (str(Path(sys.executable).parent), env.get("PATH"))))
    env |= dict.fromkeys(_THREAD_VARIABLES, str(cpus))
    # By default libgomp spins 300,000 turns while threads wait for each other. Beside other work a
    # trial would be charged for that, and slow the others.
    env["GOMP_SPINCOUNT"] = "1000"
    # In a box MKL finds no more than one core, and PyTorch asks MKL.
    env["MKL_DYNAMIC"] = "FALSE"
    env |= {"HOME": work, "TMPDIR": small, "USER": "ideator", "LOGNAME": "ideator"}
    env["PYTHONUNBUFFERED"] = "1"
    if not box.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ""
    else:
        env |= GPU_ORDER
        if sandbox.isolates and (numbers := gpu_numbers()):
            # The device nodes of no others are in the box: CUDA counts from 0 there.
            env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, range(len(numbers))))
    if site.ENABLE_USER_SITE:
        env["PYTHONUSERBASE"] = site.getuserbase()
    else:
        env["PYTHONNOUSERSITE"] = "1"
    return env | dict(extra)


@dataclass(frozen=True)
class Command:
    """How a problem's code starts.

    Args:
        words: the command line.
        script: of a Python script that starts through the prelude, the script and its arguments.
        modules: what the prelude imports.
        clock: the descriptor on which the prelude says that the budget's clock starts.
    """

    words: tuple[str, ...]
    script: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    clock: int = -1


def command_line(
    words: Sequence[str], preload: Sequence[str], clock: int, sandbox: Sandbox, box: Box
) -> Command:
    """The command of a problem's entry.

    `torchrun` as the first word starts the script in as many processes as the trial has GPUs.
    -P: modules of the codebase cannot stand in for the ones that are preloaded; -B: no bytecode.
    """
    if words[0] == "torchrun":
        words = ["python", tool(sandbox, box, TORCHRUN.name), *words[1:]]
    if words[0] != "python":
        return Command(tuple(words))
    if words[1].startswith("-"):
        return Command((sys.executable, "-B", *words[1:]))
    prelude = (tool(sandbox, box, PRELUDE.name), str(clock), ",".join(preload))
    script = tuple(words[1:])
    return Command((sys.executable, "-P", "-B", *prelude, *script), script, tuple(preload), clock)
