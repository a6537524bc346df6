"""Runs for the report's tests, written through the store's own API with records as they occur."""

from __future__ import annotations

import difflib
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from executor import run_records as records
from executor.llm.journal import Journal
from executor.llm.meter import Charge
from executor.llm.records import Purpose, Request, Response, Usage
from executor.problem.problem_file import RewardRule
from executor.records import Idea, Implementation, Job, Outcome, Stage, Status, Turn
from executor.run_records import RunSession, RunStart, read_sessions
from executor.store.open import open_storage
from executor.store.runs import RunFolder, Store
from executor.trial_keys import trial_key
from ideator_rl.analysis.confirmed import Plan, keep_plan
from ideator_rl.rl.step_metrics import step_metrics, step_times, verl_figures

START = 1_790_000_000.0
SLOTS = 4
SANDBOX = "strict: bubblewrap 0.11.0, memory by control groups, disk by tmpfs"
BASE = {
    "train.py": "".join(f"setting_{n}: float = {n / 10}\n" for n in range(12))
    + "for epoch in range(200):\n    step(learning_rate)\n",
    "model.py": "import numpy as np\n\n\ndef predict(networks, images_BD):\n    return images_BD\n",
}
FAILURES: tuple[tuple[Status, Stage, str], ...] = (
    (
        "not_implemented",
        "implement",
        "learning_rate: 0.5 -> 0.1: the value there is 0.005, not 0.5",
    ),
    ("crashed", "train", "ValueError: operands could not be broadcast together (16,32) (64,32)"),
    ("timeout", "train", "training: 1.5 s of CPU time were used up"),
    ("rejected", "examine", "the answer has shape (64, 9), not (64, 10)"),
    ("crashed", "examine", "FileNotFoundError: candidate/weights.npz"),
)


def write_trial(
    run: RunFolder,
    idea: Idea,
    outcome: Outcome,
    *,
    files: Mapping[str, str] = BASE,
    diff: str = "",
    log: str = "",
) -> str:
    """One trial that has ended, in the order in which the executor writes its files."""
    key = trial_key(idea.id, outcome.seed, run_seed=0)
    run.write_idea(key, idea)
    if outcome.status != "not_implemented":
        run.write_implementation(key, Implementation("completed", files, diff))
        run.write_job(key, Job(idea.id, outcome.content_hash, outcome.seed))
        run.write_log(key, log)
    run.write_outcome(key, outcome)
    return key


def begin(
    run: RunFolder, problem: str = "digits", slots: int = 2, sandbox: str = SANDBOX, at: float = 0.0
) -> None:
    """What an executor writes at a start, `at` seconds after START."""
    run.keep(records.START, RunStart(problem, "0123", 0, RewardRule("accuracy")))
    number = len(read_sessions(run))
    run.keep_numbered(records.SESSIONS, number, RunSession(START + at, slots, sandbox))
    run.record("start", slots=slots, problem=problem, sandbox=sandbox, time=START + at)


def completed(idea_id: str, reward: float, seed: int = 0, at: float = 1.0) -> Outcome:
    """A completed trial that finished `at` seconds after START."""
    return Outcome(
        idea_id,
        "completed",
        reward,
        metrics={"accuracy": reward},
        seed=seed,
        duration_s=0.9,
        charged_s=0.31,
        content_hash=f"{idea_id}-{seed}",
        submitted_at=START + at - 1,
        finished_at=START + at,
    )


