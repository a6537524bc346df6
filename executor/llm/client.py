"""One attempt at a request: what every client is, and what they share.

response = await client.ask(request, CallMeter(request, settings))
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
from contextlib import suppress
from types import ModuleType
from typing import Protocol

from executor.errors import UserError
from executor.llm.meter import CallMeter
from executor.llm.records import Request, Response
from executor.llm.settings import LLMSettings

# Who is there takes a connection sooner, even with many at once.
_CONNECT_S = 15.0


class Client(Protocol):
    async def ask(self, request: Request, meter: CallMeter) -> Response:
        """Sends the request once and keeps `meter` at what that can have cost; the response's own
        cost is left to others. Cancelling it closes the connection. Raises Failed, LLMError."""

    async def close(self) -> None:
        """Gives back connections."""


def require_sdk(name: str) -> None:
    """Raises UserError where the SDK, an optional package, is missing; imports nothing."""
    found = None
    with suppress(ModuleNotFoundError):
        found = importlib.util.find_spec(name)
    if found is None:
        raise _missing(name)


def load_sdk(name: str) -> ModuleType:
    """The SDK, which takes a second or two to import. Raises UserError where it is missing."""
    # An import makes many objects and no garbage: looking for it takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise _missing(name) from None
    finally:
        if collects:
            gc.enable()


def _missing(name: str) -> UserError:
    return UserError(f"llm.api {name} needs: pip install 'ideator-rl[llm]'")


def connect_s(settings: LLMSettings) -> float:
    """The bound on making a connection, in seconds: far less than what an answer may take."""
    return min(_CONNECT_S, settings.timeout_s)


def well_formed(text: str) -> str:
    """Text that UTF-8 can carry: halves of a character that belong together are joined, others
    replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
