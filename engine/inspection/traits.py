"""What the pictures of a data set may have in common: background, light, framing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .views import THUMB

_BORDER = 6
"""Width of the border that counts as background, in pixels of the thumbnail."""
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Traits of one picture; colors are CIELAB (D65)."""

    background: np.ndarray
    """Mean color and spread of twelve sections of the border, (12, 4), float32."""
    lightness: float
    """Mean L, 0 to 100."""
    contrast: float
    """Standard deviation of L."""
    warmth: float
    """Mean b: above 0 is yellow, below 0 blue."""
    chroma: float
    """Mean distance from gray."""
    framing: tuple[float, float, float]
    """Position of everything unlike the border: center across and down, and spread, each as a share of the side."""


def traits(thumb: np.ndarray) -> Traits:
    """Measure a picture.

    Args:
        thumb: RGB (THUMB, THUMB, 3), uint8.
    """
    colors = lab(thumb)
    light, chroma = colors[..., 0], np.hypot(colors[..., 1], colors[..., 2])
    return Traits(
        background=_background(colors),
        lightness=float(light.mean()),
        contrast=float(light.std()),
        warmth=float(colors[..., 2].mean()),
        chroma=float(chroma.mean()),
        framing=_framing(colors),
    )


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (..., 3), 0 to 255, as CIELAB under D65, float32."""
    values = rgb.astype(np.float32) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)
    roots = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _background(colors: np.ndarray) -> np.ndarray:
    third = -(-THUMB // 3)
    sides = [
        colors[:_BORDER],
        colors[-_BORDER:],
        colors[:, :_BORDER].swapaxes(0, 1),
        colors[:, -_BORDER:].swapaxes(0, 1),
    ]
    parts = [side[:, start : start + third] for side in sides for start in range(0, THUMB, third)]
    return np.stack([np.append(part.mean(axis=(0, 1)), part[..., 0].std()) for part in parts]).astype(np.float32)


def _framing(colors: np.ndarray) -> tuple[float, float, float]:
    """Center and spread of the pixels unlike the border, ignoring faint differences."""
    border = np.concatenate([colors[:_BORDER].reshape(-1, 3), colors[-_BORDER:].reshape(-1, 3)])
    border = np.concatenate([border, colors[:, :_BORDER].reshape(-1, 3), colors[:, -_BORDER:].reshape(-1, 3)])
    spread = max(float(np.linalg.norm(border - np.median(border, axis=0), axis=1).mean()), 4.0)
    far = np.linalg.norm(colors - np.median(border, axis=0), axis=2) / spread
    weight = np.clip(far - 1.5, 0, 6) + 1e-6
    weight /= weight.sum()
    places = (np.arange(THUMB) + 0.5) / THUMB
    across, down = float((weight.sum(axis=0) * places).sum()), float((weight.sum(axis=1) * places).sum())
    variance = (weight.sum(axis=0) * (places - across) ** 2).sum() + (weight.sum(axis=1) * (places - down) ** 2).sum()
    return across, down, float(np.sqrt(variance))
