"""The space in which all measures of the demo base and the demo adapters are taken. Nothing in it is learned.

A picture of 64 x 64 pixels becomes two vectors, each of length 1, that are joined with equal weights:

- *color*: CIELAB (D65), low-passed by a Gaussian of 2 pixels and sampled on a 32 x 32 grid, in units of 50 and centered
  on medium gray, so that opposite colors point in opposite directions;
- *shape*: gradient histograms in the manner of HOG (Dalal & Triggs 2005, doi:10.1109/CVPR.2005.177): of the CIELAB
  channels' gradient with the greatest magnitude, in 8 unsigned orientations, pooled by Gaussians of 3 pixels on a
  16 x 16 grid; square roots of the pooled magnitudes, so that one hard edge doesn't hide all others.

The Gaussians let a picture move by a few pixels without leaving its neighborhood. Distances are cosine distances:
0 for the same picture, 2 for the opposite one. Run as a script, this file measures how well the space tells the
pictures of the narrow world apart after they were slightly moved and scaled.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import world
from PIL import Image

SIDE = 64
COLOR_GRID, COLOR_BLUR = 32, 2.0
SHAPE_GRID, SHAPE_BLUR = 16, 3.0
ORIENTATIONS = 8
COLOR_WEIGHT = 0.5
"""Share of the color part in the cosine; the shape part has the rest."""

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 255], shape (..., 3) -> CIELAB under D65, float64: L in [0, 100], a and b about [-128, 128]."""
    values = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    roots = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def describe(images: Iterable[Image.Image]) -> np.ndarray:
    """The feature vectors of pictures.

    Args:
        images: any size; they are shown at 64 x 64 pixels, transparency on white.

    Returns:
        Array (N, D), float32, each row of length 1.
    """
    return np.stack([_describe_one(_pixels(image)) for image in images]).astype(np.float32)


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine distances, 0 to 2, of every row of ``a`` (N, D) from every row of ``b`` (M, D): array (N, M)."""
    return np.clip(1 - a @ b.T, 0, 2)


def paired_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine distances of the rows of ``a`` (N, D) from the rows of ``b`` (N, D) at the same place: array (N,)."""
    return np.clip(1 - (a * b).sum(axis=1), 0, 2)


def border_color(image: Image.Image, width: int = 4) -> np.ndarray:
    """Mean CIELAB color of the outermost ``width`` pixels, shape (3,)."""
    colors = lab(_pixels(image))
    frame = np.ones(colors.shape[:2], dtype=bool)
    frame[width:-width, width:-width] = False
    return colors[frame].mean(axis=0)


def _pixels(image: Image.Image) -> np.ndarray:
    """sRGB array (SIDE, SIDE, 3)."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _describe_one(pixels: np.ndarray) -> np.ndarray:
    scaled = (lab(pixels) - (50, 0, 0)) / 50
    color = _unit(_pooled(scaled, COLOR_GRID, COLOR_BLUR))
    shape = _unit(np.sqrt(_pooled(_oriented_gradients(scaled), SHAPE_GRID, SHAPE_BLUR)))
    return np.concatenate([np.sqrt(COLOR_WEIGHT) * color, np.sqrt(1 - COLOR_WEIGHT) * shape])


def _oriented_gradients(picture: np.ndarray) -> np.ndarray:
    """Gradient magnitudes (H, W, ORIENTATIONS) of (H, W, 3), each shared between the two nearest orientations."""
    smooth = _pooled(picture, SIDE, 0.7)
    dy, dx = np.gradient(smooth, axis=(0, 1))
    strongest = np.hypot(dx, dy).argmax(axis=-1)[..., None]
    dx, dy = (np.take_along_axis(d, strongest, axis=-1) for d in (dx, dy))
    position = np.arctan2(dy, dx) % np.pi / np.pi * ORIENTATIONS
    away = np.abs(position - np.arange(ORIENTATIONS))
    away = np.minimum(away, ORIENTATIONS - away)
    return np.hypot(dx, dy) * np.clip(1 - away, 0, None)


def _pooled(values: np.ndarray, grid: int, blur: float) -> np.ndarray:
    """(SIDE, SIDE, C) -> (grid, grid, C): Gaussian means around evenly spaced points."""
    weights = _gaussians(grid, blur)
    return np.einsum("iy,yxc,jx->ijc", weights, values, weights, optimize=True)


@cache
def _gaussians(grid: int, blur: float) -> np.ndarray:
    """Matrix (grid, SIDE) whose rows are Gaussian windows with sum 1."""
    centres = (np.arange(grid) + 0.5) * SIDE / grid - 0.5
    weights = np.exp(-0.5 * ((np.arange(SIDE) - centres[:, None]) / blur) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)


def _unit(values: np.ndarray) -> np.ndarray:
    flat = values.ravel()
    return flat / max(np.linalg.norm(flat), 1e-9)


def retrieval(pictures: Sequence[world.Picture], background: str, rng: random.Random) -> list[bool]:
    """For each picture, slightly moved and scaled: whether its nearest neighbor among all is itself."""
    color = world.BACKGROUNDS[background]
    cutouts = [picture.cutout() for picture in pictures]
    moved = [
        world.compose(
            cutout,
            color,
            scale=rng.uniform(0.80, 0.90),
            shift=(rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)),
        )
        for cutout in cutouts
    ]
    known = describe(world.compose(cutout, color, scale=0.85) for cutout in cutouts)
    nearest = distance(describe(moved), known).argmin(axis=1)
    return [int(found) == wanted for wanted, found in enumerate(nearest)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="the folder node_modules")
    args = parser.parse_args()
    pictures, rng, hits = world.trained_pictures(args.packages), random.Random(0), []
    for background in world.BACKGROUNDS:
        hits += retrieval(pictures, background, rng)
        print(f"{background:<12} {np.mean(hits[-len(pictures) :]):7.2%}", flush=True)
    print(f"{'all':<12} {np.mean(hits):7.2%} of {len(hits)} find their subject and style")


if __name__ == "__main__":
    main()