def sample_run(
    store: Path | str, ideas: int = 60, name: str = "digits-evolution-seed0"
) -> RunFolder:
    """A search like the real ones: epochs of 8, lineage, every status, three baseline seeds."""
    run, rng = Store(store).run(name), random.Random(0)
    run.write_recipe(f"env: digits\nrun: {name}\nbudget:\n  ideas: {ideas}\n")
    begin(run, slots=SLOTS)
    events: list[dict[str, object]] = []
    for seed, reward in enumerate((0.8962, 0.9041, 0.8991)):
        write_trial(
            run, Idea("baseline", "", origin="baseline"), completed("baseline", reward, seed)
        )
        key = trial_key("baseline", seed, run_seed=0)
        took = {"key": key, "started": 10.0, "ended": 10.9}
        events.append({"time": START + 1, "event": "trial", **took})
    best: list[tuple[float, str]] = []
    for number in range(ideas):
        idea, outcome = _random_trial(rng, number, best)
        rate = f"{outcome.reward:.3f}"
        text = BASE["train.py"].replace("0.4", rate).replace("200", str(200 + number))
        if number % 3 == 0:
            text += "save(best_of(weights))\n"
        diff = "\n".join(
            difflib.unified_diff(
                BASE["train.py"].splitlines(),
                text.splitlines(),
                "a/train.py",
                "b/train.py",
                "",
                "",
                2,
                "",
            )
        )
        log = "".join(f"epoch {n:3d}  loss {2.3 / (n + 1):.4f}\n" for n in range(60))
        if outcome.status == "crashed":
            log += f"Traceback (most recent call last):\n  …\n{outcome.detail}\n"
        files = {**BASE, "train.py": text}
        write_trial(run, idea, outcome, files=files, diff=diff, log=log)
        if outcome.completed:
            best = sorted([*best, (outcome.reward, idea.id)])[-5:]
        events.append(
            {
                "time": outcome.finished_at,
                "event": "trial",
                "key": idea.id,
                "started": 0.0,
                "ended": outcome.duration_s,
            }
        )
    for seed in (1, 2):
        write_trial(
            run, Idea(best[-1][1], "again"), completed(best[-1][1], best[-1][0] - seed / 200, seed)
        )
    run.write_idea("99-000", Idea("99-000", "[Experiment] Still running.", epoch=99))
    for event in events:
        fields = {k: v for k, v in event.items() if k not in ("event", "time")}
        run.record(str(event["event"]), **fields, time=event["time"])
    return run


def write_confirmation(
    run: RunFolder, fresh: Mapping[str, Sequence[float | None]], first_seed: int = 700_000
) -> None:
    """The trials and the plan of a confirmation; `fresh` are rewards by seed, None a crash."""
    seeds = range(first_seed, first_seed + len(fresh["baseline"]))
    for name, rewards in fresh.items():
        for seed, reward in zip(seeds, rewards, strict=True):
            outcome = completed(name, reward or 0.0, seed, at=99.0)
            if reward is None:
                outcome = replace(outcome, status="crashed", stage="train", metrics={})
            key = write_trial(run, run.idea(name) or Idea(name, ""), outcome)
            run.record("trial", key=key, started=0.0, ended=outcome.duration_s, time=START + 99)
    executed = sum("." not in key and run.outcome(key) is not None for key in run.trials()) - 1
    ideas = [name for name in fresh if name != "baseline"]
    keep_plan(run, Plan(tuple(ideas), tuple(seeds), executed))


def confirmed_run(store: Path | str, ideas: int = 60) -> RunFolder:
    """`sample_run` whose best three ideas ran again: one survives, one does not, one crashes."""
    run = sample_run(store, ideas)
    outcomes = [run.outcome(key) for key in run.trials() if "." not in key]
    ranked = sorted((o for o in outcomes if o and o.completed), key=lambda o: -o.reward)
    fresh = {
        "baseline": (0.8971, 0.9034, 0.9002),
        ranked[0].idea_id: (0.9392, 0.9341, 0.9378),
        ranked[1].idea_id: (0.9106, 0.8954, 0.9077),
        ranked[2].idea_id: (0.9306, None, 0.9267),
    }
    write_confirmation(run, fresh)
    return run


