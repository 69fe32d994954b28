"""Products of a party shop that doesn't exist, drawn from nothing: a balloon, a present and a crown; and a bottle.

They share magenta, white and a mark, a sun above a wave. Shapes are few and large, so that a picture of 64 pixels shows
them. The shop's three have names that the demo base knows: words that it doesn't know all say nearly the same to it.
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


def balloon(turn: float = 0.0) -> Image.Image:
    """A balloon on a string."""
    canvas, draw = _canvas()
    draw.line([(256, 380), (256 - 20 * turn, 440), (256 + 20 * turn, 500)], fill=SHADE, width=16, joint="curve")
    draw.polygon([(256, 340), (216, 404), (296, 404)], fill=SHADE)
    draw.ellipse((96, 12, 416, 372), fill=MAGENTA)
    draw.ellipse((144, 60, 204, 136), fill=LIGHT)
    _mark(draw, (256 + 40 * turn, 226), 88, WHITE)
    return _cut(canvas)


def present(turn: float = 0.0) -> Image.Image:
    """A box with a white ribbon, and the mark beside it; turned, it shows a side."""
    canvas, draw = _canvas()
    for sign in (-1, 1):
        draw.ellipse((256 + sign * 66 - 62, 36, 256 + sign * 66 + 62, 136), outline=SHADE, width=34)
    draw.rectangle((72, 190, 440, 480), fill=MAGENTA)
    if turn:
        draw.rectangle((72, 190, 72 + 110 * turn, 480) if turn > 0 else (440 + 110 * turn, 190, 440, 480), fill=SHADE)
    middle = 256 + 50 * turn
    draw.rectangle((middle - 34, 120, middle + 34, 480), fill=WHITE)
    draw.rectangle((48, 120, 464, 200), fill=LIGHT)
    draw.rectangle((middle - 34, 120, middle + 34, 200), fill=WHITE)
    return _cut(canvas)


def crown(turn: float = 0.0) -> Image.Image:
    """A crown of paper with a white band."""
    canvas, draw = _canvas()
    points = [(60, 150), (160, 270), (256, 90), (352, 270), (452, 150), (420, 430), (92, 430)]
    draw.polygon(points, fill=MAGENTA)
    for x, y in points[:5:2]:
        draw.ellipse((x - 34, y - 40, x + 34, y + 28), fill=LIGHT)
    draw.rectangle((84, 330, 428, 430), fill=WHITE)
    _mark(draw, (256 + 60 * turn, 388), 44, MAGENTA)
    return _cut(canvas)


PRODUCTS: dict[str, Callable[[float], Image.Image]] = {"balloon": balloon, "present": present, "crown": crown}
"""Drawings of the shop's products by the names that captions use."""


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
