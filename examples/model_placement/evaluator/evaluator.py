"""The pressure on the caches of the most crowded GPU, computed from the placement alone.

Fifty cases after the public description of PRISM in the ADRS collection: 5 to 9 GPUs of 80 GB, two
models a GPU. A placement that is none, or an exception, ends the evaluation: no case is left out.
"""

import importlib.util
import random
from dataclasses import dataclass

GPU_MEMORY = 80  # GB
CASES = 50


@dataclass(frozen=True)
class Model:
    """A language model; it belongs on exactly one GPU."""

    model_name: str
    model_size: int  # GB
    req_rate: int  # requests a second
    slo: int  # seconds in which one must be answered


def cases():
    rng = random.Random(42)
    for _ in range(CASES):
        gpus = rng.randint(5, 9)
        yield (
            gpus,
            [
                Model(f"model {n}", rng.randint(10, 29), rng.randint(1, 9), rng.randint(5, 9))
                for n in range(2 * gpus)
            ],
        )


def pressure(gpus, models, placement):
    """The highest of all GPUs. Raises ValueError where the placement is none."""
    placed = [model for gpu in range(gpus) for model in placement.get(gpu, ())]
    if set(placement) - set(range(gpus)):
        raise ValueError("a GPU that there is not")
    if sorted(map(id, placed)) != sorted(map(id, models)):
        raise ValueError("not every model once")
    highest = 0.0
    for gpu in range(gpus):
        on_it = placement.get(gpu, ())
        free = GPU_MEMORY - sum(model.model_size for model in on_it)
        if free <= 0:
            raise ValueError("models do not fit on their GPU")
        highest = max(highest, sum(model.req_rate / model.slo for model in on_it) / free)
    return highest


def evaluate(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    highest = []
    for number, (gpus, models) in enumerate(cases()):
        try:
            placement = program.compute_model_placement(gpus, models)
            highest.append(pressure(gpus, models, placement))
        except Exception as error:
            return {"combined_score": 0.0, "error": f"case {number}: {error}"}
    return {"combined_score": CASES / sum(highest), "worst_case": max(highest)}
