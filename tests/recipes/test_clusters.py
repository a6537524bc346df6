"""The cluster recipes: scripts that start, on stand-ins for Slurm's commands, and a manifest.

Slurm and Kubernetes themselves are not here. What Slurm's commands would do on a node is done on
this machine; of the manifest, the form and the command are checked.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from executor import Store
from ideator_rl.cli import build_parser
from ideator_rl.recipe.bundled import find_recipe
from tests.executor.runs import trials, wait_until
from tests.ideator_rl.command_line import ideator_rl, make_workplace

CLUSTERS = Path(__file__).parents[2] / "recipes" / "clusters"
SCRIPTS = sorted(CLUSTERS.glob("*.sbatch"))
MANIFEST = CLUSTERS / "kuberay.yaml"
SRUN = """#!/bin/bash
# Runs the command here: its own options come first, with a value each but --overlap.
while [[ $1 == --* ]]; do if [[ $1 == --overlap ]]; then shift; else shift 2; fi; done
if [[ $1 == hostname ]]; then echo 127.0.0.1; else exec "$@"; fi
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny problem, and stand-ins for Slurm's commands on the path."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (
        ("srun", SRUN),
        ("scontrol", "#!/bin/sh\nprintf 'one\\ntwo\\n'\n"),
        ("ideator-rl", f'#!/bin/sh\nexec {sys.executable} -m ideator_rl "$@"\n'),
    ):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    here = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{commands}:{here}:{os.environ['PATH']}")
    return make_workplace(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_clean_and_asks_slurm_for_what_it_knows(script: Path) -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    options = re.findall(r"^#SBATCH --([a-z-]+)(?: \S+)?$", script.read_text(), re.MULTILINE)
    assert len(options) == script.read_text().count("\n#SBATCH")
    assert {"job-name", "time", "output", "cpus-per-task", "gpus-per-node"} <= set(options)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_without_arguments_says_what_to_name(script: Path) -> None:
    done = subprocess.run(["bash", script], capture_output=True, text=True)
    assert done.returncode != 0 and "as in: sbatch" in done.stderr


@pytest.mark.parametrize("path", [*SCRIPTS, MANIFEST], ids=lambda path: path.stem)
def test_the_commands_that_it_names_exist(path: Path) -> None:
    kinds = {"search": "search", "train": "grpo"}
    named = re.findall(r"ideator-rl (search|train) --config ([\w/]+)", path.read_text())
    assert named
    for command, recipe in named:
        find_recipe(recipe, kinds[command])


def test_the_manifest_runs_trials_on_every_worker_and_none_on_the_head() -> None:
    job = yaml.safe_load(MANIFEST.read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    args, _ = build_parser().parse_known_args(words[1:])
    assert args.command == "search"
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        [container] = pod["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        [data] = [v["value"] for v in container["env"] if v["name"] == "IDEATOR_RL_DATA"]
        assert data in {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_slurm_job_of_two_nodes_runs_a_search_on_ray(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_PORT", str(free.getsockname()[1]))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[1-2]")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    words = ["ideator-rl", "search", "--config", "config.yaml", "--executor.workers.kind", "ray"]
    done = subprocess.run(
        ["bash", CLUSTERS / "slurm_ray.sbatch", *words],
        cwd=workplace,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert len(trials(Store(workplace / "store").run("first"))) > 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_slurm_array_of_workers_runs_a_search_and_ends_when_told(workplace: Path) -> None:
    script = str(CLUSTERS / "slurm_workers.sbatch")
    array = [
        subprocess.Popen(
            ["bash", script, "store", "tiny"], cwd=workplace, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    try:
        wait_until(lambda: len(list(workplace.glob("store/queue/workers/*.json"))) == 2, 60)
        words = ("search", "--config", "config.yaml", "--executor.workers.kind", "store")
        assert ideator_rl(workplace, *words, timeout=200).code == 0
    finally:
        for task in array:
            task.send_signal(signal.SIGTERM)
        codes = [task.wait(30) for task in array]
    assert codes == [1, 1]
    assert not list(workplace.glob("store/queue/workers/*"))
