"""Where things of a graph are on the page, as a hand finds them, with nodes drawn on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hand import Spot
    from playwright.sync_api import Page

FIND = """
    const found = app.rootGraph.nodes.filter(node => node.type === kind || node.title === kind)
    const node = found.sort((one, other) => one.id - other.id)[at] // the graph puts those that are selected last
    if (!node) throw new Error(`there is no node ${at} of ${kind}`)
    const {scale, offset} = app.canvas.ds
    const {left, top} = app.canvas.canvas.getBoundingClientRect()
    const shown = ([x, y]) => [left + (x + offset[0]) * scale, top + (y + offset[1]) * scale]
"""
INPUT = f"""([kind, at, name]) => {{ {FIND}
    return shown(node.getInputPos(node.inputs.findIndex(own => own.name === name)))
}}"""
OUTPUT = f"([kind, at, slot]) => {{ {FIND} return shown(node.getOutputPos(slot)) }}"
TITLE = f"([kind, at]) => {{ {FIND} return shown([node.pos[0] + node.size[0] / 2, node.pos[1] - 15]) }}"
WIDGET = f"""([kind, at, name]) => {{ {FIND}
    const widget = node.widgets.find(own => own.name === name)
    if (widget.element) {{
        const box = widget.element.getBoundingClientRect()
        return [box.left + box.width / 2, box.top + box.height / 2]
    }}
    return shown([node.pos[0] + node.size[0] / 2, node.pos[1] + widget.y + 10])
}}"""


class Spots:
    """Places on a page, each by the type or title of its node and, if there are several, which of them."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def input(self, kind: str, name: str, at: int = 0) -> Spot:
        return self._ask(INPUT, [kind, at, name])

    def output(self, kind: str, slot: int = 0, at: int = 0) -> Spot:
        return self._ask(OUTPUT, [kind, at, slot])

    def widget(self, kind: str, name: str, at: int = 0) -> Spot:
        return self._ask(WIDGET, [kind, at, name])

    def title(self, kind: str, at: int = 0) -> Spot:
        return self._ask(TITLE, [kind, at])

    def _ask(self, script: str, given: Any) -> Spot:
        left, top = self._page.evaluate(script, given)
        return left, top
