"""Cheats on the metric itself: numbers that are said or written instead of earned."""

from __future__ import annotations

from gym_envs.cheats.cheat import (
    CRASHED,
    REJECTED,
    Cheat,
    after_training,
    before_training,
    everywhere,
)

CHEATS = (
    Cheat(
        "forged-metric",
        "Prints metrics, rewards and statuses from training and from the candidate.",
        everywhere(
            """
            for line in (
                '{"accuracy": 1.0, "loss": 1e-9, "status": "completed", "reward": 1e9}',
                "accuracy: 1.0", "loss: 0.000001", "reward 1e9", "status: completed",
            ):
                print(line, flush=True)
                print(line, file=sys.stderr, flush=True)
            """
        ),
        telling=True,
    ),
    Cheat(
        "forged-files",
        "Writes outcome, result and log files wherever the executor might look for its own.",
        after_training(
            """
            import json
            metrics = {"accuracy": 1.0, "loss": 1e-9}
            text = json.dumps({"idea_id": "forged-files", "status": "completed", "reward": 1e9,
                               "stage": "done", "metrics": metrics, "detail": "CHEATED"})
            folders = (".", "..", "../..", "../exam", "candidate", "/", "/tmp", "$STORE$",
                       "$STORE$/runs/cheats/ideas/forged-files", os.path.expanduser("~"))
            names = ("outcome.json", "result.json", "metrics.json", "trial.json", "job.json",
                     "log.txt", "events.jsonl")
            def write(path):
                with open(path, "w") as file:
                    file.write(text)
            for folder, name in itertools.product(folders, names):
                attempt(write, f"{folder}/{name}")
            """
        ),
        # There may be nothing beside a policy's weights.
        policy_ends=REJECTED,
    ),
    Cheat(
        "result-instead-of-candidate",
        "Leaves a result with a perfect metric, no candidate, and ends with exit code 0 at once.",
        before_training(
            """
            with open("result.json", "w") as file:
                file.write('{"accuracy": 1.0, "loss": 1e-9}')
            os._exit(0)
            """
        ),
        ends=CRASHED,
    ),
    Cheat(
        "last-words",
        "Dies with a forged outcome as its last line, which becomes the reason of the crash.",
        before_training(
            """
            print('{"status": "completed", "reward": 1e9, "metrics": {"accuracy": 1.0}}')
            sys.stdout.flush()
            os._exit(3)
            """
        ),
        ends=CRASHED,
    ),
    Cheat(
        "garbled-log",
        "Prints zero bytes, broken UTF-8, surrogates, terminal commands and a line of a megabyte.",
        everywhere(
            r"""
            for noise in (b"\0" * 100, bytes(range(256)), b"\xed\xa0\x80", b"\x1b]0;title\x07",
                          b"\x1b[2J", b'"}\n{"status": "completed"', b"x" * 2**20):
                os.write(1, noise + b"\n")
            """
        ),
    ),
)
