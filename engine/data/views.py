"""From a picture to the pixels that a step sees: cropped, scaled, perhaps mirrored and recolored."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..core.fields import positive, raise_all
from ..core.hashing import value_hash

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture after EXIF rotation; may lie between pixels."""
Size = tuple[int, int]
"""Width and height in pixels."""
Color = tuple[float, float, float]
"""Factors of brightness, contrast and saturation."""

UNCHANGED: Color = (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Crop:
    """The box of a picture to train on, and the size it is scaled to."""

    box: Box
    size: Size


def fitted(picture: Size, size: Size, centering: tuple[float, float] = (0.5, 0.5)) -> Crop:
    """The largest crop of a picture with the aspect ratio of ``size``.

    Args:
        picture: size of the picture.
        size: size of the crop after scaling.
        centering: position of a crop that is narrower or lower than the picture: 0 left or top, 1 right or bottom.
    """
    (width, height), aspect = picture, size[0] / size[1]
    if width / height == aspect:
        return Crop(box=(0.0, 0.0, float(width), float(height)), size=size)
    box_width, box_height = (aspect * height, height) if width / height > aspect else (width, width / aspect)
    left, top = (width - box_width) * centering[0], (height - box_height) * centering[1]
    return Crop(box=(left, top, min(left + box_width, width), min(top + box_height, height)), size=size)


@dataclass(frozen=True, kw_only=True)
class View:
    """A crop as one step sees it. Equal views of equal pictures have equal pixels."""

    crop: Crop
    flip: bool = False
    color: Color = UNCHANGED

    def of(self, picture: Image.Image) -> Image.Image:
        """Apply the view to an RGB picture."""
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
        """Apply the view to a picture's mask, averaged down to another size.

        Args:
            mask: 8-bit gray, with the picture's aspect ratio.
            picture: size of the picture, to which the box refers.
            size: size of the result.
        """
        from PIL import Image, ImageOps

        across, down = mask.width / picture[0], mask.height / picture[1]
        left, top, right, bottom = self.crop.box
        box = (left * across, top * down, min(right * across, mask.width), min(bottom * down, mask.height))
        seen = mask.resize(size, Image.Resampling.BOX, box=box)
        return ImageOps.mirror(seen) if self.flip else seen


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Small random changes of pictures during training; see ``variants``."""

    flip: bool = False
    """Mirror every second variant."""
    crop: float = 0.0
    """Largest share of the sides to crop away, 0 to 0.5."""
    color: float = 0.0
    """Largest change of brightness, contrast and saturation, as a share, 0 to 0.5."""
    count: int = 4
    """Number of variants of each picture, the original included; mirroring alone gives two."""

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
        """The views of a crop: first the original, then the changed ones.

        They depend only on the picture's content and the settings, so that they can be cached by content.
        """
        return tuple(self._variant(number, crop, content_hash) for number in range(self.variety))

    @property
    def variety(self) -> int:
        """Number of different variants, the original included."""
        return self.count if self.crop > 0 or self.color > 0 else 1 + self.flip

    def _variant(self, number: int, crop: Crop, content_hash: str) -> View:
        flip = self.flip and number % 2 == 1
        if number == 0 or not (self.crop or self.color):
            return View(crop=crop, flip=flip)
        rng = random.Random(value_hash("variant", content_hash, number))
        share, across, down = rng.uniform(1 - self.crop, 1), rng.random(), rng.random()
        factors = [round(rng.uniform(1 - self.color, 1 + self.color), 4) for _ in range(3)]
        left, top, right, bottom = crop.box
        width, height = (right - left) * share, (bottom - top) * share
        left += (right - left - width) * across
        top += (bottom - top - height) * down
        box = (left, top, min(left + width, right), min(top + height, bottom))
        return View(crop=replace(crop, box=box), flip=flip, color=(factors[0], factors[1], factors[2]))
