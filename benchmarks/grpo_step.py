"""What research environments cost a GRPO step of verl's, and how busy they keep the executor.

    python benchmarks/grpo_step.py [--json] [--steps 8] [--thinking 400] [--duplicates]

Three training runs on one machine, the same model, batch and steps, one after the other. Model and
batch have the sizes of the digits' recipe. An answer thinks for 100 to 400 tokens and then sets a
number of its own, so that no two ideas are one trial. With `--thinking 1` all answers are short and
end at once: then nothing hides what the trials of a batch take of the two cores. With
`--duplicates` all set the same number, so that after the first one nothing is left to execute.

- bare: verl as it is, its single-turn agent loop and a reward function that returns a constant
  (but for one thing: it looks for complete batches as often as ours, not every two seconds);
- zero-work: our agent loop, every idea executed by a trial without work;
- one-second: the same with trials that sleep for a second, on 2 slots.

Reported are median seconds a step without the first two, split into generating, executing (what is
waited for after the last answer) and updating; `ratio` is zero-work over bare. `busy` is the share
of busy slots from the first answer of a step to its last outcome, with one-second trials; `trials`
are those of a step with zero-work ones.
`peak_gib` is the most memory that all processes of the zero-work run held at once, counted by their
proportional shares.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import yaml

from executor_overhead import FILES

ROOT = Path(__file__).parents[1]
GROUPS, GROUP_SIZE = 2, 32
SAMPLER = """
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from ideator_rl.rl.trainer import POLL_S


class QuickBuffer(ReplayBuffer):
    def __init__(self, **settings):
        super().__init__(poll_interval=POLL_S, **settings)
