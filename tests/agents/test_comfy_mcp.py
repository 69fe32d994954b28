"""Our workflows as they are, run by the programs that other agents have: comfy-cli, and comfy-mcp over it.

``COMFY_MCP`` names the program comfy-mcp, of an environment of its own: it is no dependency of ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from comfyui_server import Server, serve
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

COMFY = Path(sys.executable).with_name("comfy")
WORKFLOW = "prepare-a-dataset.json"
"""In UI format; it needs no model on disk, and trains nothing."""
LONGEST = 600
"""Seconds."""
needs_comfy_mcp = pytest.mark.skipif(not os.environ.get("COMFY_MCP"), reason="COMFY_MCP names no comfy-mcp")


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(root, tmp_path_factory.mktemp("comfyui")) as running:
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
def test_comfy_mcp_validates_and_runs_workflows_as_they_are(
    root: Path, server: Server, environment: dict[str, str], tmp_path: Path
) -> None:
    async def session() -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        parameters = StdioServerParameters(command=os.environ["COMFY_MCP"], env=environment, cwd=tmp_path)
        async with Client(parameters) as client:
            found = {
                file.name: answered(await client.call_tool("validate_workflow", {"workflow_path": str(file)}))
                for file in sorted((root / "workflows").glob("*.json"))
            }
            path = str(root / "workflows" / WORKFLOW)
            ran = answered(await client.call_tool("run_workflow", {"workflow_path": path, "timeout_seconds": LONGEST}))
            number = ran.get("prompt_id") or ran["data"]["prompt_id"]
            out = tmp_path / "fetched"
            answered(await client.call_tool("fetch_outputs", {"prompt_id": number, "out_dir": str(out)}))
            return found, ran, [path.name for path in out.rglob("*.png")]

    validated, ran, fetched = asyncio.run(session())
    wrong = {name: told["errors"] for name, told in validated.items() if told.get("valid") is not True}
    assert wrong.keys() <= NEEDS_FILES, wrong
    assert all("not_in_enum" in str(errors) or "value" in str(errors) for errors in wrong.values()), wrong
    assert ran
    assert fetched
    assert_prepared(server)


NEEDS_FILES = {"apply-a-stack.json", "train-on-a-checkpoint.json"}
"""Workflows that name a checkpoint, which this ComfyUI doesn't have."""
