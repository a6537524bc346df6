"""A language model behind an API as an ideator: it reads the problem and writes ideas in words.

    ideator = ApiIdeator(llm, problem)
    async for batch in ideator.propose(request):           # the new ideas of a reply
        batch[0].text, batch[0].meta["title"], batch[0].meta["cost"]

A call asks for ten ideas at most and is shown the problem, up to a hundred past ideas with what
came of them (`exploit`: those that beat the baseline, `explore`: a sample, failures included) and
the titles of the others. Ideas that say nothing, or what another of the run has said, are dropped
and asked for anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from random import Random
from typing import NamedTuple

from executor.edits import canonical_diff
from executor.llm.records import LLM, NoReply, Request, Response
from executor.problem.problem import Problem
from executor.records import Idea
from executor.store.threads import in_thread
from ideator_rl.ideators.api_prompts import make_question, problem_text, shown_ideas, title_of
from ideator_rl.ideators.ideator import Executed, GaveUp, IdeaRequest, Mode, Proposal
from ideator_rl.ideators.near_duplicates import NearDuplicates
from ideator_rl.ideators.replies.draft import Draft
from ideator_rl.ideators.replies.replies import read_ideas

BATCH = 10
# At most so many ideas of a reply are compared with those of the run.
MOST_READ = 100
# After so many calls in a row without a new idea the ideator gives up.
MOST_IN_VAIN = 10

REFUSED = "it declined to answer"
CUT = "it reached its bound on tokens before the first idea was complete"
EMPTY = "it was empty"
NO_IDEA = "it held no idea in the form asked for"
REPEATED = "it held only ideas that had been proposed before"


class _Read(NamedTuple):
    """What a reply held: new ideas, how many known ones, and why there is nothing new."""

    drafts: Sequence[Draft]
    repeated: int
    reason: str


class ApiIdeator:
    """Proposes what a model writes, each idea once in a run.

    Its prompts are a function of the request and of the replies so far: a resumed search asks the
    same and is answered from the journal. `record` is called for every reply, with the arguments
    of `RunFolder.record`.
    """

    def __init__(
        self, llm: LLM, problem: Problem, *, record: Callable[..., None] | None = None
    ) -> None:
        self._llm = llm
        self._problem, self._codebase = problem_text(problem), problem.codebase
        self._record = record

    async def propose(self, request: IdeaRequest) -> AsyncGenerator[list[Proposal], None]:
        """The new ideas of each reply, `request.count` in all. Raises GaveUp, LLMError."""
        # A single draw, so that later draws do not depend on the number of replies.
        rng = Random(request.rng.getrandbits(64))
        shown = shown_ideas(request, rng)
        history = [entry.idea for entry in request.history]
        known = NearDuplicates(idea.text for idea in [*history, *request.seen])
        in_full = {entry.idea.text for entry in shown}
        titles = [title_of(idea) for idea in request.seen if idea.text not in in_full]
        change = canonical_diff(self._codebase, request.base) if request.base is not None else ""
        missing, unpaid = request.count, 0.0
        in_vain: list[str] = []
        while missing:
            count = min(BATCH, missing)
            question = make_question(
                self._problem,
                request,
                shown,
                titles,
                count=count,
                sample=rng.getrandbits(32),
                reason=in_vain[-1] if in_vain else "",
                change=change,
            )
            response = await self._reply(question, request.mode, count, in_vain)
            read = _read_new(response, known, count)
            await self._note(question, request.mode, count, read)
            unpaid += response.cost
            if not read.drafts:
                _in_vain(in_vain, read.reason)
                continue
            share = unpaid / len(read.drafts)
            batch = [
                _proposal(draft, request, shown, question, response, share) for draft in read.drafts
            ]
            titles += [proposal.meta["title"] for proposal in batch]
            missing, unpaid = missing - len(batch), 0.0
            in_vain.clear()
            yield batch

    async def close(self) -> None:
        await self._llm.close()

    async def _reply(
        self, question: Request, mode: Mode, count: int, in_vain: list[str]
    ) -> Response:
        while True:
            try:
                return await self._llm.complete(question)
            except NoReply as error:
                # The same request again, so that its reply is found under the same key.
                await self._note(question, mode, count, _Read((), 0, str(error)))
                _in_vain(in_vain, str(error))

    async def _note(self, question: Request, mode: Mode, asked: int, read: _Read) -> None:
        if self._record:
            await in_thread(
                self._record,
                "ideation",
                mode=mode,
                sample=question.sample,
                asked=asked,
                ideas=len(read.drafts),
                repeated=read.repeated,
                reason=read.reason,
            )


def _in_vain(reasons: list[str], reason: str) -> None:
    """Counts a call that gave nothing new. Raises GaveUp where they are too many in a row."""
    reasons.append(reason)
    if len(reasons) >= MOST_IN_VAIN:
        told = "; ".join(f"{n} times: {why}" for why, n in Counter(reasons).most_common())
        raise GaveUp(f"no new idea from the model in {len(reasons)} replies in a row: {told}")


def _read_new(response: Response, known: NearDuplicates, count: int) -> _Read:
    """The first `count` new ideas of a reply, which are known from now on."""
    if response.stop == "refusal":
        return _Read((), 0, REFUSED)
    cut = response.stop == "length"
    drafts = read_ideas(response.text, cut=cut)[:MOST_READ]
    new: list[Draft] = []
    repeated = 0
    for draft in drafts:
        if known.find(draft.text) is not None:
            repeated += 1
        elif len(new) < count:
            known.add(draft.text)
            new.append(draft)
    if new:
        return _Read(new, repeated, "")
    if drafts:
        return _Read((), repeated, REPEATED)
    return _Read((), 0, CUT if cut else NO_IDEA if response.text.strip() else EMPTY)


def _proposal(
    draft: Draft,
    request: IdeaRequest,
    shown: Sequence[Executed],
    question: Request,
    response: Response,
    cost: float,
) -> Proposal:
    """`cost` is the idea's share of the cost of its reply and of earlier replies without a new
    idea; `sample` finds the reply in the journal."""
    meta = {
        "title": title_of(Idea("", draft.text)),
        "sample": question.sample,
        "model": response.model,
        "cost": cost,
    }
    return Proposal(draft.text, _parents(request, shown, draft), meta)


def _parents(request: IdeaRequest, shown: Sequence[Executed], draft: Draft) -> tuple[str, ...]:
    """The ideas that it names as its parents, else what it was asked to improve on."""
    if request.mode != "exploit":
        return ()
    ids = [entry.idea.id for entry in shown]
    named = [ids[number - 1] for number in draft.builds_on if 1 <= number <= len(ids)]
    asked = [request.parent.idea.id] if request.parent else ids
    return tuple(named or asked)
