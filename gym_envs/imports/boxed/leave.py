"""Leaves the program's side of `--examined` where the candidate's box finds it."""

import shutil
from pathlib import Path

here = Path(__file__).parent
Path("candidate").mkdir()
for name in ("serve.py", "wire.py"):
    shutil.copy(here / name, "candidate")
