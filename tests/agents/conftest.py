"""An output folder with an adapter that a server for agents has trained."""

from __future__ import annotations

from collections.abc import Iterator

import mcp_types as types
import pytest
from agents_server import FOX, Shop, done, end_worker, in_thread, over_stdio


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Its worker is there for all tests that draw."""
    output = tmp_path_factory.mktemp("agents") / "out"

    async def trained() -> types.CallToolResult:
        async with over_stdio(output) as client:
            return await done(client, "train", **FOX, wait_seconds=300)

    output.mkdir()
    yield Shop(output, in_thread(trained()))
    end_worker(output)
