"""Folders in the forms of other frameworks, as small as they come."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"
PROGRAM = """
# EVOLVE-BLOCK-START
size = 4


def solve(n):
    return list(range(size, size + n)), size * n
# EVOLVE-BLOCK-END
"""
LOAD = """
import importlib.util
def load(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program
"""
# What is known of public evaluators: this one averages over the cases that did not raise,
SKIPS = f"""{LOAD}
def evaluate(program_path):
    program, scores = load(program_path), []
    for n in (5, 1, 2):
        try:
            scores.append(sum(program.solve(n)[0]) / n ** 2)
        except Exception:
            continue
    return {{"combined_score": sum(scores) / len(scores)}}
"""
# this one believes a score that the program returns,
BELIEVES = f"""{LOAD}
def evaluate(program_path):
    order, total = load(program_path).solve(3)
    return {{"combined_score": float(total), "length": len(order)}}
"""
# and this one runs the program in a process of its own, and reads a pickle.
STARTS = """
import os, pickle, subprocess, sys, tempfile
def evaluate(program_path):
    with tempfile.TemporaryDirectory() as folder:
        script, results = os.path.join(folder, "run.py"), os.path.join(folder, "results")
        with open(script, "w") as file:
            file.write(f'''
import importlib.util, pickle
spec = importlib.util.spec_from_file_location("program", {program_path!r})
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
with open({results!r}, "wb") as file:
    pickle.dump(program.solve(3), file)
''')
        subprocess.run([sys.executable, script], check=True, timeout=60)
        with open(results, "rb") as file:
            order, total = pickle.load(file)
    return {"combined_score": float(sum(order)), "artifacts": {"order": str(order)}}
"""


def make_peer(folder: Path, evaluator: str, program: str = PROGRAM, config: str = "") -> Path:
    """Writes a folder of OpenEvolve's form, and returns it."""
    folder.mkdir()
    (folder / "initial_program.py").write_text(program)
    (folder / "evaluator.py").write_text(evaluator)
    if config:
        (folder / "config.yaml").write_text(config)
    return folder
