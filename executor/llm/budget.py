"""What a run may spend on language models: set aside before it is sent, settled afterwards.

    budget = RequestBudget(settings.budget, spent=journal.spent())
    await budget.reserve(worst)          # waits while others' reservations stand in the way
    budget.settle(worst, charge)         # what it came to

Whatever is under way, the sum can never exceed the limits.
"""

from __future__ import annotations

import asyncio

from executor.llm.meter import Charge
from executor.llm.records import BudgetSpent
from executor.llm.settings import LLMBudget

# Sums of money in floating point: far less than a token's price.
_ROUNDING = 1e-9


class RequestBudget:
    """Belongs to one event loop. `spent` is what earlier sessions of the run have spent, `section`
    where the recipe sets the limits."""

    def __init__(self, limits: LLMBudget, spent: Charge, section: str = "llm") -> None:
        self._limits, self.spent, self._section = limits, spent, section
        self._reserved: list[Charge] = []
        self._first_come = asyncio.Lock()
        self._settled = asyncio.Event()

    async def reserve(self, worst: Charge) -> None:
        """Returns once `worst` fits beside all that is under way. Raises BudgetSpent when it will
        not, however little that comes to."""
        async with self._first_come:
            while True:
                if name := self._exceeded(self.spent + worst):
                    limit = getattr(self._limits, name)
                    unit = " US dollars" if name == "money" else ""
                    raise BudgetSpent(
                        f"{self._section}.budget.{name}: {getattr(self.spent, name):g} of "
                        f"{limit:g}{unit} are spent; the next request may need "
                        f"{getattr(worst, name):g}"
                    )
                if not self._exceeded(sum(self._reserved, self.spent + worst)):
                    self._reserved.append(worst)
                    return
                self._settled.clear()
                await self._settled.wait()

    def settle(self, worst: Charge, charge: Charge) -> None:
        self._reserved.remove(worst)
        self.spent += charge
        self._settled.set()

    def _exceeded(self, charge: Charge) -> str | None:
        for name in ("calls", "tokens", "money"):
            limit = getattr(self._limits, name)
            if limit is not None and getattr(charge, name) > limit + _ROUNDING:
                return name
        return None
