from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from ideator_rl.sharing.scrub import make_scrub, scrub_all


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of Jane's, with a secret for its examinations."""
    home = tmp_path / "jane-home"
    (home / ".cache" / "secrets").mkdir(parents=True)
    (home / ".cache" / "secret").write_text("feedface" * 8 + "\n")
    (home / ".cache" / "secrets" / "digits").write_text("digits secret with blanks\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("IDEATOR_RL_DATA", str(home / ".cache"))
    monkeypatch.setenv("MY_API_KEY", "open-sesame-1")
    monkeypatch.setattr(getpass, "getuser", lambda: "janedoe")
    monkeypatch.setattr(socket, "gethostname", lambda: "jane-laptop.example.org")
    return home


@pytest.mark.parametrize(
    "text",
    [
        "key open-sesame-1",
        "Authorization: Bearer abcdefghijklmnopqrstuvw",
        "authorization: Basic amFuZTpwYXNz",
        "bearer 12345678-abcd",
        "sk-ant-REDACTED",
        "hf_abcdefghijklmn",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "postgres://jane:pass@db/x",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "feedface" * 8,
        "digits secret with blanks",
        "from the recipe: tr0ub4dor",
        "/home/jane/x.py",
        "/Users/jane/x.py",
        "/tmp/ideator-rl-again-abc/x",
        "janedoe wrote it on jane-laptop",
        "jane-laptop.example.org",
    ],
)
def test_what_is_secret_or_of_this_machine_goes(machine: Path, text: str) -> None:
    recipe = {"ideator": {"options": {"password": "tr0ub4dor"}}}
    scrub = make_scrub("store", recipe)
    secrets = (
        *("sesame", "abcdefgh", "amFuZ", "12345678", "sk-ant", "jane", "pass@", "MIIE", "feedface"),
        *("blanks", "tr0ub4dor", "again-abc", "eyJ"),
    )
    assert any(secret in text for secret in secrets)
    assert not any(secret in scrub(text) for secret in secrets)


def test_folders_get_the_name_of_what_they_are(machine: Path) -> None:
    scrub = make_scrub(str(machine / "project/store"))
    assert scrub(f"{machine}/project/store/runs/a") == "[store]/runs/a"
    assert scrub(f"file://{machine}/project/x.py") == "file://[home]/project/x.py"
    assert "jane" not in scrub(f"{machine}-backup/x.py")


def test_words_of_code_and_prose_stay(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "[Experiment] A basic approach: basic regularisation, the bearer of news, token 0.00012.\n"
        "+x = max(root, min(y)) / 2  # root mean square, see /usr/lib and model/home.py\n"
        "+secret = keys[token]\n"
    )
    monkeypatch.setattr(getpass, "getuser", lambda: "max")
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    assert make_scrub("store")(text) == text
    assert make_scrub("store")("mail max@localhost") == "mail [user]@[host]"


def test_every_text_of_a_row_is_cleaned(machine: Path) -> None:
    row = {"a": ["x open-sesame-1", 3, None], "b": {"c": "open-sesame-1", "d": 0.5}}
    cleaned = scrub_all(row, make_scrub("store"))
    assert cleaned == {"a": ["x [key]", 3, None], "b": {"c": "[key]", "d": 0.5}}
