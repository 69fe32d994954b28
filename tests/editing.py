"""Edit models and pairs, made on the spot."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

MAKE = Path(__file__).parents[1] / "assets" / "make"
sys.path.append(str(MAKE))

import features  # noqa: E402
from edit_base import save_edit_base  # noqa: E402

__all__ = ["features", "line_drawing", "save_edit_base"]


def line_drawing(picture: Image.Image) -> Image.Image:
    """The edges of a picture, black on white."""
    edges = np.asarray(picture.convert("RGB").filter(ImageFilter.FIND_EDGES)).max(axis=-1).copy()
    edges[[0, -1], :] = edges[:, [0, -1]] = 0
    return ImageOps.autocontrast(ImageOps.invert(Image.fromarray(edges))).convert("RGB")
