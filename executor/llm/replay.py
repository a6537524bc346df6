"""A model that is not asked: its answers come from the journal of an earlier run.

llm:
  api: replay
  recording: store/runs/digits-claude     # made with the same model settings
"""

from __future__ import annotations

from pathlib import Path

from executor.llm.journal import Journal
from executor.llm.meter import Meter
from executor.llm.records import LLMError, Request, Response
from executor.llm.settings import LLMSettings


class Recording:
    """Raises LLMError where there is none."""

    def __init__(self, settings: LLMSettings) -> None:
        url = f"{settings.recording}/llm"
        # Opening a folder makes it.
        absent = "://" not in url and not Path(url).is_dir()
        if absent or not len(journal := Journal(url)):
            raise LLMError(f"llm.recording: {settings.recording} has no journal of requests")
        self._settings, self._journal = settings, journal

    async def ask(self, request: Request, meter: Meter) -> Response:
        meter.nothing()
        response = self._journal.response(self._settings.key(request))
        if response is None:
            raise LLMError(
                f"llm.recording: {self._settings.recording} has no answer to this request "
                f"({request.purpose}); it was made with other settings, prompts or ideas"
            )
        return response

    async def close(self) -> None:
        pass
