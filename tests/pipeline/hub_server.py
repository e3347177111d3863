"""A small Hugging Face hub on this machine: the few answers that fetching a checkpoint needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(slots=True)
class Hub:
    """One repository; ``asked`` are the requests so far, as method and path."""

    folder: Path
    name: str = "owner/tiny"
    branch: str = "main"
    refusal: tuple[int, str, str] | None = None
    """A status and an error code, and the file that they answer."""
    asked: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def serve_hub(hub: Hub) -> Iterator[str]:
    """Serve it; gives the address, for ``HF_ENDPOINT``."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.asked.append(f"{self.command} {path}")
        api, resolve = f"api/models/{self.hub.name}/", f"{self.hub.name}/resolve/"
        if path.startswith(api):
            self._describe(path.removeprefix(api))
        elif path.startswith(resolve):
            self._give(path.removeprefix(resolve))
        else:
            self._refuse(401, "RepoNotFound")

    def _describe(self, path: str) -> None:
        kind, _, revision = path.partition("/")
        if revision not in (self.hub.branch, COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif kind == "revision":
            siblings = [{"rfilename": name} for name in self.hub.names()]
            self._send({}, json.dumps({"id": self.hub.name, "sha": COMMIT, "siblings": siblings}).encode())
        else:
            files = [
                {"type": "file", "path": name, "size": (self.hub.folder / name).stat().st_size, "oid": self._etag(name)}
                for name in self.hub.names()
            ]
            self._send({}, json.dumps(files).encode())

    def _give(self, path: str) -> None:
        revision, _, name = path.partition("/")
        if self.hub.refusal is not None and self.hub.refusal[-1] == name:
            self._refuse(*self.hub.refusal[:-1])
        elif revision not in (self.hub.branch, COMMIT) or name not in self.hub.names():
            self._refuse(404, "EntryNotFound")
        else:
            headers = {"ETag": f'"{self._etag(name)}"', "X-Repo-Commit": COMMIT}
            self._send(headers, (self.hub.folder / name).read_bytes())

    def _etag(self, name: str) -> str:
        return hashlib.sha1((self.hub.folder / name).read_bytes(), usedforsecurity=False).hexdigest()

    def _refuse(self, status: int, code: str) -> None:
        self._send({"X-Error-Code": code, "X-Error-Message": code}, b"{}", status)

    def _send(self, headers: dict[str, str], body: bytes, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
