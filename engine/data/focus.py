"""Where the subject of a picture is, by its mask or by its difference from the picture's border."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

SMALL = 96
"""Saliency is computed on a copy whose longer side has this many pixels."""
_BORDER = 0.06
"""Share of each side that counts as border."""
_ORDINARY = 2.0
"""Distance within which most of the border's own colors lie."""
_AS_GOOD = 0.97
"""Crops that keep at least this share of the best crop's importance count as equal; the most central one is taken."""


def importance(picture: Image.Image, mask: Image.Image | None) -> NDArray[np.float32]:
    """How much each part matters, (h, w), 0 or more: the mask's brightness unless it is all black, else saliency."""
    import numpy as np
    from PIL import Image, ImageFilter

    if mask is not None and mask.getbbox():
        small = mask.copy()
        small.thumbnail((SMALL, SMALL), Image.Resampling.BOX)
        return np.divide(np.asarray(small), 255, dtype=np.float32)
    small = picture.copy()
    small.thumbnail((SMALL, SMALL), Image.Resampling.BOX)
    return saliency(np.asarray(small.filter(ImageFilter.GaussianBlur(1))))


def saliency(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much each pixel (h, w, 3), 0 to 255, stands out from the border's colors, 0 to 1.

    The border is mostly background (Wei et al., ECCV 2012). A normal distribution is fitted to its colors, without the
    third that fits worst, since subjects often touch a border. Saliency is the Mahalanobis distance from it, with some
    extra weight on the center.
    """
    import numpy as np

    colors = pixels.astype(np.float64)
    height, width = colors.shape[:2]
    at_border = np.ones((height, width), bool)
    down, across = max(1, round(height * _BORDER)), max(1, round(width * _BORDER))
    at_border[down : height - down, across : width - across] = False
    border = colors[at_border]
    for _ in range(3):
        far = _distance(border, border)
        border = border[far <= np.quantile(far, 0.67)]
    distance = np.clip(_distance(colors.reshape(-1, 3), border).reshape(height, width) - _ORDINARY, 0, None)
    standing_out = distance / (distance + 3.0)
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    return np.asarray(standing_out * np.exp(-(x**2 + y**2) / 2), np.float32)


def _distance(colors: NDArray[np.float64], like: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mahalanobis distance of each color (n, 3) from a sample of colors; noise of a few gray levels is ignored."""
    import numpy as np

    spread = (np.cov(like.T) if len(like) > 1 else 0) + 36 * np.eye(3)
    difference = colors - like.mean(axis=0)
    return np.sqrt(np.einsum("ni,ij,nj->n", difference, np.linalg.inv(spread), difference))


def best_centering(matters: NDArray[np.float32], kept: tuple[float, float]) -> tuple[float, float]:
    """Where a crop keeps most of what matters: the (across, down) that ``fitted`` takes, 0 to 1.

    Square roots are summed, since whether a column shows the subject is more important than how much of it. Upper rows
    weigh more: losing a head is worse than losing feet.

    Args:
        matters: importance, (h, w).
        kept: shares of the width and the height that the crop keeps.
    """
    columns, rows = matters.sum(axis=0) ** 0.5, matters.sum(axis=1) ** 0.5
    above = rows.cumsum() / max(float(rows.sum()), 1e-9)
    return _best(columns, kept[0]), _best(rows * (1 - 0.8 * above), kept[1])


def _best(profile: NDArray[np.float32], kept: float) -> float:
    """The most central of the best places along one axis; the middle if nothing matters."""
    import numpy as np

    length, total = len(profile), float(profile.sum())
    free = length * (1 - kept)
    if free < 1e-6 or total <= 0:
        return 0.5
    edges = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    offsets = np.linspace(0, free, 101)
    grid = np.arange(length + 1)
    inside = np.interp(offsets + length * kept, grid, edges) - np.interp(offsets, grid, edges)
    center_of_mass = float((profile * (np.arange(length) + 0.5)).sum()) / total
    good = offsets[inside >= _AS_GOOD * inside.max()]
    return float(good[np.argmin(np.abs(good + length * kept / 2 - center_of_mass))]) / free
