"""What can go wrong with one attempt at a request, and what follows: again, not again, or stop.

    async with failures(anthropic, meter, settings, base_url):
        ...                                   # SDK calls; meter.at_most says what they may cost

Raises Failed for this attempt only, and LLMError for what no further request would mend.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

from executor.llm.meter import CallMeter
from executor.llm.records import LLMError
from executor.llm.secrets import one_line
from executor.llm.settings import LLMSettings

# Server errors (5xx) are mended by another attempt, too.
_AGAIN = (408, 409, 429)
# An account without money, under various statuses: codes of providers, and the words of those that
# have no code for it. Mere rate limits mention billing, too, but in their words only.
_NO_MONEY_CODE = re.compile(r"insufficient_(quota|balance|credits?|funds)|billing|spend_limit")
_NO_MONEY_WORDS = re.compile(r"credit balance|insufficient (balance|credits?|funds)", re.IGNORECASE)
_FATAL_TYPES = {"authentication_error": 401, "permission_error": 403, "not_found_error": 404}
_MEANING = {
    401: "the key is wrong",
    402: "the account has no money left",
    403: "the key does not allow this",
    404: "no such model or address",
}
# The libraries that sign requests to cloud platforms.
_SIGNERS = ("botocore", "google.auth")


class Failed(Exception):
    """One attempt that came to nothing, in one line. `again`: another may succeed, `after_s`
    seconds from now at the earliest where the server says so; `no_server`: nobody was there."""

    def __init__(
        self,
        line: str,
        *,
        again: bool = True,
        after_s: float | None = None,
        timed_out: bool = False,
        no_server: bool = False,
    ) -> None:
        super().__init__(one_line(line))
        self.again, self.after_s = again, after_s
        self.timed_out, self.no_server = timed_out, no_server


@asynccontextmanager
async def failures(
    sdk: ModuleType, meter: CallMeter, settings: LLMSettings, base_url: object
) -> AsyncIterator[None]:
    """Turns what the SDK raises into Failed and LLMError, and ends after `settings.timeout_s`."""
    import httpx2

    timeout_s = settings.timeout_s
    try:
        async with asyncio.timeout(timeout_s) as clock:
            yield
    except TimeoutError:
        if not clock.expired():
            raise
        raise Failed(f"no whole answer within {timeout_s:g} s", timed_out=True) from None
    except sdk.APIStatusError as error:
        if error.status_code >= 400:
            meter.nothing()
        raise _of_status(error) from None
    except sdk.APIConnectionError as error:
        cause = error.__cause__ or error
        no_server = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
        if no_server:
            meter.nothing()
        why = str(cause) or type(cause).__name__
        raise Failed(f"no connection to {base_url}: {why}", no_server=no_server) from None
    except httpx2.HTTPError as error:
        raise Failed(f"the connection broke: {error or type(error).__name__}") from None
    except (sdk.APIError, ValueError) as error:
        raise Failed(f"the answer is not of the protocol: {error}") from None
    except Exception as error:
        # The SDK says RuntimeError where a cloud platform's credentials are missing.
        origin = type(error).__module__
        if not (isinstance(error, RuntimeError) or origin.startswith((sdk.__name__, *_SIGNERS))):
            raise
        meter.nothing()
        raise LLMError(one_line(f"the request cannot be sent: {error}")) from None


def _of_status(error: Any) -> Exception:
    """An error that the server reports: by its status, or in the middle of a stream, where the
    status has been 200 and the error's type tells."""
    status, headers = error.status_code, error.response.headers
    body = error.body if isinstance(error.body, Mapping) else {}
    inner = body.get("error", body)
    inner = inner if isinstance(inner, Mapping) else {"message": inner}
    message = str(inner.get("message") or error.message)
    details = inner.get("details")
    details = details if isinstance(details, Mapping) else {}
    codes = f"{inner.get('type')} {inner.get('code')} {details.get('error_code')}"
    if status < 400:
        status = _FATAL_TYPES.get(str(inner.get("type")), 500)
    if status in (400, 403, 429):
        words = "" if status == 429 else message
        if _NO_MONEY_CODE.search(codes) or _NO_MONEY_WORDS.search(words):
            status = 402
    if status in _MEANING:
        return LLMError(one_line(f"{_MEANING[status]} (HTTP {error.status_code}: {message})"))
    again = status in _AGAIN or status >= 500
    line = f"HTTP {error.status_code}: {message}"
    return Failed(line, again=again, after_s=retry_after_s(headers))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that a server asks for, in seconds from now; None where it says nothing usable."""
    text = headers.get("retry-after-ms", "")
    if text.isascii() and text.isdigit():
        return int(text) / 1000
    text = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
