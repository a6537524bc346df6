"""The secret that a machine draws once, so that an examination cannot be known from the sources.

    >>> secret = secret_of("digits", Path("data"))        # drawn at the first call, then kept
    >>> secret_of("digits", Path("data")) == secret
    True

`share_secret` sets it to the content of a file from another machine.

A problem's `prepare.py` draws from it what no idea may know in advance: the split, the order of the
questions, a transformation of the data. Two machines with one secret have the same data, and their
results compare.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from executor.errors import ProblemError

_SHORTEST = 16


def secret_of(name: str, root: Path) -> str:
    """The secret of the problem `name`: its own where one was shared, else the machine's.

    `root` is where prepared data are kept; the machine's is drawn at the first call.
    """
    own = root / "secrets" / name
    if not own.is_file():
        own = root / "secret"
        if not own.is_file():
            _put(own, secrets.token_hex(32))
    return own.read_text().strip()


def share_secret(name: str, file: Path, root: Path) -> None:
    """Makes the text of `file` the secret of the problem `name`. Raises ProblemError."""
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(
            f"{file}: cannot be read as a secret ({getattr(error, 'strerror', 'not text')}); copy "
            f"{root / 'secret'} from the other machine, or draw one: openssl rand -hex 32"
        ) from None
    if len(text) < _SHORTEST or not text.isprintable():
        raise ProblemError(
            f"{file}: a secret is one line of at least {_SHORTEST} characters; draw one with: "
            "openssl rand -hex 32"
        )
    own = root / "secrets" / name
    own.unlink(missing_ok=True)
    _put(own, text)


def _put(path: Path, text: str) -> None:
    """Writes the file whole; where another process was first, its text stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # nobody else may read it
    with os.fdopen(handle, "w") as file:
        file.write(f"{text}\n")
    with suppress(FileExistsError):
        os.link(fresh, path)
    os.unlink(fresh)
