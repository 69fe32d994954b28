"""A real ComfyUI server that has the extension."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LONGEST_START = 180
"""Seconds for the server to come up."""


class Server(NamedTuple):
    """A running ComfyUI."""

    url: str
    log: Path


@contextlib.contextmanager
def serve(extension: Path, folder: Path) -> Iterator[Server]:
    """ComfyUI from ``COMFYUI_PATH``, with ``folder`` for all its files and ours as the only extension.

    ``COMFYUI_PYTHON`` names the interpreter that has ComfyUI's requirements.
    """
    (folder / "custom_nodes").mkdir()
    (folder / "custom_nodes" / "lora-workbench").symlink_to(extension, target_is_directory=True)
    port = _free_port()
    command = [
        os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", "--cpu", "--disable-auto-launch",
        "--disable-api-nodes", "--port", str(port), "--base-directory", str(folder),
        "--database-url", "sqlite:///:memory:",
    ]  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}", folder / "log.txt")
    with server.log.open("w") as log:
        process = subprocess.Popen(command, cwd=os.environ["COMFYUI_PATH"], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{server.url}/system_stats").close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"ComfyUI didn't start:\n{server.log.read_text()[-3000:]}")
