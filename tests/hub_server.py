"""The part of the Hugging Face hub's protocol that takes a data set and hands it out again.

with hub_server() as hub:
    hub.url, hub.files          # HF_ENDPOINT; by "org/name" and path
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    url: str = ""
    token: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)


@contextmanager
def hub_server(token: str = "hf_of_the_tests") -> Iterator[Hub]:
    """A hub on this machine that takes uploads of who has the token."""
    hub = Hub(token=token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Authorization"] != f"Bearer {hub.token}":
                return self._send(401, b'{"error": "Invalid username or password."}')
            parts = self.path.strip("/").split("/")
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
                hub.private[name] = asked.get("visibility") == "private"
                return self._json({"url": f"{hub.url}/datasets/{name}"})
            if self.path == "/api/validate-yaml":
                return self._json({"errors": [], "warnings": []})
            name = "/".join(parts[2:4])
            if parts[4] == "preupload":
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                return self._json({"files": files})
            lines = [json.loads(line) for line in body.splitlines()]
            hub.files[name] = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            page = f"{hub.url}/datasets/{name}/commit/{SHA}"
            return self._json({"commitUrl": page, "commitOid": SHA})

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "datasets"]:
                name = "/".join(parts[2:4])
                files = hub.files.get(name)
                if files is None:
                    return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
                found = [{"rfilename": path, "size": len(data)} for path, data in files.items()]
                return self._json({"id": name, "sha": SHA, "siblings": found})
            data = hub.files.get("/".join(parts[1:3]), {}).get("/".join(parts[5:]))
            if data is None:
                return self._send(404, b"")
            return self._send(200, data, {"ETag": '"0123"', "X-Repo-Commit": SHA})

        do_HEAD = do_GET

        def _json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode())

        def _send(self, code: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
