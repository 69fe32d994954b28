"""How clients reach the server: over standard input and output, or over HTTP on this machine with a token."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import ConfigError

if TYPE_CHECKING:
    from .server import McpServer

TOKEN = "LORA_WORKBENCH_MCP_TOKEN"
"""Environment variable with the token of HTTP clients."""
SHORTEST_TOKEN = 16
LOOPBACK = "127.0.0.1"
PATH = "/mcp"
_GRACE_SECONDS = 2
"""That open connections have when the server ends."""


def http_token() -> tuple[str, bool]:
    """(the token that clients need, whether it was made now, so that people have to be told).

    Raises:
        ConfigError: that in the environment is too short, or can't stand in a header.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        return secrets.token_urlsafe(32), True
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigError(
            f"The token in {TOKEN} can't be used.",
            expected=f"at least {SHORTEST_TOKEN} printable ASCII characters without blanks",
            hint=f"leave {TOKEN} out: a token is made and shown then.",
        )
    return token, False


async def serve_stdio(server: McpServer) -> None:
    """Serve the client at the other end of standard input and output, until it closes them."""
    from mcp.server.lowlevel.server import NotificationOptions
    from mcp.server.stdio import stdio_server

    told = NotificationOptions(tools_changed=True, resources_changed=True)
    async with stdio_server() as (read, write), _telling(server):
        await server.lowlevel.run(read, write, server.lowlevel.create_initialization_options(told))


async def serve_http(server: McpServer, port: int, token: str, ready: Callable[[str], None]) -> None:
    """Serve clients on this machine that have the token, until the process is asked to end.

    Args:
        server: what is served.
        port: 0 for any that is free.
        token: compared in constant time.
        ready: is told the address once it can be reached.

    Raises:
        ConfigError: the port is taken.
    """
    import uvicorn

    try:
        listening = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise ConfigError(
            f"Port {port} can't be used: {error.strerror or error}.", expected="a free port",
            hint="choose another one, or 0 for any.",
        ) from error  # fmt: skip
    app = BearerOnly(server.lowlevel.streamable_http_app(streamable_http_path=PATH, host=LOOPBACK), token)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS)
    with listening:
        ready(f"http://{LOOPBACK}:{listening.getsockname()[1]}{PATH}")
        async with _telling(server):
            await uvicorn.Server(config).serve(sockets=[listening])


class BearerOnly:
    """Lets requests with the token through, and no others.

    Args:
        app: an ASGI application.
        token: ASCII.
    """

    def __init__(self, app: Any, token: str) -> None:
        self._app, self._wanted = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or self._is_known(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _refuse(send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _is_known(self, scope: Any) -> bool:
        given = [value for name, value in scope.get("headers", ()) if name.lower() == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._wanted)


async def _refuse(send: Any) -> None:
    body = b"This server needs the token that it showed when it started, as Authorization: Bearer TOKEN.\n"
    headers = [
        (b"content-type", b"text/plain"),
        (b"www-authenticate", b"Bearer"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def _telling(server: McpServer) -> AsyncIterator[None]:
    """Within the block, clients are told when there are other tools than before."""
    task = asyncio.create_task(server.tell_changes())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
