"""The plot of what snapshots were measured to have learned, with the one to use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .axes import FINE, TEXT, TITLE_HEIGHT, WIDTH, Panel, blank, draw_axis, draw_line, draw_tick, finished, text
from .drawing import QUIET, SERIES, WARM, text_width

if TYPE_CHECKING:
    from PIL.Image import Image

_HEIGHT = 490
_HIGHEST = 2.0
"""Values above this are drawn at the upper edge."""
_SHADE = "#edf2fc"
_TICKS = 10
"""Steps that are labeled, at most."""


def verdict_plot(
    steps: Sequence[int],
    lines: Mapping[str, Sequence[float]],
    *,
    best: int,
    over_fit_since: int | None = None,
    title: str = "",
    axis: str = "loss over the base model's, and drift",
    shade: str = "over-fits",
) -> Image:
    """Draw measures of snapshots over their steps, with a line at the one to use and a shade where the run over-fits.

    Args:
        steps: of the snapshots, rising; without any, the picture says that nothing was measured.
        lines: what was measured -> its value at each step; losses over the base model's, which is 1 then.
        best: the step to use.
        over_fit_since: the first step of the shade, which goes to the end; ``None`` for no shade.
        title: above the plot.
        axis: what the values are.
        shade: what the shade says.

    Returns:
        An RGB picture of 880 by 522 pixels, the size of a loss plot with title and learning rates.
    """
    if not steps:
        sheet, draw = blank(TITLE_HEIGHT + _HEIGHT, title)
        text(draw, (WIDTH / 2, _HEIGHT / 2), "Nothing was measured.", QUIET, anchor="mm")
        return finished(sheet)
    top, bottom = TITLE_HEIGHT + 44, TITLE_HEIGHT + _HEIGHT - 60
    highest = max((value for line in lines.values() for value in line if math.isfinite(value)), default=1.0)
    panel = Panel(
        76 * FINE, top * FINE, (WIDTH - 84) * FINE, bottom * FINE, steps[0], steps[-1], 0.0,
        min(_HIGHEST, max(1.05, 1.1 * highest)),
    )  # fmt: skip
    sheet, draw = blank(TITLE_HEIGHT + _HEIGHT, title)
    if over_fit_since is not None:
        across, _ = panel.point(over_fit_since, 0)
        draw.rectangle((across, panel.top, panel.right, panel.bottom), fill=_SHADE)
        text(draw, (panel.right / FINE - 8, panel.top / FINE + 4), shade, QUIET, anchor="ra")
    draw_axis(draw, panel, axis)
    for step in steps[:: math.ceil(len(steps) / _TICKS)]:
        draw_tick(draw, panel, step, f"{step}")
    text(draw, (panel.right / FINE, panel.bottom / FINE + 32), "steps", QUIET, anchor="rt")
    x = panel.right / FINE
    for (name, line), color in reversed([*zip(lines.items(), SERIES, strict=False)]):
        text(draw, (x, panel.top / FINE - 8), name, color, anchor="rb")
        x -= text_width(name, TEXT) + 16
        draw_line(draw, [panel.point(at, y) for at, y in zip(steps, line, strict=True) if math.isfinite(y)], color)
    at, _ = panel.point(best, 0)
    draw_line(draw, [(at, panel.top), (at, panel.bottom)], WARM)
    on_the_left = best > (steps[0] + steps[-1]) / 2
    text(
        draw, (at / FINE + (-8 if on_the_left else 8), panel.top / FINE + 4), f"best: step {best}", WARM,
        anchor="ra" if on_the_left else "la",
    )  # fmt: skip
    return finished(sheet)
