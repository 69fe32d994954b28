"""Three products of a company that doesn't exist, drawn from nothing: a bottle, a mug and a bag.

They share magenta, white and a mark, a sun above a wave. Shapes are few and large, so that a picture of 64 pixels shows
them.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw

MAGENTA = (206, 30, 112)
SHADE = (140, 16, 76)
LIGHT = (240, 110, 170)
WHITE = (252, 252, 248)

SIDE = 512
"""Side of the canvas that the products are drawn on, in pixels; large, so that edges are smooth once it is reduced."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def bottle(turn: float = 0.0) -> Image.Image:
    """A drinking bottle as RGBA without margin. ``turn``: from -1 to 1, how far it is turned to the left or right."""
    canvas, draw = _canvas()
    draw.rounded_rectangle((206, 20, 306, 90), 16, fill=SHADE)
    draw.rectangle((222, 84, 290, 130), fill=MAGENTA)
    draw.rounded_rectangle((150, 116, 362, 496), 60, fill=MAGENTA)
    draw.rounded_rectangle((172, 150, 196, 462), 12, fill=LIGHT)
    _label(draw, (150, 230, 362, 410), turn)
    return _cut(canvas)


def mug(turn: float = 0.0) -> Image.Image:
    """A mug with its handle on the right, or on the left where ``turn`` is negative."""
    canvas, draw = _canvas()
    left = turn < 0
    draw.ellipse((16, 176, 200, 392) if left else (312, 176, 496, 392), outline=SHADE, width=44)
    draw.rounded_rectangle((96, 104, 416, 456), 48, fill=MAGENTA)
    draw.ellipse((96, 76, 416, 148), fill=SHADE)
    draw.rounded_rectangle((120, 176, 146, 420), 13, fill=LIGHT)
    _label(draw, (96, 208, 416, 380), turn)
    return _cut(canvas)


def bag(turn: float = 0.0) -> Image.Image:
    """A carrier bag; turned, it shows a side."""
    canvas, draw = _canvas()
    draw.arc((166, 20, 346, 220), 180, 360, fill=SHADE, width=26)
    shift = 60 * turn
    draw.polygon([(96, 140), (416, 140), (440, 490), (72, 490)], fill=MAGENTA)
    edge = 416 if turn < 0 else 96
    if turn:
        side = [(edge, 140), (edge + 1.1 * shift, 140), (edge + 0.9 * shift, 490), (440 if turn < 0 else 72, 490)]
        draw.polygon(side, fill=SHADE)
    _mark(draw, (256 + shift / 2, 326), 84, WHITE)
    return _cut(canvas)


PRODUCTS: dict[str, Callable[[float], Image.Image]] = {"bottle": bottle, "mug": mug, "bag": bag}
"""Drawings by the names that captions use."""


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("RGBA", (SIDE, SIDE))
    return canvas, ImageDraw.Draw(canvas)


def _label(draw: ImageDraw.ImageDraw, box: Box, turn: float) -> None:
    """A white band with the mark, which moves to the side as the product is turned."""
    left, top, right, bottom = box
    draw.rectangle(box, fill=WHITE)
    _mark(draw, ((left + right) / 2 + turn * (right - left) / 6, (top + bottom) / 2), 58, MAGENTA)


def _mark(draw: ImageDraw.ImageDraw, middle: tuple[float, float], radius: float, color: tuple[int, int, int]) -> None:
    x, y = middle
    draw.pieslice((x - radius, y - radius, x + radius, y + radius), 180, 360, fill=color)
    draw.rounded_rectangle((x - 1.2 * radius, y + 0.2 * radius, x + 1.2 * radius, y + 0.6 * radius), 8, fill=color)


def _cut(canvas: Image.Image) -> Image.Image:
    return canvas.crop(canvas.getchannel("A").getbbox())
