"""An open-weight language model as an ideator, for every search.

    ideator = CheckpointIdeator.load("store/runs/digits-grpo-qwen3_tiny-seed0/model", problem)
    async for batch in ideator.propose(request):           # at most ROUNDS batches
        batch[0].text, batch[0].meta["thinking"], batch[0].meta["title"]

The model gets one user message: the problem's prompt and, for `exploit` and `explore`, the ideas of
the request's history with their outcomes, the baseline's reward, and one sentence that says which
kind of idea is wanted. A history that is too long for the model's context loses its oldest ideas.
"""

from __future__ import annotations

import asyncio
import bisect
import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple, Self

from executor.problem.problem import Problem
from gym_envs.prompt import history_prompt
from ideator_rl.ideators.archive_prompts import Prompt, PromptsSettings, choose, fitted
from ideator_rl.ideators.ideator import Executed, IdeaRequest, Proposal
from ideator_rl.ideators.language_model.chat import PromptStyle, read_answer, style_prompt
from ideator_rl.ideators.language_model.language_model import LanguageModel
from ideator_rl.ideators.language_model.model_folder import find_model, read_answer_defaults

# How many rounds of sampling there are to replace answers without a new idea.
ROUNDS = 4
_log = logging.getLogger(__name__)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n")


class SampledIdea(NamedTuple):
    """An idea as a model wrote it; `meta` is what an `Idea` keeps of how it came about."""

    text: str
    meta: dict[str, Any]


class CheckpointIdeator:
    """Proposes what a model writes, each text at most once in a run.

    Its proposals are a function of the request alone, on one machine: a resumed search repeats
    itself. `prompt` and `max_tokens` are by default what the model's folder says, see
    `model_folder.read_answer_defaults`, and the prompt is `default_prompt` where it says nothing.
    `prompts` chooses among the ideas of a request's history, and asks as training with them does.
    Raises UserError when the problem's prompt leaves too little of the model's context for an
    answer.
    """

    def __init__(
        self,
        model: LanguageModel,
        problem: Problem,
        *,
        prompt: PromptStyle | None = None,
        default_prompt: PromptStyle = "full",
        max_tokens: int | None = None,
        temperature: float = 1.0,
        prompts: PromptsSettings | None = None,
    ) -> None:
        defaults = read_answer_defaults(model.folder)
        self.model, self._problem = model, problem
        self.style: PromptStyle = prompt or defaults.prompt or default_prompt
        self.prompt = style_prompt(problem, self.style)
        self.max_tokens = max_tokens or defaults.max_tokens
        self.temperature, self._prompts = temperature, prompts
        model.limit(model.encode(self.prompt), self.max_tokens)

    @classmethod
    def load(cls, name: str, problem: Problem, **options: Any) -> Self:
        """The ideator of a checkpoint folder or hub name. Raises UserError."""
        return cls(LanguageModel(find_model(name)), problem, **options)

    def sample(
        self, seeds: Sequence[int], shown: Sequence[Executed] = ()
    ) -> Iterator[tuple[int, SampledIdea]]:
        """Samples one answer for each seed to the problem's prompt, or where earlier ideas are
        shown, what matters most first, to that with as many of them as fit. Yields the seed's index
        and the draft, in the order in which answers end, duplicates included. Raises UserError."""
        return self._write(self.model.encode(self._fitted(self.prompt, shown).text), seeds)

    async def propose(self, request: IdeaRequest) -> AsyncGenerator[list[Proposal], None]:
        tokens, parents = await asyncio.to_thread(self._asked, request)
        taken = {"", *(_normal(idea.text) for idea in request.seen)}
        missing = request.count
        for _ in range(ROUNDS):
            if not missing:
                break
            seeds = [request.rng.getrandbits(63) for _ in range(missing)]
            proposals: list[Proposal] = []
            for text, meta in await self._sampled(tokens, seeds):
                if _normal(text) not in taken:
                    taken.add(_normal(text))
                    proposals.append(Proposal(text, parents, meta))
            missing -= len(proposals)
            yield proposals

    async def close(self) -> None:
        self.model.close()

    async def _sampled(self, tokens: Sequence[int], seeds: Sequence[int]) -> list[SampledIdea]:
        """One answer a seed, in their order."""
        try:
            sampled = await asyncio.to_thread(lambda: dict(self._write(tokens, seeds)))
        except asyncio.CancelledError:
            self.model.close()
            raise
        return [sampled[row] for row in range(len(seeds))]

    def _write(
        self, tokens: Sequence[int], seeds: Sequence[int]
    ) -> Iterator[tuple[int, SampledIdea]]:
        written = self.model.write(
            [tokens] * len(seeds),
            seeds,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )
        for row, answer in written:
            yield row, read_sampled(answer, self.model)

    def _asked(self, request: IdeaRequest) -> tuple[list[int], tuple[str, ...]]:
        """The request's prompt, and the ideas in it that its answers build on."""
        if request.mode == "sample":
            return self.model.encode(self.prompt), ()
        first = self.prompt
        if request.base is not None:
            files = {p: self.model.without_marks(text) for p, text in request.base.items()}
            first = style_prompt(self._problem, self.style, files)
        if self._prompts is not None:
            rng = Random(request.rng.getrandbits(64))
            visits = Counter(parent for idea in request.seen for parent in idea.parents)
            prompt = self._fitted(first, choose(self._prompts, request.history, visits, rng))
            return self.model.encode(prompt.text), prompt.shown
        chosen = request.parent.idea.id if request.parent else None
        # What is to be built on is the last to be cut.
        shown = sorted(
            request.history,
            key=lambda entry: (entry.idea.id == chosen, entry.idea.epoch, entry.idea.id),
        )

        def encode(cut: int) -> list[int]:
            prompt = request_prompt(first, request, shown[cut:], self.model.without_marks)
            return self.model.encode(prompt)

        room = self.model.room(self.max_tokens)
        # The smallest number of ideas to cut: the more are cut, the shorter the prompt.
        cuts = range(len(shown))
        cut = bisect.bisect_left(cuts, True, key=lambda cut: len(encode(cut)) <= room)
        builds_on = shown[cut:] if request.mode == "exploit" else []
        return encode(cut), tuple(entry.idea.id for entry in builds_on)

    def _fitted(self, first: str, chosen: Sequence[Executed]) -> Prompt:
        """The first prompt with as many of the chosen ideas as fit into the context."""
        room = self.model.room(self.max_tokens) if chosen else 0
        prompt = fitted(
            first,
            chosen,
            lambda text: len(self.model.encode(text)) <= room,
            self.model.without_marks if chosen else str,
        )
        if chosen and not prompt.shown:
            _log.warning(
                "%s: its context of %d tokens has no room for an earlier idea: it is asked without",
                self.model.folder,
                self.model.context,
            )
        return prompt


