"""One update of verl's actor in a process of its own, as its workers make it on this machine.

RANK=0 WORLD_SIZE=1 … python -m tests.ideator_rl.rl.one_update wanted.pt found.pt
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import verl  # noqa: F401  the platform, before anything else of verl's
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl.utils import tensordict_utils

from ideator_rl.rl.imitating_worker import ImitatingWorker
from ideator_rl.rl.step_update import policy_loss


def nested(rows: list[list[Any]]) -> torch.Tensor:
    return torch.nested.as_nested_tensor([torch.tensor(row) for row in rows], layout=torch.jagged)


def batch(wanted: dict[str, Any], rank: int, ranks: int) -> TensorDict:
    """This rank's answers with their advantages, as the trainer hands them over."""
    rows = wanted["rows"][rank::ranks]
    whole = [[*row["prompt"], *row["answer"]] for row in rows]
    data = TensorDict(
        {
            "prompts": nested([row["prompt"] for row in rows]),
            "responses": nested([row["answer"] for row in rows]),
            "input_ids": nested(whole),
            "position_ids": nested([list(range(len(ids))) for ids in whole]),
            "loss_mask": nested([row["mask"] for row in rows]),
            "response_mask": nested([row["mask"] for row in rows]),
            "advantages": nested([[row["advantage"]] * len(row["answer"]) for row in rows]),
            "old_log_probs": nested([row["old"] for row in rows]),
        },
        batch_size=len(rows),
    )
    size = len(wanted["rows"]) // wanted["updates"]
    tensordict_utils.assign_non_tensor(
        data,
        calculate_entropy=True,
        global_batch_size=size,
        mini_batch_size=size,
        epochs=1,
        seed=0,
        dataloader_kwargs={"shuffle": False},
        temperature=wanted["temperature"],
    )
    return data


def main() -> None:
    wanted = torch.load(sys.argv[1], weights_only=False)
    config = OmegaConf.create(wanted["config"])
    worker = ImitatingWorker(config, role="actor")
    worker.init_model()
    engine: Any = worker.actor.engine
    gradients: list[dict[str, torch.Tensor]] = []

    def keep() -> None:
        found = {}
        for name, parameter in engine.module.named_parameters():
            gradient = parameter.grad
            found[name] = gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient
        gradients.append({name: gradient.clone() for name, gradient in found.items()})

    # What the optimiser has just used; it zeroes them later.
    step = engine.optimizer_step

    def stepped() -> Any:
        norm = step()
        keep()
        return norm

    engine.optimizer_step = stepped
    worker.set_loss_fn(policy_loss(config.actor, wanted["entropy"]))
    worker.imitate(wanted["answers"], wanted["weight"], wanted["temperature"])
    worker.update_actor(batch(wanted, worker.rank, worker.world_size))
    if worker.rank == 0:
        torch.save({"gradients": gradients, "told": worker.imitated()}, sys.argv[2])
    else:
        torch.save({"told": worker.imitated()}, f"{sys.argv[2]}.{worker.rank}")


if __name__ == "__main__":
    main()
