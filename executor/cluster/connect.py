"""Connects this process to Ray: to the cluster of RAY_ADDRESS, or else to one of its own.

    with connected() as context:
        workers = RayWorkers(problem, choose("strict"))

A cluster of its own ends with the block, and with this process however that ends.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import ray

from executor.cluster.reaper import end_with_me
from executor.errors import UserError


def check_address(address: str | None) -> None:
    """Looks whether anything listens at a Ray cluster's address: Ray itself tries for minutes.

    Args:
        address: `host:port`; None and `auto` stand for a cluster on this machine.

    Raises:
        UserError: nothing does.
    """
    if address in (None, "", "auto", "local"):
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError):
        raise UserError(
            f"no Ray cluster answers at RAY_ADDRESS={address}; start one with `ray start "
            "--head`, or unset RAY_ADDRESS to use this machine alone"
        ) from None


@contextmanager
def connected(
    runtime_env: Mapping[str, Any] | None = None, own: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    """Connects until the block ends.

    Args:
        runtime_env: Ray's environment of every process of the job.
        own: the resources of a cluster of its own, by Ray's names; by default what Ray finds.

    Yields:
        Ray's context.

    Raises:
        UserError: there is no such cluster, or none can be started.
    """
    address = os.environ.get("RAY_ADDRESS")
    check_address(address)
    if not address:
        # Trials would run at a low priority.
        os.environ.update(RAY_worker_niceness="0", RAY_maximum_startup_concurrency="16")
    # Nothing of a cluster of its own may outlive this process.
    with nullcontext() if address else end_with_me():
        context = _ray_context(address, runtime_env, own)
        try:
            yield context
        finally:
            ray.shutdown()


def _ray_context(
    address: str | None, runtime_env: Mapping[str, Any] | None, own: Mapping[str, Any] | None
) -> Any:
    """What Ray says of the cluster once it has started. Raises UserError where it does not."""
    try:
        return ray.init(
            address=address or "local",
            runtime_env=dict(runtime_env or {}),
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else {"include_dashboard": False, **(own or {})}),
        )
    except Exception as error:  # a start that takes too long has no class of its own
        line = " ".join(str(error).split())[:200]
        where = f" at RAY_ADDRESS={address}" if address else ""
        raise UserError(f"Ray does not start{where}: {line}") from None
