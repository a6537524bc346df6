"""Searches, evaluations and ideas whose trials run on a Ray cluster, as a person starts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from executor import Store
from tests.executor.runs import trials, wait_until
from tests.ideator_rl.command_line import command, ideator_rl, in_process, make_workplace
from tests.llm_servers import Reply, serve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
RAY = ("--executor.workers.kind", "ray")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of two nodes."""
    from ray.cluster_utils import Cluster

    # Its sockets need a short path.
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temporary,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("RAY_TMPDIR", temporary)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster.address
        cluster.shutdown()


@pytest.fixture
def workplace(tmp_path: Path, cluster: str) -> Path:
    return make_workplace(tmp_path)


def test_a_search_finds_what_it_finds_on_this_machine(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", "--json", "--store")
    here, there = (
        json.loads(ideator_rl(workplace, *words, store, *more, timeout=300).out)
        for store, more in (("here", ()), ("there", RAY))
    )
    for told in ("executed", "completed", "baseline_rewards"):
        assert here[told] == there[told]
    assert here["best"]["reward"] == there["best"]["reward"]
    ran = [len(trials(Store(workplace / store).run("first"))) for store in ("here", "there")]
    assert ran[0] == ran[1] > 2


def test_a_driver_that_is_killed_goes_on(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", *RAY)
    first = subprocess.Popen(
        command(words), cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    run = Store(workplace / "store").run("first")
    wait_until(lambda: len(run.outcomes(run.trials())) >= 4, 120)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    kept = {path: path.read_bytes() for path in workplace.rglob("outcome.json")}
    done = ideator_rl(workplace, *words, timeout=300)
    assert done.code == 0 and "going on after" in done.err
    assert {path: path.read_bytes() for path in kept} == kept
    ran = [event["key"] for event in trials(run)]
    assert len(ran) == len(set(ran))


def test_a_code_model_writes_what_the_cluster_runs(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a key for the tests")
    (workplace / "ideas.jsonl").write_text(json.dumps({"id": "a", "text": "Write a dozen."}))
    with serve("openai", lambda asked: Reply("value: 10 -> 12")) as server:
        llm = {"api": "openai", "model": "code-model", "base_url": server.url}
        implementer = {"kind": "llm", "samples": 1, "llm": llm}
        (workplace / "config_words.yaml").write_text(
            (workplace / "config.yaml").read_text() + f"implementer: {json.dumps(implementer)}\n"
        )
        words = ("execute", "--env", "tiny", "--ideas", "ideas.jsonl", "--workers", "ray")
        words += ("--implementer", "config_words.yaml", "--json")
        [outcome] = map(json.loads, ideator_rl(workplace, *words, timeout=300).out.splitlines())
    assert (outcome["status"], outcome["reward"], len(server.asked)) == ("completed", 12, 1)


def test_an_evaluation_runs_there(workplace: Path, tiny_model: Path) -> None:
    shutil.copytree(tiny_model, workplace / "model")
    words = ("evaluate", "--env", "tiny", "--model", "model", "--prompt", "brief", "-n", "2")
    words += ("--max-tokens", "4", "--json", *RAY)
    found = json.loads(ideator_rl(workplace, *words, timeout=300).out)
    assert [row["name"] for row in found["rows"]] == ["model", "library", "baseline"]
    assert found["rows"][1]["completed"] > 0


def test_a_cluster_without_room_is_one_line(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", *RAY, "--problem.resources.cpus", "64")
    done = ideator_rl(workplace, *words, timeout=300)
    assert done.code == 2 and "no node of this Ray cluster has the 64 core(s)" in done.err


def test_a_price_needs_to_know_how_many_trials_the_cluster_runs(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", "--dry-run", *RAY, "--executor.slots", "null")
    done = in_process(workplace, *words)
    assert done.code == 2 and "executor.slots: say how many trials" in done.err
