"""The HTTP side of a running ComfyUI's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from ...engine.core.errors import ConfigError
from ...engine.core.storage import replacing
from ...engine.core.words import missing
from ..backend import PlaceError

if TYPE_CHECKING:
    import httpx

Graph = dict[str, dict[str, Any]]
"""Node id -> ``class_type`` and ``inputs``, of which links are ``[node id, output]``."""
State = Literal["running", "pending", "ended", "unknown"]
"""``unknown``: neither in the queue nor in the history."""
LARGEST_ANSWER = 64 << 20
"""Bytes of JSON. The description of all nodes takes some megabytes."""
LARGEST_PICTURE = 256 << 20
"""Bytes of a file that is fetched."""
_CONNECT = 5.0
_ANSWER = 60.0
"""Seconds without a byte. ComfyUI answers in a thread that Python also computes in."""
_SAID = 400
"""Characters of a server's own words in an error."""


class ServerError(PlaceError):
    """A running ComfyUI refuses, or answers what can't be used."""


class AwayError(ServerError):
    """It can't be reached, or not any more."""


class NotThereError(ServerError):
    """It has nothing at an address."""


class File(NamedTuple):
    """A file of ComfyUI's, as nodes name it."""

    name: str
    folder: str = ""
    """Below the folder of its kind, with forward slashes."""
    kind: str = "output"
    """``output``, ``input`` or ``temp``."""

    @property
    def query(self) -> dict[str, str]:
        return {"filename": self.name, "subfolder": self.folder, "type": self.kind}


@dataclass(frozen=True)
class Refusal:
    """Why a graph isn't run as a whole."""

    error: Mapping[str, Any]
    """``type``, ``message``, ``details``, ``extra_info``; empty if some of its outputs could be made."""
    nodes: Mapping[str, Any]
    """Node id -> ``class_type`` and ``errors`` of it."""


