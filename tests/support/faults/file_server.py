"""A server of files over HTTP on loopback, which breaks off, redirects or changes them as a test asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """What is served: `content` by path, redirects, answers before anything else.

    `breaks` are numbers of bytes after which a transfer ends, one for each request. `ranges` collects what
    clients asked for.
    """

    content: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    tags: bool = True
    port: int = 0

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def tag(self, path: str) -> str:
        """The ETag of a file."""
        return f'"{hash(self.content[path])}"'


@contextmanager
def served(files: Files) -> Iterator[Files]:
    """Serves within the context."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(files))
    files.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def handler_of(files: Files) -> type[BaseHTTPRequestHandler]:
    """The handler of requests for these files."""
    return type("Handler", (FileHandler,), {"files": files})


class FileHandler(BaseHTTPRequestHandler):
    """Answers requests for `files`."""

    files: Files

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """Sends a file, or what is set instead."""
        self.files.ranges.append(self.headers.get("Range") or "")
        if self.path in self.files.redirects:
            self.answer(302, {"Location": self.files.redirects[self.path]})
        elif self.files.answers or self.path not in self.files.content:
            self.answer(self.files.answers.pop(0) if self.files.answers else 404, {"Content-Length": "0"})
        else:
            self.send_file(self.files.content[self.path], self.files.tag(self.path))

    def answer(self, code: int, headers: dict[str, str]) -> None:
        """Sends a status and headers."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_file(self, content: bytes, tag: str) -> None:
        """Sends a file, or the asked part of it, up to the next break."""
        headers = {"ETag": tag} if self.files.tags else {}
        start, code = 0, 200
        asked = self.headers.get("Range")
        if asked and self.files.tags and self.headers.get("If-Range") == tag:
            start, code = int(asked.removeprefix("bytes=").rstrip("-")), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        part = content[start:]
        self.answer(code, headers | {"Content-Length": str(len(part))})
        self.wfile.write(part[: self.files.breaks.pop(0)] if self.files.breaks else part)
