"""The front end itself makes of canvases what we make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from canvases import CANVASES, Canvas
from conftest import DRAWN_EITHER_WAY

if TYPE_CHECKING:
    from playwright.sync_api import Page

QUEUED = """async workflow => {
    await app.loadGraphData(workflow)
    const {output} = await app.graphToPrompt()
    return Object.fromEntries(Object.entries(output).map(([id, node]) => [id, [node.class_type, node.inputs]]))
}"""


@DRAWN_EITHER_WAY
@pytest.mark.parametrize("make", CANVASES, ids=lambda make: make.__name__)
def test_the_front_end_queues_the_same(lasting: Page, make: Callable[[], Canvas]) -> None:
    canvas = make()
    queued = lasting.evaluate(QUEUED, canvas.data)
    assert sorted(told(queued).values()) == sorted(told(canvas.prompt).values())


def told(prompt: Mapping[str, Any]) -> dict[str, str]:
    """Each node by what it is and what it gets, as the front end numbers nodes of groups anew."""

    def tell(node_id: str) -> str:
        kind, inputs = prompt[node_id]
        parts = {
            name: f"{tell(value[0])}.{value[1]}" if isinstance(value, list) else repr(value)
            for name, value in inputs.items()
        }
        return f"{kind}({sorted(parts.items())})"

    return {node_id: tell(node_id) for node_id in prompt}
