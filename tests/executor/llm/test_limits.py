"""No more at a time, and no more a minute, than a recipe allows."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.llm.limits import RateLimits, TokenBucket
from executor.llm.records import Usage
from executor.llm.settings import LLMSettings
from tests.executor.llm.asking import ask, question, settings_for
from tests.llm_servers import Reply, serve


def test_no_more_requests_are_under_way_than_allowed(api: str, journal: Path) -> None:
    questions = [question(sample=number) for number in range(30)]
    with serve(api, lambda asked: Reply("yes", delay_s=0.05)) as server:
        ask(settings_for(api, server, concurrency=4), journal, *questions)
        assert len(server.asked) == 30
        assert server.most_open == 4


@pytest.mark.slow
def test_many_requests_are_under_way_at_once(api: str, journal: Path) -> None:
    questions = [question(sample=number) for number in range(200)]
    with serve(api, lambda asked: Reply("yes", delay_s=5)) as server:
        ask(settings_for(api, server, concurrency=200), journal, *questions)
        assert server.most_open == 200


def test_a_bucket_lets_a_burst_pass_and_then_its_rate() -> None:
    async def main() -> float:
        bucket = TokenBucket(per_minute=600)
        began = time.monotonic()
        for _ in range(105):
            await bucket.take(1)
        return time.monotonic() - began

    # A hundred at once, and ten a second from then on.
    assert 0.4 < asyncio.run(main()) < 3


def test_what_exceeds_a_bucket_passes_alone() -> None:
    async def main() -> float:
        bucket = TokenBucket(per_minute=6000)
        began = time.monotonic()
        await bucket.take(1030)
        first = time.monotonic() - began
        await bucket.take(10)
        assert first < 0.2
        return time.monotonic() - began

    assert 0.3 < asyncio.run(main()) < 3


def test_what_a_request_came_to_is_put_right() -> None:
    async def main() -> float:
        limits = RateLimits(LLMSettings("openai", "m", tokens_per_minute=60_000))
        async with limits.turn(question()) as turn:
            turn.usage = Usage(input=100, output=10_200)
        began = time.monotonic()
        async with limits.turn(question()):
            return time.monotonic() - began

    assert 0.2 < asyncio.run(main()) < 3


@given(st.lists(st.floats(0, 5), min_size=1, max_size=20))
def test_a_bucket_without_waiting_gives_its_burst_at_most(amounts: list[float]) -> None:
    async def main() -> None:
        bucket, taken = TokenBucket(per_minute=60), 0.0
        for amount in amounts:
            waits = asyncio.ensure_future(bucket.take(amount))
            await asyncio.sleep(0)
            if not waits.done():
                waits.cancel()
                break
            taken += amount
        # Ten seconds' worth, and what comes in while the test runs.
        assert taken <= 10 + 5

    asyncio.run(main())
