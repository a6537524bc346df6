"""`ideator-rl serve-env`, asked by OpenEnv's own client."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.ideator_rl.command_line import command, in_process, make_workplace, wait_until_gone
from tests.tiny_problem import larger, slower

needs_openenv = pytest.mark.skipif(find_spec("openenv") is None, reason="needs the extra openenv")


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server of the tiny problem, and its process."""
    make_workplace(folder)
    words = ("serve-env", "--env", "tiny", "--port", "0", "--sandbox", "best-effort")
    process = subprocess.Popen(command(words), cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("serving tiny on "))
        yield line.split()[3].rstrip(","), process
    finally:
        process.kill()
        process.wait()


def post(url: str, data: Any, **headers: str) -> Any:
    """What a plain HTTP request is answered."""
    sent = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, json.dumps(data).encode(), sent)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@needs_openenv
@pytest.mark.slow
def test_clients_have_episodes_of_their_own_and_measured_rewards(tmp_path: Path) -> None:
    from openenv import GenericEnvClient

    async def one(url: str, value: int) -> tuple[float, bool, dict[str, Any], int]:
        async with GenericEnvClient(base_url=url) as client:
            prompt = (await client.reset()).observation["prompt"]
            assert prompt.startswith("# Name a large number")
            step = await client.step({"idea": larger(value)})
            state = await client.state()
            return step.reward, step.done, step.observation, state["step_count"]

    async def all_at_once(url: str) -> list[Any]:
        return await asyncio.gather(*(one(url, value) for value in range(11, 17)))

    with served(tmp_path) as (url, _):
        found = asyncio.run(all_at_once(url))
        assert [(reward, done) for reward, done, _, _ in found] == [
            (v, True) for v in range(11, 17)
        ]
        assert found[0][2]["status"] == "completed" and found[0][2]["metrics"] == {"value": 11.0}
        assert [steps for *_, steps in found] == [1] * 6

        assert post(f"{url}/step", {"action": {"idea": larger(30)}})["reward"] == 30.0
        failed = post(f"{url}/step", {"action": {"idea": "words"}})
        assert failed["observation"]["status"] == "not_implemented" and failed["reward"] == 0.0
        for body, headers, code in (
            ({"action": {"wrong": 1}}, {}, 422),
            ({"action": {"idea": larger(31)}}, {"Origin": "http://evil.example"}, 403),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(f"{url}/step", body, **headers)
            assert refused.value.code == code


@needs_openenv
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_with_a_trial_under_way_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    from openenv import GenericEnvClient

    async def asked_and_left(url: str, process: subprocess.Popen[str]) -> None:
        async with GenericEnvClient(base_url=url) as client:
            await client.reset()
            trial = asyncio.create_task(client.step({"idea": slower(60)}))
            await asyncio.sleep(2)
            process.send_signal(number)
            with pytest.raises(Exception, match=r".*"):
                await trial

    with served(tmp_path) as (url, process):
        began = time.monotonic()
        asyncio.run(asked_and_left(url, process))
        assert process.wait(timeout=20) == 0 and time.monotonic() - began < 20
        assert process.stderr is not None and "Traceback" not in process.stderr.read()
    assert wait_until_gone(str(tmp_path), 5.0) == []


def test_without_the_extra_one_line_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ideator_rl.commands.serve_env.find_spec", lambda name: None)
    done = in_process(make_workplace(tmp_path), "serve-env", "--env", "tiny")
    assert done.code == 2 and "ideator-rl[openenv]" in done.err and done.err.count("\n") == 1


@needs_openenv
def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    words = ("serve-env", "--env", "tiny", "--sandbox", "best-effort")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = in_process(tmp_path, *words, "--port", str(taken.getsockname()[1]))
    assert done.code == 2 and "cannot be listened on: Address already in use" in done.err
    done = in_process(tmp_path, *words, "--port", "70000")
    assert done.code == 2 and "cannot be listened on" in done.err
