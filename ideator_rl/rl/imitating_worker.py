"""verl's training worker, with a second term in its loss: the log-likelihood of given answers.

    workers.imitate(answers, weight=0.3, temperature=1.0)     # the driver, before `update_actor`
    workers.imitated()                                        # after it: nats a token, by worker

Between `optimizer_zero_grad` and `optimizer_step` verl's engine adds up gradients. The term is
added right before the step, so once in each of a step's updates. Its answers are in no batch of
verl's: they have no advantage, no ratio to be clipped and no correction for being off the policy,
and change neither the normalisation nor the figures of the policy loss. The loss is averaged as
verl's actor averages the policy loss (`loss_agg_mode`), at the temperature of sampling.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from tensordict import TensorDict
from verl.single_controller.base.decorator import Dispatch, register
from verl.trainer.ppo.core_algos import agg_loss
from verl.utils import tensordict_utils
from verl.workers.engine_workers import ActorRolloutRefWorker, TrainingWorker
from verl.workers.utils.padding import no_padding_2_padding

from ideator_rl.rl.objectives.imitation import ImitatedAnswer

# verl adds its members when it is imported.
_dispatch: Any = Dispatch
_everywhere: Any = register(dispatch_mode=_dispatch.ONE_TO_ALL)


class ImitatingWorker(ActorRolloutRefWorker):
    """Imitates nothing until it is told what."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answers: Sequence[ImitatedAnswer] = ()
        self._weight, self._temperature = 0.0, 1.0
        self._log_likelihoods: list[float] = []

    @_everywhere
    def init_model(self) -> None:
        super().init_model()
        actor: Any = self.actor
        engine = actor.engine
        engine.optimizer_step = after(self._add_gradient, engine.optimizer_step)

    @_everywhere
    def imitate(self, answers: Sequence[ImitatedAnswer], weight: float, temperature: float) -> None:
        """What the next updates imitate."""
        self._answers, self._weight, self._temperature = answers, weight, temperature
        self._log_likelihoods = []

    @_everywhere
    def imitated(self) -> float:
        """The log-likelihood a token before the updates since then; a mean over workers is that of
        all answers. NaN where nothing was imitated."""
        return statistics.fmean(self._log_likelihoods) if self._log_likelihoods else float("nan")

    def _add_gradient(self) -> None:
        if not self._answers:
            return
        actor: Any = self.actor
        config = self.config.actor
        loss = partial(
            imitation_loss,
            weight=self._weight,
            mode=config.loss_agg_mode,
            scale=config.loss_scale_factor,
        )
        data = answer_batch(self._answers, actor, self._temperature)
        found = actor.engine.forward_backward_batch(data, loss, forward_only=False)
        self._log_likelihoods.append(sum(found["metrics"]["log_likelihood"]))


def after(first: Any, then: Any) -> Any:
    """A function that calls both."""

    def called() -> Any:
        first()
        return then()

    return called


def imitation_loss(
    model_output: Any,
    data: TensorDict,
    dp_group: Any = None,
    *,
    weight: float,
    mode: str,
    scale: int | None,
) -> tuple[torch.Tensor, dict[str, float]]:
    """verl's contract of a loss: of one part of a batch, whose parts add up to the whole; the mean
    over data-parallel ranks is what counts."""
    log_probs_BT = no_padding_2_padding(model_output["log_probs"], data)
    mask_BT = data["loss_mask"].to_padded_tensor(0).bool()
    whole = {
        "dp_size": data["dp_size"],
        "batch_num_tokens": data["batch_num_tokens"],
        "global_batch_size": data["global_batch_size"],
    }
    loss = agg_loss(-log_probs_BT, mask_BT, mode, loss_scale_factor=scale, **whole)
    mean = -agg_loss(-log_probs_BT.detach(), mask_BT, "token-mean", **whole)
    return weight * loss, {"log_likelihood": mean.item()}


def answer_batch(
    answers: Sequence[ImitatedAnswer], worker: TrainingWorker, temperature: float
) -> TensorDict:
    """A data-parallel rank's share of the answers, as verl's engine takes batches.

    Every rank has as many rows, in whole parts; those that are missing are blank: the first answer,
    none of whose tokens counts.
    """
    engine, config = worker.engine_config, worker.model_config
    rank, ranks = worker.engine.get_data_parallel_rank(), worker.engine.get_data_parallel_size()
    part = 1 if engine.use_dynamic_bsz else engine.micro_batch_size_per_gpu
    count = -(-len(answers) // (ranks * part)) * part
    mine = list(answers[rank::ranks])
    blank = count - len(mine)
    rows = mine + [answers[0]] * blank
    counted = [1] * len(mine) + [0] * blank

    def nested(rows: Sequence[Sequence[int]]) -> torch.Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return torch.nested.as_nested_tensor(tensors, layout=torch.jagged)

    whole = [(*row.prompt, *row.answer) for row in rows]
    data = TensorDict(
        {
            "prompts": nested([row.prompt for row in rows]),
            "responses": nested([row.answer for row in rows]),
            "input_ids": nested(whole),
            "position_ids": nested([range(len(ids)) for ids in whole]),
            "loss_mask": nested(
                [[c] * len(row.answer) for c, row in zip(counted, rows, strict=True)]
            ),
        },
        batch_size=len(rows),
    )
    tensordict_utils.assign_non_tensor(
        data,
        temperature=temperature,
        calculate_entropy=False,
        global_batch_size=len(answers),
        use_remove_padding=config.get("use_remove_padding", False),
        use_fused_kernels=engine.use_fused_kernels,
        use_dynamic_bsz=engine.use_dynamic_bsz,
        max_token_len_per_gpu=engine.max_token_len_per_gpu,
        micro_batch_size_per_gpu=engine.micro_batch_size_per_gpu,
    )
    return data
