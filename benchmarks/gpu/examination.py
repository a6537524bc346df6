"""How long the examination of nanogpt takes, over the true pipe between two sandboxes.

The candidate is a model of the baseline's size that nobody has trained. It is asked as long as the
section has time; the rest of the 10,240 windows is reckoned from whole batches, which are alike.
"""

from __future__ import annotations

from dataclasses import replace

from executor.data.prepared import PreparedData

from gpu import trials
from gpu.setting import Figure, Section, Setting

TARGET_S = 180
_UNTRAINED = """
import json
from dataclasses import asdict
from pathlib import Path
import torch
from model import GPT, Config
torch.manual_seed(0)
Path("candidate").mkdir()
torch.save(GPT(Config()).state_dict(), "candidate/model.pt")
Path("candidate/config.json").write_text(json.dumps(asdict(Config())))
"""
# An examination that looks at the clock, and stops when its time is up.
_TIMED = '''
import sys
import time
from pathlib import Path

from executor.data.script import load_script

EVALUATE, SECONDS = {evaluate!r}, {seconds!r}


class Enough(Exception):
    pass


class Timed:
    """The candidate, and when it was asked what."""

    def __init__(self, candidate):
        self.candidate, self.begun = candidate, time.monotonic()
        self.tokens, self.asking, self.batches = 0, 0.0, []

    def ask(self, question, **how):
        now = time.monotonic()
        if self.batches and now - self.batches[0][0] > SECONDS:
            raise Enough
        answer = self.candidate.ask(question, **how)
        if question.size == 0:
            self.batches.append((time.monotonic(), self.tokens))
        else:
            self.tokens += question.size
            self.asking += time.monotonic() - now
        return answer


def examine(candidate, held_out):
    timed, script = Timed(candidate), load_script(Path(EVALUATE))
    found = {{}}
    with script.imports():
        try:
            found = script.module.examine(timed, held_out)
        except Enough:
            pass
    ended, begun = time.monotonic(), timed.batches[0][0]
    whole = (ended, timed.tokens) if found else timed.batches[-1]
    times = {{
        "first_answer_s": begun - timed.begun,
        "tokens": timed.tokens,
        "seconds": ended - begun,
        "asking_s": timed.asking,
        "tokens_of_whole_batches": whole[1],
        "seconds_of_whole_batches": whole[0] - begun,
    }}
    return {{**found, **times}}
'''


def measure(at: Setting, data: PreparedData, tokens: int) -> Section:
    """`tokens` are those of the whole examination."""
    problem = trials.nanogpt(at)
    seconds = 3.0 if at.tiny else max(20.0, at.left() - 35.0)
    evaluate = at.work / "timed_evaluate.py"
    evaluate.write_text(_TIMED.format(evaluate=str(problem.evaluate), seconds=seconds))
    spec = trials.spec_of(at, problem, data, {"train.py": _UNTRAINED}, seconds=at.left())
    trial = trials.run(at, replace(spec, evaluate=str(evaluate)), "examination")
    trials.expect(trial, "examination")
    found = dict(trial.metrics)
    whole = found["first_answer_s"] + whole_s(found, tokens)
    complete = found["tokens"] >= tokens
    how = "" if complete else " (reckoned)"
    figures = [
        Figure(f"{tokens:,} tokens examined", f"{whole:.0f} s{how}", f"<= {TARGET_S} s"),
        Figure("examined tokens a second", f"{found['tokens'] / found['seconds']:,.0f}"),
        Figure("until the candidate's first answer", f"{found['first_answer_s']:.1f} s"),
        Figure("of the time, waiting for answers", f"{found['asking_s'] / found['seconds']:.0%}"),
    ]
    remarks = [] if complete else [f"asked for {found['tokens']:,.0f} tokens in {seconds:.0f} s"]
    if "loss" in found:
        remarks.append(f"the untrained model's loss is {found['loss']:.3f}")
    return Section(figures, remarks, found | {"whole_s": whole, "complete": complete})


def whole_s(found: dict[str, float], tokens: int) -> float:
    """Seconds that `tokens` tokens take. Whole batches count, if there was one: a token costs more
    the more tokens came before it."""
    of = "_of_whole_batches" if found["tokens_of_whole_batches"] else ""
    return tokens * found[f"seconds{of}"] / found[f"tokens{of}"]
