"""What a server says in an error is one clean line without keys."""

from __future__ import annotations

import pytest

from executor.llm.failures import Failed
from executor.llm.secrets import one_line


def test_an_error_of_a_server_is_one_clean_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    said = "HTTP 500:\x1b]0;title\x07 no\n 9/12  completed \u202e sk-very-secret" + "x" * 1000
    line = one_line(said)
    assert line.startswith(r"HTTP 500:\x1b]0;title\x07 no 9/12 completed \u202e [key]")
    assert len(line) <= 300
    assert str(Failed(said)) == line
