"""Rollouts: sampled responses of a policy, from the fastest engine that there is.

    engine = open_engine(folder, policy)
    responses = engine.generate(prompts, samples=8, max_new_tokens=1024, temperature=1.0, seed=0)
    engine.load(policy)          # after an update, where the engine has weights of its own

`prompts` and responses are lists of token ids; a prompt's `samples` responses stand together, each
with its end token, if it came to an end. Temperature 0 takes the likeliest token each time. vLLM
where it is installed and a GPU is there; else the policy generates by itself, which is all that the
small one needs.
"""

import importlib.util
import os
from pathlib import Path

import torch

from policy import is_tiny, load_policy
from text import load_tokenizer

STOP = "</answer>"
Tokens = list[list[int]]


def open_engine(folder: Path, policy: torch.nn.Module | None = None, share: float = 0.3):
    """An engine for the model of `folder`; `policy` is that model where it is loaded already.

    `share` of the GPU's memory is vLLM's; the rest is left to training.
    """
    on_gpu = torch.cuda.is_available()
    if is_tiny(folder):
        return TinyEngine(policy or load_policy(folder, "cpu"))
    if on_gpu and importlib.util.find_spec("vllm"):
        return VLLMEngine(folder, share)
    print("no vLLM or no GPU: rollouts through transformers, many times slower", flush=True)
    policy = policy or load_policy(folder, "cuda" if on_gpu else "cpu")
    return TransformersEngine(policy, load_tokenizer(folder))


class TinyEngine:
    def __init__(self, policy):
        self.policy = policy

    def load(self, policy) -> None:
        self.policy = policy

    def generate(
        self, prompts: Tokens, *, samples: int, max_new_tokens: int, temperature: float, seed: int
    ) -> Tokens:
        """All prompts at once: chains of the small problem are equally long."""
        generator = torch.Generator().manual_seed(seed)
        prompt_BT = torch.tensor(prompts).repeat_interleave(samples, dim=0)
        response_BN = self.policy.generate(prompt_BT, max_new_tokens, temperature, generator)
        end = len(self.policy.config.characters) - 1
        return [_until(end, response) for response in response_BN.tolist()]


class TransformersEngine:
    def __init__(self, policy, tokenizer, batch: int = 64):
        self.policy, self.tokenizer, self.batch = policy, tokenizer, batch

    def load(self, policy) -> None:
        self.policy = policy

    @torch.inference_mode()
    def generate(
        self, prompts: Tokens, *, samples: int, max_new_tokens: int, temperature: float, seed: int
    ) -> Tokens:
        torch.manual_seed(seed)
        sampling = {"do_sample": temperature > 0, "top_p": 1.0, "top_k": 0}
        if temperature > 0:
            sampling["temperature"] = temperature
        device, end = next(self.policy.parameters()).device, self.tokenizer.end
        wanted = [prompt for prompt in prompts for _ in range(samples)]
        responses = []
        for start in range(0, len(wanted), self.batch):
            batch = wanted[start : start + self.batch]
            longest = max(map(len, batch))
            # in front, so that all responses begin at the same place
            padded = [[end] * (longest - len(ids)) + ids for ids in batch]
            mask = [[0] * (longest - len(ids)) + [1] * len(ids) for ids in batch]
            output_BT = self.policy.generate(
                input_ids=torch.tensor(padded, device=device),
                attention_mask=torch.tensor(mask, device=device),
                max_new_tokens=max_new_tokens,
                **sampling,
                pad_token_id=end,
                eos_token_id=end,
                stop_strings=[STOP],
                tokenizer=self.tokenizer.inner,
            )
            responses += [_until(end, ids) for ids in output_BT[:, longest:].tolist()]
        return responses


class VLLMEngine:
    def __init__(self, folder: Path, share: float):
        # in this process: the weights go over without leaving the GPU
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        from vllm import LLM

        self.llm = LLM(
            model=str(folder),
            dtype="bfloat16",
            gpu_memory_utilization=share,
            max_model_len=4096,
            generation_config="vllm",  # no sampling settings but ours
        )

    def load(self, policy) -> None:
        self.llm.apply_model(lambda model: model.load_weights(policy.state_dict().items()))
        self.llm.reset_prefix_cache()

    def generate(
        self, prompts: Tokens, *, samples: int, max_new_tokens: int, temperature: float, seed: int
    ) -> Tokens:
        from vllm import SamplingParams

        params = SamplingParams(
            n=samples,
            temperature=temperature,
            max_tokens=max_new_tokens,
            seed=seed,
            stop=[STOP],
            include_stop_str_in_output=True,
        )
        outputs = self.llm.generate(
            [{"prompt_token_ids": ids} for ids in prompts], params, use_tqdm=False
        )
        return [list(response.token_ids) for output in outputs for response in output.outputs]


def _until(end: int, ids: list[int]) -> list[int]:
    """The ids up to and with the first end."""
    return ids[: ids.index(end) + 1] if end in ids else ids