"""


def answer(rng: random.Random, length: int, is_same: bool) -> str:
    """A thinking trace of `length` tokens, a digit being one, and an idea of a number of eight."""
    thinking = "".join(rng.choices("0123456789", k=length))
    number = 12345678 if is_same else rng.randrange(10**7, 10**8)
    return (
        f"<think>{thinking}</think>\n[Experiment] Set it.\n[Code Changes]\nsetting: 0 -> {number}\n"
    )


def make_problem(folder: Path, seconds: float) -> Path:
    """Every idea sets a number that changes nothing."""
    job = {
        "problem.toml": FILES["problem.toml"].replace('["job.sh"]', '["settings.py"]'),
        "codebase/settings.py": "setting = 0\n",
        "codebase/job.sh": f"mkdir candidate\nsleep {seconds}\n",
    }
    for name, text in (FILES | job).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def make_model(folder: Path, problem: Path, thinking: int, is_same: bool) -> Path:
    """It knows how to write such an idea, after `thinking` tokens at most; or one idea only."""
    import torch

    from gym_envs import find_problem
    from ideator_rl.ideators.language_model.chat import chat_messages, style_prompt
    from ideator_rl.sft.tiny_model import TinySizes, build_model, build_tokenizer, save_checkpoint

    rng = random.Random(0)
    # The library fills the vocabulary, which is half of the parameters.
    texts = [
        find_problem("digits").library.read_text(),
        *(answer(rng, 99, False) for _ in range(300)),
    ]
    tokenizer = build_tokenizer(texts, TinySizes().vocabulary)
    model = build_model(TinySizes(), tokenizer, seed=0)
    messages = chat_messages(style_prompt(find_problem(problem), "brief"))
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(300):
        length = rng.randint(min(100, thinking), thinking)
        answers = [answer(rng, length, is_same) for _ in range(16)]
        texts = [f"{prompt}{text}{tokenizer.eos_token}" for text in answers]
        ids_BT = tokenizer(texts, return_tensors="pt")["input_ids"]
        model(ids_BT, labels=ids_BT).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    save_checkpoint(model, tokenizer, folder)
    return folder


def write_recipe(path: Path, problem: Path, model: Path, steps: int) -> Path:
    recipe = {
        "env": str(problem),
        "run": path.stem,
        "store": str(path.parent / "store"),
        "steps": steps,
        "model": {"path": str(model)},
        "answer": {"prompt": "brief", "max_prompt_tokens": 64, "max_answer_tokens": 448},
        # A rate of nearly nothing, so that all runs write ideas of the same lengths.
        "grpo": {"groups": GROUPS, "group_size": GROUP_SIZE, "learning_rate": 1e-9},
        "executor": {"slots": 2, "baseline_seeds": 1},
        "checkpoint": {"every": steps},
    }
    path.write_text(yaml.safe_dump(recipe))
    return path


def run_ours(recipe: Path) -> list[dict[str, float]]:
    subprocess.run(
        [sys.executable, "-m", "ideator_rl.train", "--config", str(recipe)],
        cwd=ROOT,
        check=True,
        stdout=sys.stderr,
    )
    from ideator_rl.analysis.metrics_file import read_steps

    steps = read_steps(recipe.parent / "store/runs" / recipe.stem / "metrics.jsonl")
    return list(steps.values())


def run_bare(recipe: Path) -> list[dict[str, float]]:
    """The same configuration, but verl's own task runner, agent loop and reward function."""
    out = recipe.parent / "bare.jsonl"
    command = [sys.executable, __file__, "--bare", str(recipe), str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    lines = [json.loads(line)["data"] for line in out.read_text().splitlines()]
    update = ("old_log_prob", "adv", "update_actor", "update_weights")
    return [
        {
            "time/step": line["timing_s/step"],
            "time/generate": line["timing_s/gen"],
            "time/update": sum(line[f"timing_s/{name}"] for name in update),
        }
        for line in lines
    ]


def bare(recipe_path: str, out: str) -> None:
    """In a process of its own: verl's driver."""
    import ray

    from gym_envs import find_problem
    from ideator_rl.rl.hardware import VERL_ON_CPU
    from ideator_rl.rl.launch import configure
    from ideator_rl.rl.train_recipe import read_train_recipe, run_paths

    os.environ.update(VERL_ON_CPU, VERL_FILE_LOGGER_PATH=out, RAY_worker_niceness="0")
    recipe = read_train_recipe(recipe_path)
    paths = run_paths(recipe)
    paths.checkpoints.mkdir(parents=True, exist_ok=True)
    assert recipe.model.path is not None
    config = configure(recipe, find_problem(recipe.env), paths, recipe.model.path)
    reward = Path(recipe_path).with_name("reward.py")
    reward.write_text("def constant(**_):\n    return 1.0\n")
    config.actor_rollout_ref.rollout.agent.default_agent_loop = "single_turn_agent"
    config.actor_rollout_ref.rollout.agent.agent_loop_config_path = None
    config.reward.custom_reward_function.path = str(reward)
    config.reward.custom_reward_function.name = "constant"
    config.algorithm.adv_estimator = "grpo"
    config.trainer.logger = ["file"]
    sampler = Path(recipe_path).with_name("sampler.py")
    sampler.write_text(SAMPLER)
    config.trainer.v1.sampler.custom_sampler.path = str(sampler)
    config.trainer.v1.sampler.custom_sampler.name = "QuickBuffer"
    from verl.trainer.constants_ppo import get_ppo_ray_runtime_env
    from verl.trainer.main_ppo import TaskRunnerV1

    env = get_ppo_ray_runtime_env(config)
    env["env_vars"] |= VERL_ON_CPU | {"VERL_FILE_LOGGER_PATH": out}
    ray.init(
        address="local",
        runtime_env=env,
        num_cpus=16,
        num_gpus=1,
        include_dashboard=False,
        log_to_driver=False,
    )
    ray.get(TaskRunnerV1.remote().run.remote(config))
    # verl leaves threads behind that wait for ever.
    os._exit(0)


class PeakMemory:
    """The most memory that this process's descendants held at once, in GiB."""

    def __enter__(self) -> PeakMemory:
        self.gib, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        own = psutil.Process()
        while not self._over.wait(1.0):
            total = 0
            for process in own.children(recursive=True):
                try:
                    total += process.memory_full_info().pss
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.gib = max(self.gib, total / 2**30)


def median(steps: list[dict[str, float]], name: str) -> float:
    return statistics.median(step[name] for step in steps[2:])


def median_trials(store: Path, run: str, steps: int) -> float:
    """How many trials a step had, without the first two steps."""
    from executor import Store

    events = Store(store).run(run).events()
    counts = Counter(event["key"][:4] for event in events if event["event"] == "trial")
    return statistics.median(counts[f"{step:04d}"] for step in range(3, steps + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--thinking", type=int, default=400)
    parser.add_argument("--duplicates", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        return bare(*args.bare)
    with tempfile.TemporaryDirectory(prefix="step", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        zero = make_problem(folder / "zero", 0)
        slow = make_problem(folder / "slow", 1)
        model = make_model(folder / "model", zero, args.thinking, args.duplicates)
        with PeakMemory() as memory:
            began = time.monotonic()
            ours = run_ours(write_recipe(folder / "config_zero.yaml", zero, model, args.steps))
            zero_s = time.monotonic() - began
        plain = run_bare(write_recipe(folder / "config_bare.yaml", zero, model, args.steps))
        sleeping = run_ours(write_recipe(folder / "config_slow.yaml", slow, model, 4))
    figures: dict[str, float] = {"peak_gib": memory.gib, "run_s": zero_s}
    for label, steps in (("bare", plain), ("zero", ours), ("slow", sleeping)):
        for part in ("generate", "execute", "update", "step"):
            if f"time/{part}" in steps[0]:
                figures[f"{label}_{part}_s"] = median(steps, f"time/{part}")
    figures["ratio"] = figures["zero_step_s"] / figures["bare_step_s"]
    figures["trials"] = median_trials(folder / "store", "config_zero", args.steps)
    figures["busy"] = statistics.median(step["executor/busy"] for step in sleeping)
    for name, value in figures.items():
        print(f"{name:16} {value:8.3f}", file=sys.stderr)
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
