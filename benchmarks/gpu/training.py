"""nanogpt-1gpu's training beside plain nanoGPT-style training, in turns: `nanogpt_train.py`."""

from __future__ import annotations

from gpu import trials
from gpu.cards import bfloat16_peak
from gpu.setting import Figure, Section, Setting


def measure(at: Setting) -> Section:
    from nanogpt_train import compare

    problem = trials.nanogpt(at)
    allotted = at.left()
    seconds, rounds = (0.5, 1) if at.tiny else (max(5.0, min(20.0, 0.06 * allotted)), 2)
    found = compare(problem, at.card, at.gpus, seconds, rounds, within_s=allotted)
    figures = [
        Figure("nanogpt-1gpu: tokens a second", f"{found['tokens_a_second']:,}"),
        Figure("plain training: tokens a second", f"{found['plain_tokens_a_second']:,}"),
        Figure("nanogpt-1gpu / plain training", f"{found['ratio']:.3f}", ">= 1.0"),
    ]
    remarks = [
        f"{found['rounds']} rounds of {seconds:.0f} s after the first step, the best of each"
    ]
    if "mfu" in found:
        figures += [
            Figure("nanogpt-1gpu: MFU", f"{found['mfu']:.1%}", ">= 45 % on H100 and H200"),
            Figure("plain training: MFU", f"{found['plain_mfu']:.1%}"),
        ]
        peak = bfloat16_peak(at.card) or 0.0
        remarks.append(f"MFU is of {peak / 1e12:.0f} TFLOP/s dense bfloat16, {at.card}")
    else:
        remarks.append(f"no MFU: the peak of {at.card or 'a processor'} is not in the table")
    return Section(figures, remarks, dict(found))
