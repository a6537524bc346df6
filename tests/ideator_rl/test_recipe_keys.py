"""docs/recipes.md says what the types say."""

from __future__ import annotations

from pathlib import Path

from executor.settings import known_keys
from ideator_rl.recipe_keys import KINDS, page

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def test_the_page_in_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "python -m ideator_rl.recipe_keys > docs/recipes.md"


def test_every_key_has_a_row() -> None:
    text = page()
    for kind in KINDS:
        keys = set(known_keys(kind))
        sections = {key for key in keys if any(other.startswith(f"{key}.") for other in keys)}
        assert all(f"| `{key}` |" in text for key in keys - sections)
        assert all(f"`{key}`" in text or f"`{key}.kind`" in text for key in sections)


def test_a_row_says_values_and_defaults() -> None:
    text = page()
    assert "| `budget.ideas` | int ≥ 1 | `24` |" in text
    assert "| `search.pipeline` | `epochs`, `continuous` | `epochs` |" in text
    assert "| `ideator.kind` | `library`, `checkpoint`, `api`, `plugin` | `library` |" in text
    assert "| `ideator.model` | str | required |" in text
    assert "| `ideator.llm.thinking_tokens` | int ≥ 1,024 or `adaptive` | – |" in text
