"""The columns of a data set of executed ideas: their names, types and meanings.

    table_schema(["accuracy"])                  # for pyarrow; `result` has a field a metric

The columns of the trajectories that were published with arXiv 2601.14525 are among them, under the
same names: idea, code_diff, epoch, ideator_model, executor_model, env, result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["text", "texts", "whole", "number", "yes or no", "metrics", "confirmation"]

COLUMNS: dict[str, tuple[Kind, str]] = {
    "id": ("text", "the idea's id in its run"),
    "run": ("text", "the run that executed it"),
    "env": ("text", "the research problem"),
    "problem_version": ("text", "rewards compare only between rows of one version"),
    "idea": ("text", "the idea, as its ideator wrote it"),
    "thinking": ("text", "what the ideator wrote before it; null where that was not kept"),
    "origin": ("text", "how it was proposed: sample, exploit, explore, grpo, a row's name, …"),
    "parents": ("texts", "the ids of the ideas of the run that it builds on"),
    "epoch": ("whole", "the epoch of the search, or the step of the training"),
    "ideator_model": ("text", "who wrote the idea; null where nobody has said"),
    "executor_model": ("text", "who wrote the code; null where ideas carry their own edits"),
    "code_diff": ("text", "the change to the baseline's codebase; null where none came of it"),
    "status": ("text", "completed, not_implemented, crashed, timeout or rejected"),
    "stage": ("text", "how far it came: implement, train, examine or done"),
    "detail": ("text", "the reason of the status"),
    "result": ("metrics", "what the examination measured; null where it did not complete"),
    "reward": (
        "number",
        "made from the metrics, higher is better; failures have the problem's own",
    ),
    "baseline_reward": ("number", "mean reward of the unchanged codebase in the same run"),
    "seed": ("whole", "the seed of the trial"),
    "sandbox": ("text", "how the code was locked in"),
    "charged_s": ("number", "seconds that counted against the budget"),
    "duration_s": ("number", "wall seconds of the trial"),
    "cached": ("yes or no", "measured when an identical codebase had run with this seed"),
    "repaired": ("yes or no", "its first codebase crashed, and this is its second"),
    "confirmation": ("confirmation", "of winners: what fresh seeds say; null for all others"),
}


def table_schema(metrics: Sequence[str]) -> pyarrow.Schema:
    """The schema of a table whose `result` has these metrics, at least one."""
    import pyarrow as pa

    number, whole = pa.float64(), pa.int64()
    kinds: dict[Kind, Any] = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "whole": whole,
        "number": number,
        "yes or no": pa.bool_(),
        "metrics": pa.struct([(name, number) for name in metrics]),
        "confirmation": pa.struct(
            [
                ("seeds", pa.list_(whole)),
                ("rewards", pa.list_(number)),
                ("mean", number),
                ("gain", number),
                ("gain_low", number),
                ("gain_high", number),
                ("final_gain", number),
                ("overfit", number),
                ("survives", pa.bool_()),
            ]
        ),
    }
    return pa.schema([(name, kinds[kind]) for name, (kind, _) in COLUMNS.items()])
