"""Plots of the noise levels that a recipe trains on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..diffusion.noise_levels import NoiseLevels
from .axes import FINE, TEXT, TITLE_HEIGHT, WIDTH, Panel, blank, draw_axis, draw_line, draw_tick, finished, text
from .drawing import ACCENT, INK, PALE, QUIET, WARM, text_width

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_HEIGHT = 490
_DENSEST = 8.0
"""Densities above this are cut off, so that the rest can be seen."""
_POINTS = 600

Curve = Sequence[tuple[float, float]]
"""(noise level, density), with rising levels."""


def noise_level_plot(
    trained: NoiseLevels, *, tokens: float, sampled: NoiseLevels | None = None, title: str = ""
) -> Image:
    """Draw how densely noise levels are trained, with a line at each tenth of the steps.

    Args:
        trained: the levels of the recipe.
        tokens: of the pictures, as the shift counts them.
        sampled: those of the base model's own sampling, drawn as a line beside them; ``None`` where they aren't known.
        title: above the plot.

    Returns:
        An RGB picture of 880 by 522 pixels, the size of a loss plot with title and learning rates.
    """
    curve = density(trained, tokens)
    high = min(max(dense for _, dense in curve), _DENSEST) * 1.1
    top, bottom = TITLE_HEIGHT + 78, TITLE_HEIGHT + _HEIGHT - 60
    panel = Panel(76 * FINE, top * FINE, (WIDTH - 84) * FINE, bottom * FINE, 0, 1, 0, high)
    sheet, draw = blank(TITLE_HEIGHT + _HEIGHT, title)
    outline = [panel.point(*point) for point in [(curve[0][0], 0.0), *curve, (curve[-1][0], 0.0)]]
    draw.polygon(outline, fill=PALE)
    _draw_axes(draw, panel)
    _draw_deciles(draw, panel, trained, curve, tokens)
    if sampled:
        inside = [point for point in density(sampled, tokens) if point[1] <= high]
        draw_line(draw, [panel.point(*point) for point in inside], WARM)
    draw_line(draw, outline, ACCENT)
    names = [(f"trained: {trained.in_words(tokens=tokens)}", ACCENT), ("the base model's own sampling", WARM)]
    _draw_legend(draw, names[: 1 + bool(sampled)], TITLE_HEIGHT + 22)
    return finished(sheet)


def density(levels: NoiseLevels, tokens: float) -> Curve:
    """The share of the steps per unit of noise level, along the distribution. Its integral is 1."""
    import torch

    # Of a logistic distribution, so that the tails of others are as fine as their middles.
    shares = torch.linspace(-11, 11, _POINTS + 1, dtype=torch.float64).sigmoid()
    edges = levels.quantiles(shares, tokens=tokens)
    middles, widths = (edges[1:] + edges[:-1]) / 2, edges.diff().clamp(min=1e-9)
    return list(zip(middles.tolist(), (shares.diff() / widths).tolist(), strict=True))


def _draw_axes(draw: ImageDraw, panel: Panel) -> None:
    draw_axis(draw, panel, "density of the training steps")
    for tenth in range(11):
        draw_tick(draw, panel, tenth / 10, f"{tenth / 10:g}")
    text(draw, (panel.right / FINE, panel.bottom / FINE + 32), "noise level: 0 clean, 1 noise", QUIET, anchor="rt")


def _draw_deciles(draw: ImageDraw, panel: Panel, levels: NoiseLevels, curve: Curve, tokens: float) -> None:
    """A line up to the curve at each tenth of the steps; the median's is stronger."""
    for tenth, level in enumerate(levels.quantiles([n / 10 for n in range(1, 10)], tokens=tokens).tolist(), 1):
        _, dense = min(curve, key=lambda point: abs(point[0] - level))
        color, width = (INK, 2) if tenth == 5 else (ACCENT, 1)
        draw.line((*panel.point(level, panel.low), *panel.point(level, dense)), fill=color, width=width * FINE)


def _draw_legend(draw: ImageDraw, entries: Sequence[tuple[str, str]], top: float) -> None:
    left = 76
    for name, color in entries:
        text(draw, (left, top), name, color)
        left += text_width(name, TEXT) + 40
