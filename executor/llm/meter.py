"""What requests cost: counted by the provider, and bounded before it has counted.

meter = CallMeter(request, settings)
meter.at_most                # Usage: what the attempt under way can have used up, at most
charge_of(meter.at_most, settings.prices)    # Charge(calls=1, tokens=…, money=…)
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from executor.llm.records import Request, Usage
from executor.llm.settings import LLMSettings, Prices
from executor.records import Record

# What a chat format adds around a message.
_FORMAT_TOKENS = 32
# No answer has so many.
_MOST_TOKENS = 10**12


@dataclass(frozen=True)
class Charge(Record):
    """What counts against a budget."""

    calls: int = 0
    tokens: int = 0
    money: float = 0.0

    def __add__(self, other: Charge) -> Charge:
        return Charge(
            self.calls + other.calls, self.tokens + other.tokens, self.money + other.money
        )


NOTHING = Charge()


class CallMeter:
    """One attempt's bound. It begins at the worst case; a client lowers it as it learns more."""

    def __init__(self, request: Request, settings: LLMSettings) -> None:
        self.worst = self.at_most = worst_case(request, settings)

    def nothing(self) -> None:
        """The attempt was refused, or never arrived: it costs nothing."""
        self.at_most = Usage()


def worst_case(request: Request, settings: LLMSettings) -> Usage:
    """The most that an attempt can use: a token stands for one byte of text at least."""
    texts = (request.system, request.shared, *(message.text for message in request.messages))
    size = sum(len(text.encode(errors="surrogatepass")) + _FORMAT_TOKENS for text in texts)
    return Usage(**{settings.prices.dearest_input: size, "output": settings.max_tokens})


def believable(count: int) -> int:
    """The tokens that a server claims: none are negative, and none more than can be reckoned with.

    Less than nothing would be a refund of the budget.
    """
    return min(max(0, count), _MOST_TOKENS)


def charge_of(usage: Usage, prices: Prices) -> Charge:
    """What an attempt with this usage costs; one without any is no call."""
    tokens = sum(astuple(usage))
    return Charge(calls=1 if tokens else 0, tokens=tokens, money=prices.dollars(usage))
