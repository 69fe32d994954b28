"""A stand-in of Hugging Face's hub: one repository of files, by the addresses that huggingface_hub asks for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "0" * 40


@contextlib.contextmanager
def hub(repository: str, files: Mapping[str, bytes], fetched: list[str]) -> Iterator[str]:
    """Serve a repository within the block; gives the address for ``HF_ENDPOINT``.

    Args:
        repository: as ``owner/name``.
        files: path -> content.
        fetched: the paths of files that are downloaded are added.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def _answer(self, with_content: bool) -> None:
            path = unquote(self.path.partition("?")[0]).lstrip("/")
            tree, start = f"api/models/{repository}/tree/main", f"{repository}/resolve/main/"
            name = path.removeprefix(start)
            if path == tree:
                listed = [{"type": "file", "path": p, "size": len(c), "oid": _oid(c)} for p, c in files.items()]
                self._send(200, json.dumps(listed).encode(), "application/json", with_content)
            elif path.startswith(start) and name in files:
                fetched.extend([name] * with_content)
                self._send(200, files[name], "application/octet-stream", with_content)
            else:
                self._send(404, b"", "text/plain", with_content)

        def _send(self, status: int, content: bytes, kind: str, with_content: bool) -> None:
            self.send_response(status)
            for header, value in {
                "Content-Type": kind, "Content-Length": len(content), "ETag": f'"{_oid(content)}"',
                "X-Repo-Commit": COMMIT,
            }.items():  # fmt: skip
                self.send_header(header, str(value))
            self.end_headers()
            if with_content:
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def _oid(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:40]
