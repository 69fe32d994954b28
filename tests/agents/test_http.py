"""The server over HTTP: on this machine only, and with the token only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from agents_server import TOKEN, command, done, http_server, in_thread, over_http
from lora_workbench.agents.transports import http_token
from lora_workbench.engine.core.errors import ConfigError

HELLO = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPTED = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    output = tmp_path_factory.mktemp("http") / "out"
    output.mkdir()
    with http_server(output) as address:
        yield address


def test_a_client_with_the_token_gets_tools(address: str) -> None:
    async def tools() -> set[str]:
        async with over_http(address) as client:
            assert (await done(client, "status")).structured_content == {"jobs": []}
            return {tool.name for tool in (await client.list_tools()).tools}

    assert in_thread(tools()) == {"adapters", "draw", "pin", "runs", "status", "stop", "train", "verdict"}


@pytest.mark.parametrize("given", [None, "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
def test_others_are_refused(address: str, given: str | None) -> None:
    headers = {"Authorization": given} if given else {}
    answer = httpx2.post(address, json=HELLO, headers={**ACCEPTED, **headers})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"), [({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421)]
)
def test_pages_and_names_of_elsewhere_are_refused(address: str, headers: dict[str, str], status: int) -> None:
    known = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx2.post(address, json=HELLO, headers={**ACCEPTED, **known, **headers}).status_code == status


def test_a_token_is_made_and_shown_once(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LORA_WORKBENCH_MCP_TOKEN"}
    process = subprocess.Popen(
        command(tmp_path / "out", "--http", "0"), cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr
        told = [process.stderr.readline() for _ in range(2)]
        address, token = told[0].split()[-1], told[1].split()[-1]
        assert len(token) >= 43
        wrong = {**ACCEPTED, "Authorization": f"Bearer {token[:-1]}"}
        assert httpx2.post(address, json=HELLO, headers=wrong).status_code == 401

        async def count() -> int:
            async with over_http(address, token) as client:
                return len((await client.list_tools()).tools)

        assert in_thread(count())
    finally:
        process.terminate()
        process.wait(60)
    assert token not in process.stderr.read()


@pytest.mark.parametrize("token", ["short", "with a blank in its middle", "ünprintable-in-a-header"])
def test_tokens_that_are_no_secret_are_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_WORKBENCH_MCP_TOKEN", token)
    with pytest.raises(ConfigError, match="at least 16") as refused:
        http_token()
    assert token not in str(refused.value)