def training_run(
    store: Path | str, steps: int = 3, answers: int = 8, name: str = "digits-grpo-seed0"
) -> RunFolder:
    """A GRPO run whose policy narrows on what pays: the same texts come ever more often."""
    run, rng = Store(store).run(name), random.Random(0)
    run.write_recipe(f"env: digits\nrun: {name}\nsteps: {steps}\n")
    begin(run, slots=SLOTS)
    for seed, reward in enumerate((0.8962, 0.9041, 0.8991)):
        write_trial(
            run, Idea("baseline", "", origin="baseline"), completed("baseline", reward, seed)
        )
    known: dict[str, Outcome] = {}
    lines, best = [], float("-inf")
    for step in range(1, steps + 1):
        begun, sharpness = START + 20 * step, 6 * step / steps
        texts = rng.choices(range(60), [(1 + n) ** sharpness for n in range(60)], k=answers)
        infos = []
        for number in texts:
            text = (
                f"[Experiment] Raise the rate {number} times.\n[Code Changes]\nrate: 1 -> {number}"
            )
            name = f"{step:04d}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
            thinking = f"Considered {' '.join(['dropout'] * rng.randrange(1, 9))}."
            idea = Idea(name, text, epoch=step, origin="grpo", meta={"thinking": thinking})
            if (outcome := run.outcome(name)) is None:
                earlier = known.get(text)
                outcome = replace(
                    earlier or _text_outcome(number, rng),
                    idea_id=name,
                    cached=earlier is not None and bool(earlier.content_hash),
                    finished_at=begun + 9 + rng.random(),
                )
                known[text] = outcome
                code = BASE["train.py"].replace("200", str(number))
                code += "save(weights)\n" if number % 4 == 0 else ""
                files = {**BASE, "train.py": code}
                diff = f"-rate = 1\n+rate = {number}\n"
                write_trial(run, idea, outcome, files=files, diff=diff)
                if not outcome.cached:
                    at = {"started": 0.0, "ended": 4.9, "time": outcome.finished_at}
                    run.record("trial", key=name, **at)
            infos.append(_answer_info(idea, outcome, begun))
        verl = {"actor/entropy": 1.9 / (1 + sharpness / 4), "actor/kl_loss": 0.004 * sharpness}
        timing = {"step": 16.1, "update_actor": 4.5 + rng.random(), "old_log_prob": 0.8}
        figures = {
            **step_metrics(infos, best),
            **verl_figures(verl),
            **step_times(infos, begun, timing),
            "executor/busy": 0.5 + 0.4 * rng.random(),
        }
        best = figures["reward/best"]
        lines.append(json.dumps({"step": step, "time": begun + 17, **figures}))
    run.record("stop", time=START + 20 * (steps + 1))
    open_storage(run.url).write("metrics.jsonl", "".join(f"{x}\n" for x in lines).encode())
    return run


def paid_run(store: Path | str, name: str = "tiny-claude-seed0") -> RunFolder:
    """A search by language models: three ideas of one reply, of which one had to be revised and one
    was not implemented; a sample was cancelled, and a fourth idea's reply is still under way."""
    run = Store(store).run(name)
    begin(run)
    ideator, implementer = (Journal(f"{run.url}/llm/{who}") for who in ("ideator", "implementer"))
    _ask(ideator, "ideate", Usage(1000, 900), 0.03)
    baseline = write_trial(run, Idea("baseline", ""), completed("baseline", 0.90))
    run.record("trial", key=baseline, started=0.0, ended=2.0, time=START + 2)
    turns = {
        "000-000": [_ask(implementer, "implement", Usage(100, 500, 0, 4000), 0.05)],
        "000-001": [
            _ask(implementer, "implement", Usage(100, 500, 4000), 0.02),
            _ask(implementer, "revise", Usage(700, 500, 4000), 0.04),
        ],
        "000-002": [_ask(implementer, "implement", Usage(100, 500, 4000), 0.02)],
    }
    for number, (key, asked) in enumerate(turns.items()):
        run.write_idea(key, idea := Idea(key, f"Idea {number}.", meta={"cost": 0.01}))
        implementation = Implementation("completed", BASE, "", exchange=tuple(asked))
        outcome = completed(key, 0.91 + number / 100, at=3.0 + number)
        if number == 2:
            outcome = replace(outcome, status="not_implemented", stage="implement", duration_s=0.0)
        else:
            run.record("trial", key=key, started=10.0, ended=13.0, time=START + 3 + number)
        run.write_implementation(key, implementation)
        write_trial(run, idea, outcome)
    for key in run.trials():
        run.write_job(key, Job(key, key, gpus=2))
    second = Request("implement", "", "", (), sample=1)
    entry = implementer.begin("cancelled", second, Charge(1, 9000, 0.5))
    implementer.failed("cancelled", entry, Charge(1, 3000, 0.06), "CancelledError")
    ideator.begin("under-way", Request("ideate", "", "", ()), Charge(1, 5000, 0.1))
    return run


