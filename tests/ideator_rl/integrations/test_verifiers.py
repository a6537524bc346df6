"""The taskset, asked by verifiers' own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.llm_servers import Reply, serve
from tests.tiny_problem import larger, make_problem

MODULE = 'from ideator_rl.integrations.verifiers import IdeaTaskset\n\n__all__ = ["IdeaTaskset"]\n'


@pytest.mark.slow
@pytest.mark.skipif(find_spec("verifiers") is None, reason="needs the package verifiers")
def test_an_evaluation_executes_the_ideas_of_a_model(tmp_path: Path) -> None:
    make_problem(tmp_path / "tiny")
    (tmp_path / "tiny_ideas.py").write_text(MODULE)
    command = Path(sys.executable).parent / "vf-eval"
    with serve(
        "openai", lambda asked: Reply(f"<think>x</think>{larger(20 + asked.number)}")
    ) as llm:
        options = {
            "env.taskset.problem": "tiny",
            "env.taskset.num-tasks": "2",
            "env.taskset.task.sandbox": "best-effort",
            "env.agent.harness.id": "null",
            "env.agent.runtime.type": "subprocess",
            "client.base-url": llm.url,
            "model": "test",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        done = subprocess.run(
            [str(command), "tiny-ideas", *words, "--no-push", "--no-rich", "-n", "2"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 0, done.stderr
    (traces,) = tmp_path.glob("outputs/*/traces.jsonl")
    lines = [json.loads(line) for line in traces.read_text().splitlines()]
    found = [trace["rewards"]["execution"]["score"] for line in lines for trace in line["traces"]]
    assert sorted(found) == [20.0, 21.0]
