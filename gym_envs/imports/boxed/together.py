"""Evaluates the program in the process and the box of the program, without `--examined`.

Leaves `candidate/result.json`. Code of the program can write anything there.
"""

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import stand_ins
from evaluation import Settings, evaluated

data = Path(__file__).parents[1]
settings = json.loads((data / "settings.json").read_text())
program = Path(settings.pop("program")).resolve()
sys.path.insert(0, os.getcwd())
stand_ins.install()
with tempfile.TemporaryDirectory() as work:
    result = evaluated(Settings(**settings), data / "peer", str(program), Path(work))
for name, text in result.artifacts.items():
    print(f"{name}: {text}")
Path("candidate").mkdir()
Path("candidate/result.json").write_text(json.dumps(asdict(result)))