def request_prompt(
    prompt: str,
    request: IdeaRequest,
    shown: Sequence[Executed],
    without_marks: Callable[[str], str] = str,
) -> str:
    """The problem's prompt, the ideas shown, and the kind of idea wanted; `without_marks` breaks
    special tokens of the model's tokenizer that stand in the ideas' texts."""
    if request.base is not None:
        wish = (
            f"The code to change is that of idea {len(shown)}. Write one idea that improves on it: "
            "an edit of this code."
        )
    elif request.parent is not None:
        wish = f"Write one idea that improves on idea {len(shown)}."
    elif request.mode == "exploit":
        wish = "All of these beat the baseline. Write one idea that improves on them."
    else:
        wish = "Write one idea that is unlike these."
    told = without_marks(history_prompt((e.idea.text, e.outcome) for e in shown))
    baseline = f"The baseline's reward is {request.baseline:.4g}."
    return f"{prompt}\n\n## Tried so far\n{told}\n\n{baseline} {wish}"


def read_sampled(answer: str, model: LanguageModel) -> SampledIdea:
    """The idea of an answer, with its thinking, title and lengths in tokens."""
    thinking, idea = read_answer(answer)
    return SampledIdea(
        idea,
        {
            "thinking": thinking,
            "title": first_sentence(idea),
            "thinking_tokens": model.count(thinking),
            "idea_tokens": model.count(idea),
        },
    )


def first_sentence(idea: str) -> str:
    """How the experiment of an idea begins, up to the end of its first sentence or line."""
    experiment = idea.partition("[Code Changes]")[0].replace("[Experiment]", " ").strip()
    return _SENTENCE_END.split(experiment, maxsplit=1)[0]


def _normal(text: str) -> str:
    return " ".join(text.split())
