"""How a picture becomes what a step sees: a box of it, scaled to a size, perhaps mirrored, cut closer or recolored."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..core.fields import positive, raise_all
from ..core.hashing import value_hash

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture after its EXIF rotation; may lie between pixels."""
Size = tuple[int, int]
"""Width and height in pixels."""
Color = tuple[float, float, float]
"""Factors of brightness, contrast and saturation."""

UNCHANGED: Color = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Crop:
    """What of a picture a training sees, and at what size."""

    box: Box
    size: Size
    """That the box is scaled to."""


def fitted(picture: Size, size: Size, centering: tuple[float, float] = (0.5, 0.5)) -> Crop:
    """The largest frame of a size's shape inside a picture.

    Args:
        picture: the picture's size.
        size: the frame's.
        centering: where it lies if it is narrower or lower than the picture: 0 left or top, 1 right or bottom.
    """
    (width, height), shape = picture, size[0] / size[1]
    if width / height == shape:
        return Crop(box=(0.0, 0.0, float(width), float(height)), size=size)
    box_width, box_height = (shape * height, height) if width / height > shape else (width, width / shape)
    left, top = (width - box_width) * centering[0], (height - box_height) * centering[1]
    return Crop(box=(left, top, min(left + box_width, width), min(top + box_height, height)), size=size)


@dataclass(frozen=True, kw_only=True)
class View:
    """A frame as one step sees it. Two views that are equal give equal pixels of equal pictures."""

    crop: Crop
    flip: bool = False
    color: Color = UNCHANGED

    def of(self, picture: Image.Image) -> Image.Image:
        """What it shows of an RGB picture."""
        from PIL import Image, ImageEnhance, ImageOps

        seen = picture.resize(self.crop.size, Image.Resampling.LANCZOS, box=self.crop.box)
        if self.flip:
            seen = ImageOps.mirror(seen)
        for factor, enhance in zip(
            self.color, (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), strict=True
        ):
            seen = enhance(seen).enhance(factor) if factor != 1 else seen
        return seen

    def of_mask(self, mask: Image.Image, picture: Size, size: Size) -> Image.Image:
        """What it shows of a picture's mask, averaged down to another size.

        Args:
            mask: 8-bit gray, in proportion to the picture.
            picture: the picture's own size, which the box is measured in.
            size: of the result.
        """
        from PIL import Image, ImageOps

        across, down = mask.width / picture[0], mask.height / picture[1]
        left, top, right, bottom = self.crop.box
        box = (left * across, top * down, min(right * across, mask.width), min(bottom * down, mask.height))
        seen = mask.resize(size, Image.Resampling.BOX, box=box)
        return ImageOps.mirror(seen) if self.flip else seen


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Small changes that a training may make to a picture; see ``variants``."""

    flip: bool = False
    """Every second variant is mirrored."""
    crop: float = 0.0
    """At most this share of the sides is cut away."""
    color: float = 0.0
    """Brightness, contrast and saturation change by at most this share."""
    count: int = 4
    """Variants of each picture, itself included; mirroring alone makes two."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "count")
        positive(problems, self, "crop", "color", zero=True)
        problems += [
            f"{name}: got {value:g}, expected at most 0.5"
            for name, value in (("crop", self.crop), ("color", self.color))
            if value > 0.5
        ]
        raise_all(problems, "augmentation")

    def variants(self, crop: Crop, content_hash: str) -> tuple[View, ...]:
        """The views of a frame: first as it is, then changed.

        They follow from the picture's content and the settings alone, so that caches of them can be kept by content.
        """
        changes = self.crop > 0 or self.color > 0
        count = self.count if changes else 1 + self.flip
        return tuple(self._variant(number, crop, content_hash) for number in range(count))

    def _variant(self, number: int, crop: Crop, content_hash: str) -> View:
        flip = self.flip and number % 2 == 1
        if number == 0 or not (self.crop or self.color):
            return View(crop=crop, flip=flip)
        chance = random.Random(value_hash("variant", content_hash, number))
        share, across, down = chance.uniform(1 - self.crop, 1), chance.random(), chance.random()
        factors = [round(chance.uniform(1 - self.color, 1 + self.color), 4) for _ in range(3)]
        cut = replace(crop, box=_smaller(crop.box, share, across, down))
        return View(crop=cut, flip=flip, color=(factors[0], factors[1], factors[2]))


def _smaller(box: Box, share: float, across: float, down: float) -> Box:
    """A box of the same shape inside a box, ``share`` as wide; ``across`` and ``down`` place it, 0 to 1."""
    left, top, right, bottom = box
    width, height = (right - left) * share, (bottom - top) * share
    left += (right - left - width) * across
    top += (bottom - top - height) * down
    return (left, top, min(left + width, right), min(top + height, bottom))