class Server:
    """A ComfyUI at an address. Thread-safe.

    Args:
        address: such as ``http://127.0.0.1:8188``; without a scheme it is http.

    Raises:
        ConfigError: it isn't an address, or the package that talks to it is missing.
    """

    def __init__(self, address: str) -> None:
        try:
            import httpx
        except ImportError:
            raise ConfigError(
                missing("httpx", "agents"), expected="httpx, which talks to ComfyUI", hint="install it."
            ) from None
        self.url = checked_address(address)
        self._client = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(_ANSWER, connect=_CONNECT),
            headers={"User-Agent": "lora-workbench", "Comfy-Usage-Source": "lora-workbench"},
            trust_env=not _is_loopback(self.url),  # a proxy for the web doesn't know this machine
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path.

        Raises:
            AwayError: the server can't be reached.
            NotThereError: it has nothing there.
            ServerError: it refuses.
        """
        return self._json(self._answered("GET", path, params=query))

    def post(self, path: str, content: Mapping[str, Any]) -> Any:
        """The JSON that answers a JSON object; ``None`` for an empty answer. Raises as :meth:`get`."""
        response = self._answered("POST", path, json=content)
        return self._json(response) if response.content else None

    def content(self, path: str, **query: Any) -> bytes:
        """The bytes at a path. Raises as :meth:`get`."""
        return self._answered("GET", path, params=query).content

    def queue(self, graph: Graph, number: str, client: str, more: Mapping[str, Any] | None = None) -> Refusal | None:
        """Put a graph into the queue; why that isn't done, as a whole or in part.

        Args:
            graph: in API format.
            number: what the graph is to be called, a UUID.
            client: who hears its events.
            more: ``extra_data``, of which ``extra_pnginfo`` goes into pictures.

        Raises:
            AwayError, ServerError: as :meth:`get`.
        """
        body = {"prompt": graph, "prompt_id": number, "client_id": client, "extra_data": dict(more or {})}
        response = self._sent("POST", "/prompt", json=body)
        if response.status_code == 400:
            told = self._object(response)
            return Refusal(_mapping(told.get("error")), _mapping(told.get("node_errors")))
        told = self._object(self._accepted(response))
        left_out = _mapping(told.get("node_errors"))
        return Refusal({}, left_out) if left_out else None

    def state(self, number: str) -> tuple[State, Mapping[str, Any]]:
        """Where a graph is, and its entry of the history once it has ended. Raises as :meth:`get`."""
        queued = self.get("/queue")
        places: tuple[tuple[str, State], ...] = (("queue_running", "running"), ("queue_pending", "pending"))
        for name, state in places:
            if any(entry[1] == number for entry in queued.get(name, [])):
                return state, {}
        # Asked after the queue: what leaves that meanwhile is here.
        ended = self.get(f"/history/{number}").get(number)
        return ("ended", ended) if ended else ("unknown", {})

    def remove(self, number: str) -> None:
        """Take a graph out of the queue if it waits there. Raises as :meth:`get`."""
        self.post("/queue", {"delete": [number]})

    def interrupt(self, number: str) -> None:
        """End a graph if it is the one that runs; older servers end whatever runs. Raises as :meth:`get`."""
        self.post("/interrupt", {"prompt_id": number})

    def fetch(self, file: File, path: Path) -> None:
        """Write a file of ComfyUI's to ``path``, whole or not at all.

        Raises:
            NotThereError: there is none.
            ServerError: it is larger than any picture; and as :meth:`get`.
            StorageError: it can't be written.
        """
        import httpx

        try:
            with self._client.stream("GET", "/view", params=file.query) as response:
                if response.is_error:
                    response.read()
                self._accepted(response)
                with replacing(path) as temporary, temporary.open("wb") as written:
                    done = 0
                    for piece in response.iter_bytes():
                        done += len(piece)
                        if done > LARGEST_PICTURE:
                            raise ServerError(f"{file.name} is larger than {LARGEST_PICTURE >> 20} MB.")
                        written.write(piece)
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def size(self, file: File) -> int | None:
        """Bytes of a file of ComfyUI's; ``None`` if there is none. Raises as :meth:`get`."""
        response = self._sent("HEAD", "/view", params=file.query)
        if response.status_code in (400, 404):  # 400: it shows no file with two dots in a row in its name
            return None
        return int(self._accepted(response).headers.get("Content-Length", -1))

    def upload(self, path: Path, file: File) -> None:
        """Send a file, which replaces one of its name. Raises as :meth:`get`."""
        form = {"subfolder": file.folder, "type": file.kind, "overwrite": "true"}
        with path.open("rb") as content:
            response = self._sent("POST", "/upload/image", data=form, files={"image": (file.name, content)})
        if response.status_code == 413:
            raise ServerError(
                f"{path.name}, {path.stat().st_size / 1e6:.0f} MB, is larger than this ComfyUI takes.",
                expected="files below its --max-upload-size",
                hint="let the user copy the folder below ComfyUI's input folder, or start ComfyUI with a larger "
                "--max-upload-size.",
            )
        self._accepted(response)

    def _answered(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._accepted(self._sent(method, path, **options))

    def _sent(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            return self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> AwayError:
        return AwayError(
            f"ComfyUI at {self.url} can't be reached: {str(error) or type(error).__name__}.",
            expected="a running ComfyUI there",
            hint="start it, or give the address that it prints when it starts.",
        )

    def _accepted(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        path, status = response.request.url.path, response.status_code
        if status == 404:
            raise NotThereError(f"ComfyUI at {self.url} has nothing at {path}.")
        if response.is_redirect:
            raise ServerError(
                f"{self.url} redirects to {response.headers.get('Location', '?')[:_SAID]}.",
                expected="ComfyUI itself, whose answers come from the address that was given",
                hint="give the final address, if it is yours.",
            )
        raise ServerError(
            f"ComfyUI at {self.url} refuses {path} (status {status}): {_words(response)}",
            hint="look into ComfyUI's log.",
        )

    def _object(self, response: httpx.Response) -> Mapping[str, Any]:
        return _mapping(self._json(response))

    def _json(self, response: httpx.Response) -> Any:
        try:
            if len(response.content) > LARGEST_ANSWER:
                raise ValueError
            return response.json()
        except (ValueError, RecursionError):
            raise ServerError(
                f"{self.url} answers {response.request.url.path} with something else than JSON.",
                expected="ComfyUI",
                hint="check the address and its port.",
            ) from None


def checked_address(address: str) -> str:
    """An address as it is used: with a scheme, without a slash at its end.

    Raises:
        ConfigError: it isn't one of a web server, or holds a password.
    """
    text = address.strip()
    text = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"{address!r} isn't the address of a ComfyUI.",
            expected="such as http://127.0.0.1:8188",
            hint="give the address that ComfyUI prints when it starts.",
        )
    if parts.username or parts.password:
        raise ConfigError(
            "The address of ComfyUI holds a user or a password.",
            expected="one without: addresses are shown in errors and logs",
            hint="reach it through a tunnel, such as ssh -L 8188:127.0.0.1:8188 HOST.",
        )
    return text.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _words(response: httpx.Response) -> str:
    """A server's own words, bounded; ComfyUI's and our routes' errors without the JSON around them."""
    try:
        error = response.json()["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError, RecursionError):
        text = response.text
    return " ".join(text[: 1 << 16].split())[:_SAID] or "without a word"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
