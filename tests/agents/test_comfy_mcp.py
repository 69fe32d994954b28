"""Our workflows as they are, run by the programs that other agents have: comfy-cli, and comfy-mcp over it.

``COMFY_MCP`` names the program comfy-mcp, of an environment of its own: it is no dependency of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from agents_server import in_thread
from comfyui_server import Server, serve
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

COMFY = Path(sys.executable).with_name("comfy")
WORKFLOW = "prepare-a-dataset.json"
"""In UI format; it needs no model on disk, and trains nothing."""
VALIDATED = (WORKFLOW, "quickstart-in-comfyui.json", "quickstart.json")
USUAL_PORT = 8188
LONGEST = 600
"""Seconds."""
needs_comfy_mcp = pytest.mark.skipif(not os.environ.get("COMFY_MCP"), reason="COMFY_MCP names no comfy-mcp")


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """At ComfyUI's usual port: comfy-mcp fetches and validates there, whatever address it runs workflows at."""
    with contextlib.closing(socket.socket()) as probe:
        if probe.connect_ex(("127.0.0.1", USUAL_PORT)) == 0:
            pytest.skip(f"something else listens on port {USUAL_PORT}")
    with serve(root, tmp_path_factory.mktemp("comfyui"), USUAL_PORT) as running:
        yield running


@pytest.fixture
def environment(server: Server, tmp_path: Path) -> dict[str, str]:
    """Of the programs: they find the server, and keep what they note to this test."""
    return {
        **os.environ, "COMFYUI_URL": server.url, "COMFY_BIN": str(COMFY), "HOME": str(tmp_path), "DO_NOT_TRACK": "1",
    }  # fmt: skip


def answered(result: types.CallToolResult) -> dict[str, Any]:
    text = "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))
    assert not result.is_error, text
    return result.structured_content or json.loads(text)


def assert_prepared(server: Server) -> None:
    """The workflow has saved its contact sheet and its data set."""
    assert list((server.output / "prepare-a-dataset").glob("contact-sheet_*.png"))
    assert list((server.output / "datasets").rglob("*.png"))


@pytest.mark.skipif(not COMFY.is_file(), reason="comfy-cli isn't installed")
def test_comfy_run_takes_a_workflow_as_it_is(root: Path, server: Server, environment: dict[str, str]) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    command = [
        str(COMFY), "--skip-prompt", "run", "--workflow", str(root / "workflows" / WORKFLOW), "--wait",
        "--host", host, "--port", port, "--timeout", str(LONGEST),
    ]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert_prepared(server)


@needs_comfy_mcp
def test_comfy_mcp_runs_a_workflow_as_it_is(
    root: Path, server: Server, environment: dict[str, str], tmp_path: Path
) -> None:
    async def session() -> tuple[list[Any], dict[str, Any], list[bytes]]:
        parameters = StdioServerParameters(command=os.environ["COMFY_MCP"], env=environment, cwd=tmp_path)
        async with Client(parameters) as client:
            paths = [{"workflow_path": str(root / "workflows" / name)} for name in VALIDATED]
            checked = [answered(await client.call_tool("validate_workflow", path)) for path in paths]
            given = {"workflow_path": str(root / "workflows" / WORKFLOW), "wait": False}
            started = answered(await client.call_tool("run_workflow", given))
            number, out = started["prompt_id"], tmp_path / "fetched"
            waiting = {"action": "wait", "prompt_id": number, "timeout_seconds": LONGEST}
            ended = answered(await client.call_tool("job", waiting))
            answered(await client.call_tool("fetch_outputs", {"prompt_id": number, "out_dir": str(out)}))
            return checked, ended, [path.read_bytes() for path in out.rglob("*.png")]

    checked, ended, fetched = in_thread(session())
    assert [(told["valid"], told["errors"]) for told in checked] == [(True, [])] * len(VALIDATED)
    assert ended["status"] == "completed", ended
    sheets = [path.read_bytes() for path in (server.output / "prepare-a-dataset").glob("contact-sheet_*.png")]
    assert set(sheets) & set(fetched)
    assert_prepared(server)
