"""A hand on a page: it clicks, types and drags as a person does, and counts what it does.

The rules of the count are in docs/effort.md and nowhere else but in `COSTS`: moving the pointer and looking are free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

Spot = tuple[float, float]

COSTS = {
    "click": lambda given: 1,
    "right click": lambda given: 1,
    "double-click": lambda given: 2,
    "drag": lambda given: 1,
    "wheel": lambda given: int(given),
    "press": lambda given: len(given.split("+")),
    "type": len,
}
"""What an act costs, by what is given to it: notches of the wheel, keys that are held together, or a text."""
NOTCH = 100
"""Pixels that a page scrolls at one notch of the wheel."""
DRAWN = """() => new Promise(done => {
    let frames = 3
    const next = () => frames-- ? requestAnimationFrame(next) : done()
    next()
})"""
"""When the page has drawn what was done: what is below the pointer is looked for in what is drawn."""


def cost(act: str, given: str = "") -> int:
    """How many clicks, keys, drags and notches an act is."""
    return COSTS[act](given)


class Hand:
    """Does things on a page, and knows how much it has done.

    Attributes:
        did: what it did, as act, what was given, and where or why.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.did: list[tuple[str, str, str]] = []

    @property
    def count(self) -> int:
        return sum(cost(act, given) for act, given, _ in self.did)

    def click(self, at: Locator | Spot, where: str) -> None:
        self._note("click", "", where)
        self.page.mouse.click(*self._spot(at))
        self.rest()

    def right_click(self, at: Locator | Spot, where: str) -> None:
        self._note("right click", "", where)
        self.page.mouse.click(*self._spot(at), button="right")
        self.rest()

    def double_click(self, at: Locator | Spot, where: str) -> None:
        self._note("double-click", "", where)
        self.page.mouse.dblclick(*self._spot(at))
        self.rest()

    def press(self, keys: str, why: str) -> None:
        """Keys that are held together, such as ``Control+Enter``, which count each."""
        self._note("press", keys, why)
        self.page.keyboard.press(keys)
        self.rest()

    def type(self, text: str, where: str) -> None:
        self._note("type", text, where)
        self.page.keyboard.type(text)
        self.rest()

    def drag(self, start: Spot, end: Spot, what: str, *, held: str = "") -> None:
        """From one place to another, perhaps with a key held, which counts too."""
        if held:
            self._note("press", held, what)
            self.page.keyboard.down(held)
        self._note("drag", "", what)
        mouse, middle = self.page.mouse, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        mouse.move(*start)
        mouse.down()
        for place in (middle, end):
            mouse.move(*place, steps=4)
            self.rest()
        mouse.up()
        if held:
            self.page.keyboard.up(held)
        self.rest()

    def wheel(self, at: Locator | Spot, notches: int, what: str) -> None:
        self._note("wheel", str(notches), what)
        self.page.mouse.move(*self._spot(at))
        for _ in range(notches):
            self.page.mouse.wheel(0, NOTCH)
            self.rest()

    def point(self, at: Locator | Spot) -> None:
        """Only moves the pointer, which is free."""
        self.page.mouse.move(*self._spot(at), steps=3)
        self.rest()

    def _note(self, act: str, given: str, where: str) -> None:
        self.did.append((act, given, where))

    def rest(self) -> None:
        """Until the page has drawn."""
        self.page.evaluate(DRAWN)

    def _spot(self, at: Locator | Spot) -> Spot:
        if isinstance(at, tuple):
            return at
        box = None
        while box is None:  # it may be drawn again between the two
            at.wait_for()
            box = at.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
