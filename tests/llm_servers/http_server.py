"""A small HTTP/1.1 server whose every byte is in a test's hand: it can stop anywhere."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any


class Exchange:
    """One request with its body, and the way to answer it."""

    def __init__(
        self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        self.path, self.headers, self.body = path, headers, body
        self._writer = writer

    async def send(
        self,
        status: int,
        body: bytes | dict[str, Any],
        *,
        headers: dict[str, str] | None = None,
        kind: str = "application/json",
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._head(
            status, {"content-type": kind, "content-length": str(len(data)), **(headers or {})}
        )
        self._writer.write(data)
        await self._writer.drain()

    def start_stream(self, kind: str) -> None:
        self._head(200, {"content-type": kind, "transfer-encoding": "chunked"})

    async def chunk(self, data: bytes) -> None:
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    async def end_stream(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def cut(self) -> None:
        """Closes the connection in the middle of a chunk."""
        self._writer.write(b"40\r\nonly so far")
        self._writer.close()

    def reset(self) -> None:
        """Closes the connection with RST."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.close()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_reason(status)}", *(f"{k}: {v}" for k, v in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())


class HttpServer:
    """Runs in a thread with an event loop of its own.

    `open` counts the requests being answered, `most_open` those that were at once, `left` those
    whose client closed the connection before the answer was whole.
    """

    def __init__(self, handle: Callable[[Exchange], Awaitable[None]]) -> None:
        self._handle = handle
        self.left = 0
        self.open = 0
        self.most_open = 0
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        start = asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1000)
        self._server = self._loop.run_until_complete(start)
        started.set()
        self._loop.run_forever()
        self._server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (exchange := await _read(reader, writer)) is not None:
                if not await self._answer(exchange, reader):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # asyncio logs every connection whose task was cancelled, as all are at the end.
            pass
        finally:
            writer.close()

    async def _answer(self, exchange: Exchange, reader: asyncio.StreamReader) -> bool:
        """Whether the client was there to the end."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        answering = asyncio.ensure_future(self._handle(exchange))
        # No client sends its next request before the answer: what comes is the end.
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.left += 1
                return False
            await answering
            return not gone.done()
        finally:
            self.open -= 1
            for task in (answering, gone):
                task.cancel()
            await asyncio.gather(answering, gone, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange | None:
    line = await reader.readline()
    if not line:
        return None
    _, path, _ = line.decode().split()
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Exchange(path, headers, body, writer)


def _reason(status: int) -> str:
    return {item.value: item.phrase for item in HTTPStatus}.get(status, "Overloaded")
