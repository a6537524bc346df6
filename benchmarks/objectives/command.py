"""Commands of the project, as a user gives them.

call("ideator_rl", "search", "--config", "recipes/digits/search/config_evolution.yaml")
"""

from __future__ import annotations

import subprocess
import sys

from executor.errors import UserError


def call(module: str, *words: str) -> str:
    """What the command prints; its progress goes to the terminal. Raises UserError."""
    done = subprocess.run([sys.executable, "-m", module, *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"{module} {' '.join(words)} ended with {done.returncode}")
    return done.stdout
