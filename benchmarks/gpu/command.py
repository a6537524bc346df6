"""The command of `benchmarks/gpu.py`: section after section, each within its share of time."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from executor.errors import UserError
from executor.sandbox import Sandbox, choose
from executor.text.outside_text import clean_line

from gpu import (
    compile_in_box,
    corpus,
    examination,
    grpo_step,
    loss_curve,
    machine,
    report,
    training,
)
from gpu.setting import Section, Setting, Skipped

# By section its share of the time; what one leaves is for those after it.
SHARES = {"training": 0.3, "sandbox": 0.24, "examination": 0.2, "loss curve": 0.18, "grpo": 0.08}
_TINY = corpus.Sizes(
    vocabulary=512, tokens=60_000, streams=64, window=64, windows=64, batch=32, logits="float16"
)
# Seconds of a run that are kept for writing, and for ending what hangs.
_RESERVE_S = 10


def main() -> None:
    args = parse()
    end = time.monotonic() + 60 * args.minutes - _RESERVE_S
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        found = machine.facts()
        if args.device == "cuda" and not found["gpus"]:
            raise UserError("PyTorch sees no GPU here; the dry run is: --device cpu --tiny")
        sandbox, remarks = best_sandbox()
    except (UserError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    if args.tiny:
        remarks.append("a dry run with everything small: no figure of it means anything")
    results = begin(out, found, sandbox, args) | {"remarks": remarks}
    print(f"{results['head']}\nsandbox: {results['sandbox']}", *remarks, sep="\n", flush=True)
    at = Setting(
        out=out,
        cuda=args.device == "cuda",
        tiny=args.tiny,
        card=found.get("card", "") if args.device == "cuda" else "",
        memory_gb=found.get("memory_gb", 0.0),
        cores=found["cores"],
        sandbox=sandbox,
        end=end,
    )
    at.work.mkdir(exist_ok=True)
    try:
        run(results, at, args.only)
    except KeyboardInterrupt:
        sys.exit(f"interrupted; what was measured is in {out}")
    finally:
        shutil.rmtree(at.work, ignore_errors=True)
    print(f"\n{report.on_terminal(results)}\n\n{out}/gpu.md, gpu.json, logs/")


def run(results: report.Results, at: Setting, only: list[str]) -> None:
    """Measures one section after the other, and writes what there is after each."""
    left = {name: share for name, share in SHARES.items() if name in only}
    for name, measure in sections(at).items():
        if name in left:
            share = left[name] / sum(left.values())
            del left[name]
            now = time.monotonic()
            part = dataclasses.replace(at, end=now + share * (at.end - now))
            results["sections"][name] = section_of(name, measure, part)
            report.write(results, at.out)
            print(one_line(name, results["sections"][name]), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Everything about one GPU in one command.")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the whole run, at most")
    parser.add_argument("--out", type=Path, default=Path("store/gpu"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a dry run with everything small")
    parser.add_argument("--only", default=",".join(SHARES), help="sections, by default all")
    args = parser.parse_args()
    args.only = [name.strip() for name in args.only.split(",")]
    if unknown := [name for name in args.only if name not in SHARES]:
        parser.error(f"--only: no section {unknown[0]!r}; there are {', '.join(SHARES)}")
    if args.minutes <= 0.5:
        parser.error("--minutes: needs more than half a minute")
    if args.device == "cpu" and not args.tiny:
        parser.error("--device cpu needs --tiny: the sizes of a GPU would take days")
    return args


def best_sandbox() -> tuple[Sandbox, list[str]]:
    """What trials are locked in by, and what is to be said of it."""
    try:
        return choose("strict"), []
    except UserError as error:
        return choose("best-effort"), [f"no strict sandbox, so best-effort: {error}"]


def begin(
    out: Path, found: dict[str, Any], sandbox: Sandbox, args: argparse.Namespace
) -> report.Results:
    """The results so far: those of an earlier run where only some sections are asked for."""
    results = report.read(out) if set(args.only) != set(SHARES) else {}
    now = datetime.datetime.now(datetime.UTC)
    return {
        "date": now.date().isoformat(),
        "head": machine.in_words(found),
        "sandbox": str(sandbox),
        "machine": found,
        "tiny": args.tiny,
        "sections": results.get("sections", {}),
    }


def sections(at: Setting) -> dict[str, Callable[[Setting], Section]]:
    # A stream of 1,024 tokens takes 38 MB of cache.
    sizes = _TINY if at.tiny else corpus.Sizes(batch=1024 if at.memory_gb >= 60 else 256)

    def with_tokens(measure: Callable[..., Section], *more: int) -> Callable[[Setting], Section]:
        return lambda part: measure(part, tokens_in(part.work / "tokens", sizes), *more)

    return {
        "training": training.measure,
        "sandbox": compile_in_box.measure,
        "examination": with_tokens(examination.measure, sizes.window * sizes.windows),
        "loss curve": with_tokens(loss_curve.measure),
        "grpo": grpo_step.measure,
    }


@cache
def tokens_in(folder: Path, sizes: corpus.Sizes) -> corpus.PreparedData:
    """The tokens of this run, made for the first section that asks for them."""
    shutil.rmtree(folder, ignore_errors=True)
    return corpus.make_corpus(folder, sizes)


def section_of(name: str, measure: Callable[[Setting], Section], at: Setting) -> dict[str, Any]:
    """What a section found, or in one line why it did not; whatever it raises ends here."""
    begun = time.monotonic()
    status, reason, section = "done", "", Section()
    try:
        section = measure(at)
    except Skipped as why:
        status, reason = "skipped", str(why)
    except ModuleNotFoundError as error:
        status, reason = "skipped", f"{error.name} is not installed"
    except (Exception, SystemExit) as error:
        status = "failed"
        reason = clean_line(str(error), 400) or type(error).__name__
        at.log(f"{name}-failed", traceback.format_exc())
    return {
        "status": status,
        "reason": reason,
        "seconds": round(time.monotonic() - begun, 1),
        **dataclasses.asdict(section),
    }


def one_line(name: str, section: dict[str, Any]) -> str:
    told = f": {section['reason']}" if section["reason"] else ""
    return f"{name}: {section['status']} in {section['seconds']:.0f} s{told}"
