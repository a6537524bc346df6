"""Shared by all tests: prepared data and caches stay in a temporary folder of the session."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

# A busy machine is not slow code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`-m alone…` reads the files with such tests only: the others import PyTorch, Ray and verl."""
    is_asked = config.option.markexpr.startswith("alone") and collection_path.suffix == ".py"
    return True if is_asked and "pytest.mark.alone" not in collection_path.read_text() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that may take longest come first: test processes then end together."""
    longest: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        seconds = mark.args[0] if mark else 0.0
        longest[item.path] = max(seconds, longest.get(item.path, 0.0))
    items.sort(key=lambda item: -longest[item.path])


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("data")
    # The same examination every time: a test that fails once in a hundred secrets helps nobody.
    (folder / "secret").write_text("a secret of the tests, which everybody may know\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDEATOR_RL_DATA", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """By the processes that tests start, too, where a script runs the tests in its background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[object]:
    """An S3 server of our own, which this process and its children use."""
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    threaded = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    threaded.start()
    host, port = threaded.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "access-of-the-tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "password-of-the-tests")
        yield threaded
    threaded.stop()


@pytest.fixture
def s3_url(s3_server: object) -> str:
    """An empty bucket."""
    import s3fs

    url = f"s3://{uuid4().hex}"
    s3fs.S3FileSystem().mkdir(url)
    return f"{url}/store"
