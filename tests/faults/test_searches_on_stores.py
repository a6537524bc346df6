"""The command on stores that go away and come back: one line, nothing left, the rest later."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.executor.runs import wait_until
from tests.executor.trials import all_gone
from tests.faults.searches import check_complete, make_slow_workplace, outcomes, start

pytestmark = pytest.mark.slow


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    return make_slow_workplace(tmp_path)


def check_end(process: subprocess.Popen[str], url: str, workplace: Path) -> None:
    """A search whose store stays away ends with one line and leaves no process."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and out == ""
    assert "Traceback" not in err
    ends = [line for line in err.splitlines() if line.startswith("ideator-rl: ")]
    assert len(ends) == 1 and ends[0] == err.splitlines()[-1]
    assert ends[0].startswith(f"ideator-rl: the store {url} cannot be ")
    assert ends[0].endswith("the same command goes on from there")
    assert all_gone(workplace / "tmp")
    assert list((workplace / "tmp").iterdir()) == []


@pytest.mark.parametrize("kind", ["error", "stall"])
def test_a_search_whose_store_goes_away_ends_in_one_line_and_is_completed_later(
    workplace: Path, kind: str
) -> None:
    url = f"faulty://{workplace}/bucket"
    process = start(workplace, url)
    wait_until(lambda: list((workplace / "bucket").glob("results/*.json")))
    away = workplace / "bucket.away"
    away.write_text(kind)
    check_end(process, url, workplace)
    away.unlink()
    kept = outcomes(url)
    assert kept
    check_complete(start(workplace, url), url, kept)
    assert all_gone(workplace / "tmp")


def test_an_s3_store_keeps_a_search_through_kills(workplace: Path, s3_url: str) -> None:
    rng = random.Random(5)
    kept: dict[str, Any] = {}
    for _ in range(3):
        process = start(workplace, s3_url)
        while len(outcomes(s3_url)) == len(kept):
            time.sleep(0.2)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        process.communicate()
        assert all_gone(workplace / "tmp")
        now = outcomes(s3_url)
        assert {key: now[key] for key in kept} == kept
        kept = now
    check_complete(start(workplace, s3_url), s3_url, kept)


def test_a_search_ends_in_one_line_when_its_s3_server_is_gone(
    workplace: Path, s3_url: str, s3_server: Any
) -> None:
    process = start(workplace, s3_url)
    wait_until(lambda: outcomes(s3_url))
    _, port = s3_server.get_host_and_port()
    s3_server.stop()
    try:
        check_end(process, s3_url, workplace)
    finally:
        restart(s3_server, port)
    check_complete(start(workplace, s3_url), s3_url, outcomes(s3_url))


def test_a_search_waits_for_its_s3_server(workplace: Path, s3_url: str, s3_server: Any) -> None:
    process = start(workplace, s3_url, patience=60)
    wait_until(lambda: outcomes(s3_url))
    _, port = s3_server.get_host_and_port()
    s3_server.stop()
    time.sleep(2)
    restart(s3_server, port)
    check_complete(process, s3_url, outcomes(s3_url))


def restart(server: Any, port: int) -> None:
    """The same server with the same content at the same address."""
    server._port = port
    server.start()
