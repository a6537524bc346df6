"""Commands of the project, as a user gives them.

call("ideator_rl", "search", "--config", "recipes/digits/search/config_evolution.yaml")
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from executor.errors import UserError
from executor.processes.processes import die_with_parent


def call(module: str, *words: str) -> str:
    """What the command prints; its progress goes to the terminal. It ends with this process, even
    when that is killed. Raises UserError."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )
    if done.returncode:
        raise UserError(f"{module} {' '.join(words)} ended with {done.returncode}")
    return done.stdout
