"""Python's own parser, for sources of anybody and in the threads in which ideas are read."""

import ast
import threading

from executor.edits.work import spend

LONGEST_SOURCE = 250_000  # characters; a tree takes hundreds of times as many bytes

# CPython 3.11 builds a wrong tree, or fails, when two threads parse at once.
_parser_lock = threading.Lock()


def parsed(text: str) -> ast.Module:
    """The tree of a Python text. Raises SyntaxError, whatever keeps it from being parsed."""
    _check_length(text)
    try:
        with _parser_lock:
            return ast.parse(text)
    except (ValueError, MemoryError, RecursionError) as error:
        raise SyntaxError(str(error)) from None


def literal(text: str) -> object:
    """The value of a Python literal. Raises SyntaxError for a text that is none."""
    _check_length(text)
    try:
        with _parser_lock:
            return ast.literal_eval(text)
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        raise SyntaxError(str(error)) from None


def _check_length(text: str) -> None:
    if len(text) > LONGEST_SOURCE:
        raise SyntaxError(f"the file has more than {LONGEST_SOURCE:,} characters")
    spend(10 + len(text) // 2)
