"""The forms in which a language model can be asked for edits: `prompts/format_*.md`."""

from typing import Literal

EditFormat = Literal["blocks", "diff", "whole"]
