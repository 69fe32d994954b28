"""The web socket side of a running ComfyUI's API: what it tells of a graph as it goes on."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ...engine.core.errors import ConfigError
from ...engine.core.words import missing

_CONNECT = 5.0
_AGAIN = 1.0
"""Seconds between two tries to connect."""


class Told(NamedTuple):
    """A message."""

    kind: str
    """ComfyUI's name of it, such as ``progress``."""
    data: Mapping[str, Any]


class Listener:
    """Hears the events of graphs that a client has queued. A lost connection is made anew while it listens: events tell
    of progress only, and what became of a graph is in the history.

    Args:
        url: of the server.
        client: its name there.

    Raises:
        ConfigError: the package for web sockets is missing.
    """

    def __init__(self, url: str, client: str) -> None:
        try:
            import websocket
        except ImportError:
            raise ConfigError(
                missing("websocket-client", "agents"), expected="websocket-client, by which ComfyUI tells of progress",
                hint="install it.",
            ) from None  # fmt: skip
        self._module = websocket
        self._url = f"{url.replace('http', 'ws', 1)}/ws?{urlencode({'clientId': client})}"
        self._connection: websocket.WebSocket | None = None
        self._tried = float("-inf")
        self.losses = 0
        """How often a connection was lost."""

    def connect(self) -> bool:
        """Connect unless it is connected; whether it is now."""
        if self._connection is None and time.monotonic() - self._tried >= _AGAIN:
            self._tried = time.monotonic()
            with contextlib.suppress(OSError, self._module.WebSocketException):
                self._connection = self._module.create_connection(self._url, timeout=_CONNECT, suppress_origin=True)
        return self._connection is not None

    def heard(self, seconds: float) -> Iterator[Told]:
        """The messages that come within a time; pictures are left out."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.connect():
                time.sleep(min(left, _AGAIN))
                continue
            message = self._received(left)
            if message is None:
                continue
            told = _read(message)
            if told:
                yield told

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, self._module.WebSocketException):
                connection.close(timeout=1)

    def _received(self, seconds: float) -> str | bytes | None:
        """The next message; ``None`` if there is none within the time, or the connection is lost."""
        assert self._connection is not None
        try:
            self._connection.settimeout(seconds)
            message = self._connection.recv()
        except self._module.WebSocketTimeoutException:
            return None
        except (OSError, self._module.WebSocketException):
            message = ""
        if message == "":  # the server has closed it
            self.close()
            self.losses += 1
            return None
        return message


def _read(message: str | bytes) -> Told | None:
    if isinstance(message, bytes):
        return None
    try:
        value = json.loads(message)
        kind, data = value["type"], value["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Told(kind, data) if isinstance(kind, str) and isinstance(data, dict) else None
