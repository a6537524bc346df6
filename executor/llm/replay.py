"""A model that is not asked: its answers come from the journals of an earlier run.

llm:
  api: replay
  recording: store/runs/digits-claude     # made with the same model settings

Every journal below the run's `llm/` is read, so that one run answers all sections of a recipe. What
had no answer there, such as a sample that was cancelled, has none here; nothing is paid or kept.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from executor.llm.journal import Journal
from executor.llm.records import LLMError, NoReply, Request, Response
from executor.llm.settings import LLMSettings
from executor.store.open import is_there, open_storage
from executor.store.threads import in_thread


class Recording:
    """Raises LLMError where there is none."""

    def __init__(self, settings: LLMSettings) -> None:
        url = f"{settings.recording}/llm"
        parts = open_storage(url).list("") if is_there(url) else []
        if not parts:
            raise LLMError(f"llm.recording: {settings.recording} has no journal of requests")
        self._settings = settings
        self._journals = [Journal(f"{url}/{part}") for part in parts]

    async def complete(self, request: Request) -> Response:
        """Raises NoReply, and LLMError for what was not asked there."""
        key = self._settings.key(request)
        asked = (in_thread(journal.entry, key) for journal in self._journals)
        entries = [entry for entry in await asyncio.gather(*asked) if entry]
        if not entries:
            raise LLMError(
                f"llm.recording: {self._settings.recording} has no answer to this request "
                f"({request.purpose}); it was made with other settings, prompts or ideas"
            )
        for entry in entries:
            if entry.response is not None:
                return replace(entry.response, cost=0.0)
        why = entries[0].failures[-1] if entries[0].failures else "it was never answered"
        raise NoReply(f"none in the recording: {why}")

    async def close(self) -> None:
        pass
