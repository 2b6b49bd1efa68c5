"""A Hugging Face hub of our own with one model, as much of it as its client asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _lfs(body: bytes) -> dict[str, object]:
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "pointerSize": 1}


class _Hub(BaseHTTPRequestHandler):
    model: str
    files: Mapping[str, bytes]
    asked: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(f"/api/models/{self.model}"):
            files = [
                {"rfilename": name, "size": len(body), "lfs": _lfs(body)} for name, body in self.files.items()
            ]
            body = json.dumps({"id": self.model, "sha": COMMIT, "siblings": files}).encode()
            self.reply(200, body, {"Content-Type": "application/json"}, with_body)
        elif path.startswith(f"/{self.model}/resolve/{COMMIT}/"):
            name = path.partition(f"{COMMIT}/")[2]
            self.asked.append(f"{self.command} {name} {self.headers.get('Range', '')}".strip())
            body = self.files[name]
            facts = {}
            if (asked := self.headers.get("Range")) and with_body:
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                facts["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                self.reply(206, body[start:], facts, with_body)
            else:
                self.reply(200, body, facts, with_body)
        else:
            self.reply(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)

    def reply(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@contextmanager
def small_hub(model: str, files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Address of a hub that has one model, and what it was asked for so far."""
    asked: list[str] = []
    kind = type("Hub", (_Hub,), {"model": model, "files": files, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
