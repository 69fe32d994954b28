"""Empty scenes for product photographs, drawn from nothing: a wall, a table, and what falls on them.

A plate is what a photographer has before the product stands there; ``with_product`` puts one on the table.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

SIDE = 256
"""Pixels; plates are reduced afterwards."""
HORIZON = 0.68
"""Where the table begins, as a share of the height."""
FOOT = 0.86
"""Where products stand, as a share of the height."""

KINDS = ("plain", "window", "stripes", "sun", "shelf")
HEIGHT = 0.7
"""Of a product, as a share of the plate's height."""


@dataclass(frozen=True)
class Plate:
    """A scene: what the wall shows, and the colors of wall, its ornament and the table, as sRGB."""

    kind: str
    wall: tuple[int, int, int]
    ornament: tuple[int, int, int]
    table: tuple[int, int, int]

    def picture(self) -> Image.Image:
        """RGB, ``SIDE`` squared."""
        picture = Image.new("RGB", (SIDE, SIDE), self.wall)
        draw = ImageDraw.Draw(picture)
        _ORNAMENTS[self.kind](draw, self.ornament)
        top = round(HORIZON * SIDE)
        draw.rectangle((0, top, SIDE, SIDE), fill=self.table)
        draw.rectangle((0, top, SIDE, top + 6), fill=_darker(self.table))
        return picture


def with_product(plate: Image.Image, product: Image.Image) -> Image.Image:
    """The product, RGBA art without margin, in the middle of a plate's table, with its shadow."""
    ratio = HEIGHT * plate.height / product.height
    art = product.resize((round(product.width * ratio), round(product.height * ratio)), Image.Resampling.LANCZOS)
    foot = round(FOOT * plate.height)
    middle = plate.width // 2
    shaded = _shadow(plate, middle, foot, art.width)
    shaded.paste(art, (middle - art.width // 2, foot - art.height), art)
    return shaded


def _shadow(plate: Image.Image, middle: int, foot: int, width: int) -> Image.Image:
    mask = Image.new("L", plate.size)
    reach = 0.62 * width
    ImageDraw.Draw(mask).ellipse((middle - reach, foot - 14, middle + reach, foot + 12), fill=130)
    dark = plate.point(lambda value: value // 3)
    return Image.composite(dark, plate, mask.filter(ImageFilter.GaussianBlur(5)))


def _darker(color: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = (round(0.8 * part) for part in color)
    return red, green, blue


def _plain(draw: ImageDraw.ImageDraw, color: tuple[int, int, int]) -> None:
    """Nothing on the wall."""


def _window(draw: ImageDraw.ImageDraw, color: tuple[int, int, int]) -> None:
    for left in (20, 66):
        for top in (20, 66):
            draw.rectangle((left, top, left + 38, top + 38), fill=color)


def _stripes(draw: ImageDraw.ImageDraw, color: tuple[int, int, int]) -> None:
    for left in range(0, SIDE, 64):
        draw.rectangle((left, 0, left + 31, SIDE), fill=color)


def _sun(draw: ImageDraw.ImageDraw, color: tuple[int, int, int]) -> None:
    draw.ellipse((150, 18, 234, 102), fill=color)


def _shelf(draw: ImageDraw.ImageDraw, color: tuple[int, int, int]) -> None:
    draw.rectangle((0, 40, SIDE, 56), fill=color)
    for left in (24, 60, 190):
        draw.rectangle((left, 10, left + 26, 40), fill=color)


_ORNAMENTS = {"plain": _plain, "window": _window, "stripes": _stripes, "sun": _sun, "shelf": _shelf}