def _ask(journal: Journal, purpose: Purpose, usage: Usage, money: float) -> Turn:
    """A request with its answer, in the journal and as it is kept with an idea."""
    answer = Response("an answer", "", usage, "test-model", "end", money, seconds=2.0)
    key = f"{len(list(journal.entries())):032d}"
    entry = journal.begin(key, Request(purpose, "", "", ()), Charge(1, 9000, 0.5))
    tokens = sum(asdict(usage).values())
    journal.answered(key, entry, Charge(1, tokens, money), answer)
    return Turn(0, purpose, "a question", "an answer", usage=asdict(usage), cost=money)


def _text_outcome(number: int, rng: random.Random) -> Outcome:
    """What an idea of `training_run` earns: low numbers fail more often."""
    if rng.random() < 0.6 - number / 80:
        status, stage, detail = rng.choice(FAILURES)
        content = "" if stage == "implement" else f"c{number}"
        return Outcome("", status, 0.0, stage, detail=detail, content_hash=content)
    reward = round(0.88 + 0.05 * number / 60 + rng.gauss(0, 0.01), 4)
    return replace(completed("", reward), content_hash=f"c{number}")


def _answer_info(idea: Idea, outcome: Outcome, begun: float) -> dict[str, object]:
    """What the agent loop says of an answer."""
    return {
        "idea": idea.text,
        "reward": outcome.reward,
        "status": outcome.status,
        "stage": outcome.stage,
        "completed": outcome.completed,
        "lost": False,
        "content_hash": outcome.content_hash,
        "thinking_tokens": len(str(idea.meta["thinking"]).split()),
        "idea_tokens": len(idea.text.split()),
        "generated_at": begun + 6.5,
        "executed_at": outcome.finished_at,
    }


def _random_trial(
    rng: random.Random, number: int, best: list[tuple[float, str]]
) -> tuple[Idea, Outcome]:
    epoch, at = number // 8, 0.4 + number * 1.9 / SLOTS + rng.random()
    exploits = bool(best) and rng.random() < 0.6
    parents = tuple(id for _, id in rng.sample(best, min(len(best), 1 + (rng.random() < 0.2))))
    kind = rng.choice(("learning rate", "hidden width", "momentum", "weight decay", "batch size"))
    idea = Idea(
        f"{epoch:02d}-{number % 8:03d}",
        f"[Experiment] Raise the {kind} to {rng.randint(2, 90)}, since the loss is still falling "
        "fast when the last epoch ends: the network is undertrained rather than overfitted.\n"
        f"[Code Changes]\nsetting_4: 0.4 -> {rng.random():.3f}\nepochs: 200 -> {200 + number}\n",
        epoch=epoch,
        origin=("exploit" if exploits else "explore") if epoch else "sample",
        parents=parents if exploits else (),
    )
    if rng.random() < 0.28:
        status, stage, detail = rng.choice(FAILURES)
        return idea, Outcome(
            idea.id,
            status,
            0.0,
            stage,
            duration_s=0.0 if stage == "implement" else round(0.4 + rng.random(), 3),
            charged_s=0.2,
            detail=detail,
            content_hash="" if stage == "implement" else f"c{number}",
            submitted_at=START,
            finished_at=START + at,
        )
    reward = 0.885 + 0.05 * epoch / (epoch + 4) + rng.gauss(0, 0.012)
    reward = 0.11 + 0.2 * rng.random() if rng.random() < 0.06 else reward
    return idea, completed(idea.id, round(reward, 4), at=at)
