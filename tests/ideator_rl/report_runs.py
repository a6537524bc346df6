"""Runs for the report's tests, written through the store's own API with records as they occur."""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from executor.records import Idea, Implementation, Job, Outcome, Stage, Status
from executor.store import RunFolder, Store, trial_key

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
    begin = {"time": START, "event": "start", "slots": SLOTS}
    events = [begin | {"problem": "digits", "sandbox": SANDBOX}]
    for seed, reward in enumerate((0.8962, 0.9041, 0.8991)):
        write_trial(
            run, Idea("baseline", "", origin="baseline"), completed("baseline", reward, seed)
        )
        events.append({"time": START + 1, "event": "trial", "started": 10.0, "ended": 10.9})
    best: list[tuple[float, str]] = []
    for number in range(ideas):
        idea, outcome = _random_trial(rng, number, best)
        rate = f"{outcome.reward:.3f}"
        text = BASE["train.py"].replace("0.4", rate).replace("200", str(200 + number))
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
        write_trial(run, idea, outcome, diff=diff, log=log)
        if outcome.completed:
            best = sorted([*best, (outcome.reward, idea.id)])[-5:]
        events.append(
            {
                "time": outcome.finished_at,
                "event": "trial",
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
    """The trials and the event of a confirmation; `fresh` are rewards by seed, None a crash."""
    seeds = range(first_seed, first_seed + len(fresh["baseline"]))
    for name, rewards in fresh.items():
        for seed, reward in zip(seeds, rewards, strict=True):
            outcome = completed(name, reward or 0.0, seed, at=99.0)
            if reward is None:
                outcome = replace(outcome, status="crashed", stage="train", metrics={})
            write_trial(run, run.idea(name) or Idea(name, ""), outcome)
    executed = sum("." not in key and run.outcome(key) is not None for key in run.trials()) - 1
    ideas = [name for name in fresh if name != "baseline"]
    plan = {"ideas": ideas, "seeds": list(seeds), "executed": executed}
    run.record("confirmation", **plan, time=START + 99)


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
