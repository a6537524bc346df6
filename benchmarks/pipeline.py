"""What a search waits for: ideation, implementation and execution through a language model.

    python benchmarks/pipeline.py [--json]

A server of its own process speaks OpenAI's protocol. Four measurements, each in a fresh controller
process:

- 80 ideas, ten a call, one call for the code of each, 0.2 s a call; jobs of U(0.2, 1.0) s on 4
  slots, three baselines among them: Σ job time / slots / wall of the search, `continuous` beside
  `epochs` of ten;
- seconds from the start of `ideator-rl search` until the server has its first request, by SDK, and
  of them what importing the SDK takes;
- 1,000 implementations at once against a server that takes 2 s, `concurrency` of them under way:
  wall over the bound, which is 2 s × 1,000 / concurrency, and the controller's peak memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from executor_overhead import FILES as SLEEPER

SLOTS, IDEAS, BATCH = 4, 80, 10
LATENCY_S = 0.2
CROWD, CROWD_LATENCY_S, CROWD_CONCURRENCY = 1000, 2.0, 64
FILES = {**SLEEPER, "codebase/job.sh": "mkdir candidate\nsleep 0.6\n"}
RECIPE = """
env: {folder}
run: pipeline
store: {folder}/store
ideator: {{kind: api, llm: &llm {{api: {api}, base_url: "{url}", model: none, concurrency: 64}}}}
implementer: {{kind: llm, llm: *llm, samples: 1, revisions: 0}}
search: {{method: best_of_n, epoch_size: {batch}, pipeline: {pipeline}}}
budget: {{ideas: {ideas}}}
executor: {{slots: {slots}, baseline_seeds: 3, sandbox: best-effort}}
confirm: {{top: 0}}
"""
ENV = {**os.environ, "OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none"}


# --- the server -----------------------------------------------------------------------------------


def answer(body: str) -> str:
    """Ideas that name a number, or the edit that sleeps as long as the number says."""
    if asked := re.findall(r"Write (\d+|one) idea", body):
        count = 1 if asked[-1] == "one" else int(asked[-1])
        numbers = random.sample(range(10**9), count)
        return "".join(
            f"[Experiment] Sleep as {n} says.\\n[Code Changes] Job {n}.\\n[End]\\n" for n in numbers
        )
    number = re.findall(r"Job (\d+)", body)[-1]
    seconds = random.Random(number).uniform(0.2, 1.0)
    return (
        "job.sh\\n<<<<<<< SEARCH\\nsleep 0.6\\n=======\\n"
        f"sleep {seconds:.4f}  # {number}\\n>>>>>>> REPLACE\\n"
    )


async def serve(latency_s: float, answer: Callable[[str], str] = answer) -> None:
    """Prints its port, then when each request came."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
                body = (await reader.readexactly(size)).decode()
                print(time.monotonic(), flush=True)
                await asyncio.sleep(latency_s)
                choice = f'{{"index": 0, "delta": {{"content": "{answer(body)}"}}'
                begin = (
                    '{"id": "a", "object": "chat.completion.chunk", "created": 0, "model": "none"'
                )
                usage = '"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}'
                events = (
                    f'data: {begin}, "choices": [{choice}, "finish_reason": "stop"}}]}}\n\n'
                    f'data: {begin}, "choices": [], {usage}}}\n\n'
                    "data: [DONE]\n\n"
                ).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                    b"content-length: %d\r\n\r\n%b" % (len(events), events)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=2 * CROWD)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# --- what is measured, in processes of their own --------------------------------------------------


def search_once(folder: Path) -> None:
    """One search; prints its figures."""
    from executor import Executor, Store
    from gym_envs import find_problem
    from ideator_rl.open_implementer import open_implementer
    from ideator_rl.recipe.read import load_recipe
    from ideator_rl.search.loop import search
    from ideator_rl.search.open_ideator import open_ideator

    recipe = load_recipe(folder / "config_pipeline.yaml")
    problem = find_problem(folder)
    kept = Store(recipe.store).run(recipe.run)
    ideator = open_ideator(recipe.ideator, problem, kept)
    implementer = open_implementer(recipe.implementer, problem, kept)
    with Executor(
        problem,
        store=recipe.store,
        run=recipe.run,
        slots=SLOTS,
        implementer=implementer,
        sandbox="best-effort",
    ) as executor:
        begun = time.monotonic()
        result = asyncio.run(search(recipe, executor, ideator, lambda idea, outcome: None))
        wall = time.monotonic() - begun
        diffs = [executor.run.diff(entry.idea.id) for entry in result.executed]
    assert len(diffs) == IDEAS and all(entry.outcome.completed for entry in result.executed)
    jobs = [float(re.findall(r"\+sleep ([\d.]+)", diff)[0]) for diff in diffs] + [0.6] * 3
    print(json.dumps({"wall_s": wall, "efficiency": sum(jobs) / SLOTS / wall}))


