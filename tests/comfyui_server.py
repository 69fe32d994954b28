"""A real ComfyUI server that has the extension, and what its API gives."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from PIL import Image

LONGEST_START = 180
"""Seconds for the server to come up."""

Graph = dict[str, dict[str, Any]]
"""Nodes by name, in API format."""


@dataclass(frozen=True)
class Ended:
    """What a graph came to."""

    history: dict[str, Any]
    output: Path
    """The folder that pictures are saved in."""

    @property
    def status(self) -> str:
        """``success``, ``interrupted`` or ``error``."""
        return self._messages[-1][0].removeprefix("execution_")

    @property
    def cached(self) -> set[str]:
        """Nodes that didn't run, because ComfyUI had their outputs."""
        return {node for name, told in self._messages if name == "execution_cached" for node in told["nodes"]}

    @property
    def _messages(self) -> list[list[Any]]:
        return self.history["status"]["messages"]

    def report(self, node: str) -> dict[str, Any]:
        return self.history["outputs"][node]["lw_report"][0]

    def pictures(self, node: str) -> list[Image.Image]:
        """What a node saved."""
        opened = []
        for saved in self.history["outputs"][node]["images"]:
            with Image.open(self.output / saved["subfolder"] / saved["filename"]) as picture:
                opened.append(picture.convert("RGB"))
        return opened

    def pixels(self, node: str) -> Any:
        """The same as integers, array (B, H, W, 3)."""
        import numpy as np

        return np.stack([np.asarray(picture).astype(int) for picture in self.pictures(node)])


@dataclass(frozen=True)
class Server:
    """A running ComfyUI."""

    url: str
    log: Path
    pid: int

    @property
    def folder(self) -> Path:
        """Of all its files."""
        return self.log.parent

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def store(self) -> Path:
        return self.folder / "user" / "lora_workbench"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}") as answer:
            return json.load(answer)

    def post(self, path: str, content: Any) -> Any:
        body, kind = json.dumps(content).encode(), {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}{path}", body, kind)) as answer:
            return json.loads(answer.read() or "null")

    def queue(self, graph: Graph, client: str = "") -> str:
        """Queue a graph and give its id; its events go to the client of that name."""
        return self.post("/prompt", {"prompt": graph, "client_id": client or uuid4().hex})["prompt_id"]

    def ended(self, number: str, longest: float = 240) -> Ended:
        """Wait until a queued graph has ended, in seconds."""
        end = time.monotonic() + longest
        while time.monotonic() < end:
            if history := self.get(f"/history/{number}"):
                return Ended(history[number], self.output)
            time.sleep(0.2)
        raise TimeoutError(f"ComfyUI took longer than {longest} s:\n{self.log.read_text()[-2000:]}")

    def run(self, graph: Graph, longest: float = 240) -> Ended:
        """Queue a graph and wait until it has run without an error."""
        ended = self.ended(self.queue(graph), longest)
        assert ended.status == "success", ended.history["status"]["messages"]
        return ended

    def interrupt(self) -> None:
        self.post("/interrupt", {})

    def memory(self) -> int:
        """Resident bytes of its process."""
        import psutil

        return psutil.Process(self.pid).memory_info().rss

    @contextlib.contextmanager
    def listening(self) -> Iterator[Listener]:
        """A client that hears what becomes of the graphs queued for it."""
        import websocket

        client = uuid4().hex
        connection = websocket.create_connection(f"{self.url.replace('http', 'ws')}/ws?clientId={client}", timeout=240)
        with contextlib.closing(connection):
            yield Listener(client, connection)


class Heard(NamedTuple):
    """One event."""

    kind: str
    """ComfyUI's name of it; ``picture`` and ``progress text`` for those that it sends in binary."""
    data: Any


class Listener:
    """The front end's side of ComfyUI's web socket."""

    def __init__(self, name: str, connection: Any) -> None:
        self.name, self._connection = name, connection
        # As the front end says when it connects: previews then come with the node that they are of.
        connection.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))

    def events(self) -> Iterator[Heard]:
        """What comes, to the end of a graph."""
        while True:
            message = self._connection.recv()
            heard = _in_binary(message) if isinstance(message, bytes) else _in_json(message)
            yield heard
            if heard.kind in ("execution_success", "execution_interrupted", "execution_error"):
                return

    def wait_for_step(self, node: str, wanted: int, total: int) -> int:
        """Wait until a training of ``total`` steps has come so far; gives how far it is."""
        for kind, data in self.events():
            if kind == "progress" and (data["node"], data["max"]) == (node, total) and data["value"] >= wanted:
                return data["value"]
        raise AssertionError(f"{node} ended before step {wanted}")

    def wait_for_end(self) -> str:
        """Wait until a graph ends; gives the event that says so."""
        *_, last = self.events()
        return last.kind


def _in_json(message: str) -> Heard:
    told = json.loads(message)
    return Heard(told["type"], told["data"])


def _in_binary(message: bytes) -> Heard:
    """ComfyUI numbers these events: 1 is a picture, 3 text for a node, 4 a picture with what it is of."""
    number, length = int.from_bytes(message[:4], "big"), int.from_bytes(message[4:8], "big")
    if number == 3:
        return Heard("progress text", message[8 + length :].decode())
    return Heard("picture", message[8:] if number == 1 else message[8 + length :])


@contextlib.contextmanager
def serve(extension: Path | None, folder: Path, port: int = 0) -> Iterator[Server]:
    """ComfyUI from ``COMFYUI_PATH``, with ``folder`` for all its files and ours as the only extension, at a port; 0 for
    any that is free.

    ``COMFYUI_PYTHON`` names the interpreter that has ComfyUI's requirements. Without ``extension``, what is in the
    folder's ``custom_nodes`` is used.
    """
    place = folder / "custom_nodes" / "lora-workbench"
    if extension and not place.is_symlink():
        place.parent.mkdir()
        place.symlink_to(extension, target_is_directory=True)
    port = port or free_port()
    command = [
        os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--disable-auto-launch",
        "--disable-api-nodes", "--port", str(port), "--base-directory", str(folder),
        "--database-url", f"sqlite:///{folder / f'comfyui_{port}.db'}",
    ]  # fmt: skip
    with started(command, port, folder) as server:
        yield server


@contextlib.contextmanager
def started(command: Sequence[str], port: int, folder: Path) -> Iterator[Server]:
    """ComfyUI by a command of its checkout, which is to listen at a port and keep its files in a folder."""
    path = folder / f"log_{port}.txt"
    with path.open("w") as log:
        process = subprocess.Popen(command, cwd=os.environ["COMFYUI_PATH"], stdout=log, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{port}", path, process.pid)
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end and process.poll() is None:
        try:
            server.get("/system_stats")
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"ComfyUI didn't start:\n{server.log.read_text()[-3000:]}")
