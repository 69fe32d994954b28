"""Real servers for agents, as processes of their own, and clients of the official package."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

import httpx2
import mcp_types as types
import psutil
from lora_workbench.agents.jobs import Jobs
from lora_workbench.agents.places import Place
from lora_workbench.agents.server import McpServer
from lora_workbench.agents.service import Service
from lora_workbench.agents.workflows import WorkflowTool
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

T = TypeVar("T")
TOKEN = "a-token-of-the-tests-0123456789"
IDLE = 60
CHEAP = {
    "rank": 2,
    "batch_size": 2,
    "gradient_accumulation": 1,
    "text_encoder_learning_rate": 0.0,
    "warmup_steps": 0,
    "resolution": 32,
}
FOX = {
    "folder": "fox", "name": "fox", "trigger": "ohwx", "class_word": "fox", "steps": 4,
    "settings": {**CHEAP, "snapshot_every": 4},
}  # fmt: skip
"""A short training of the demo's subject, with a verdict."""
UNMEASURED = {**FOX, "settings": {**CHEAP, "measures": False, "held_out": 0.0, "snapshot_every": 0, "save_every": 2}}
"""A shorter one."""


class Shop(NamedTuple):
    """Where an agent has trained the demo's subject."""

    output: Path
    training: types.CallToolResult


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """What some work gives, done in a thread of its own: browser tests leave an event loop in that of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def command(output: Path, *options: str) -> list[str]:
    idle = () if "--idle" in options else ("--idle", str(IDLE))
    return [
        sys.executable, "-m", "lora_workbench", "mcp", "--output", str(output), "--device", "cpu", *idle, *options
    ]  # fmt: skip


@asynccontextmanager
async def over_stdio(output: Path, *options: str) -> AsyncIterator[Client]:
    """A client of a server that it starts itself."""
    first, *others = command(output, *options)
    server = StdioServerParameters(command=first, args=others, env=dict(os.environ), cwd=output.parent)
    async with Client(server) as client:
        yield client


@contextlib.contextmanager
def http_server(output: Path, *options: str) -> Iterator[str]:
    """The address of a server over HTTP."""
    process = subprocess.Popen(
        command(output, "--http", "0", *options), cwd=output.parent, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "LORA_WORKBENCH_MCP_TOKEN": TOKEN},
    )  # fmt: skip
    try:
        assert process.stderr
        line = process.stderr.readline()
        assert line.startswith("Serving agents at http://127.0.0.1:"), line + process.stderr.read()
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait(60)


@asynccontextmanager
async def over_http(address: str, token: str = TOKEN) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        yield client


def service_in(output: Path, workflows: Sequence[WorkflowTool] = (), idle: float = IDLE, **options: Any) -> Service:
    """A service in this process, on the demo base; its worker is a process as always."""
    from lora_workbench.engine.core.resources import DEMO_BASE

    return Service(Place(output=str(output), bases=(str(DEMO_BASE),), device="cpu", **options), workflows, idle)


def in_process(service: Service) -> Client:
    """A client of a server in this process."""
    return Client(McpServer(service, "test").lowlevel)


def text_of(result: types.CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


def images_of(result: types.CallToolResult) -> list[types.ImageContent]:
    return [part for part in result.content if isinstance(part, types.ImageContent)]


def links_of(result: types.CallToolResult) -> list[types.ResourceLink]:
    return [part for part in result.content if isinstance(part, types.ResourceLink)]


def path_of(link: types.ResourceLink) -> Path:
    """The file of a picture that an answer links to."""
    return Path(url2pathname(unquote(urlparse(link.uri).path)))


async def done(client: Client, tool: str, **arguments: Any) -> types.CallToolResult:
    """What a call gives that has to succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return result


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """What a call says that has to be refused."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, text_of(result)
    return text_of(result)


def jobs_in(output: Path) -> Jobs:
    return Jobs(Place(output=str(output), bases=()).jobs)


def worker_of(output: Path) -> psutil.Process | None:
    """The process that does the jobs of an output folder."""
    folder = str(jobs_in(output).folder)
    for process in psutil.process_iter(["cmdline"]):
        if (words := process.info["cmdline"] or []) and "--work" in words and folder in words:
            return process
    return None


def end_worker(output: Path, number: signal.Signals = signal.SIGTERM) -> None:
    """End the process that does the jobs of an output folder, if there is one."""
    if process := worker_of(output):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            process.wait(60)


def waited(condition: Any, seconds: float = 60.0) -> Any:
    """What a condition gives once it is true."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it didn't come true"
        time.sleep(0.05)
    return found