def implement_crowd(folder: Path) -> None:
    """1,000 implementations at once; prints wall and memory."""
    from executor import Idea, Store
    from gym_envs import find_problem
    from ideator_rl.open_implementer import open_implementer
    from ideator_rl.recipe.read import load_recipe

    recipe = load_recipe(
        folder / "config_pipeline.yaml", {"implementer.llm.concurrency": str(CROWD_CONCURRENCY)}
    )
    problem = find_problem(folder)
    implementer = open_implementer(recipe.implementer, problem, Store(recipe.store).run("crowd"))
    ideas = [Idea(f"{n}", f"[Experiment] Sleep.\n[Code Changes] Job {n}.") for n in range(CROWD)]

    async def implement() -> float:
        begun = time.monotonic()
        made = await asyncio.gather(*map(implementer.implement, ideas))
        wall = time.monotonic() - begun
        await implementer.close()
        assert all(each.status == "completed" for each in made)
        return wall

    wall = asyncio.run(implement())
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall_s": wall, "mib": mib, "cpu_s": time.process_time()}))


class Server:
    """The server of a benchmark in a process of its own."""

    def __init__(self, latency_s: float, benchmark: str = __file__) -> None:
        command = [sys.executable, benchmark, "--serve", str(latency_s)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def first_request_at(self) -> float:
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def write_files(folder: Path, url: str, api: str = "openai", pipeline: str = "continuous") -> None:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    recipe = RECIPE.format(
        folder=folder,
        api=api,
        url=f"{url}/v1" if api == "openai" else url,
        batch=BATCH,
        pipeline=pipeline,
        ideas=IDEAS,
        slots=SLOTS,
    )
    (folder / "config_pipeline.yaml").write_text(recipe)


def measure(task: str, latency_s: float, pipeline: str = "continuous") -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder, Server(latency_s) as server:
        write_files(Path(folder), server.url, pipeline=pipeline)
        command = [sys.executable, __file__, f"--{task}", folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=ENV)
    return json.loads(done.stdout.splitlines()[-1])


def first_call_s(api: str) -> float:
    """From the start of the command to the first request at the server."""
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder, Server(60) as server:
        write_files(Path(folder), server.url, api)
        config = f"{folder}/config_pipeline.yaml"
        begun = time.monotonic()
        search = subprocess.Popen(
            [sys.executable, "-m", "ideator_rl", "search", "--config", config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENV,
        )
        seconds = server.first_request_at() - begun
        search.terminate()
        search.wait()
    return seconds


def import_s(sdk: str) -> float:
    """What a process with the SDK takes longer than one without."""

    def run(code: str) -> float:
        begun = time.monotonic()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.monotonic() - begun

    return min(run(f"import {sdk}") for _ in range(3)) - min(run("pass") for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--crowd", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        return asyncio.run(serve(args.serve))
    if args.search:
        return search_once(args.search)
    if args.crowd:
        return implement_crowd(args.crowd)

    load = os.getloadavg()[0]
    crowd = measure("crowd", CROWD_LATENCY_S)
    bound = CROWD_LATENCY_S * CROWD / CROWD_CONCURRENCY
    figures = {
        "efficiency": round(measure("search", LATENCY_S)["efficiency"], 3),
        "efficiency_epochs": round(measure("search", LATENCY_S, "epochs")["efficiency"], 3),
        "crowd_over_bound": round(crowd["wall_s"] / bound, 3),
        "crowd_mib": round(crowd["mib"], 1),
        "crowd_cpu_s": round(crowd["cpu_s"], 1),
    }
    for sdk in ("openai", "anthropic"):
        figures[f"first_call_s_{sdk}"] = round(min(first_call_s(sdk) for _ in range(3)), 3)
        figures[f"import_s_{sdk}"] = round(import_s(sdk), 3)
    figures["load_before"] = round(load, 2)
    for name, value in figures.items():
        print(f"{name:22} {value}")
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
