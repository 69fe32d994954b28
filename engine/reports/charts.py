"""Curves as SVG, which take the width and the colors of the page around them.

Lines are drawn in a plane of 1000 x 1000 that is stretched to the chart. Texts keep their size, and stand above the
lines of the vertical axis, so that they fit at any width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..figures.axes import nice_ticks
from .markup import Markup, element, joined
from .page import Curve

HEIGHT = 240
"""Of a chart, in CSS pixels."""
_TOP, _BOTTOM, _LEFT = 9.0, 12.0, 13.0
"""Margins in percent of the height and of the width."""
_PLANE = 1000
MOST_POINTS = 400
"""Points of a line; of longer ones, means of neighbors are drawn."""


class Line(NamedTuple):
    """A curve and how it is drawn."""

    points: Curve
    style: str
    """Class in the page's style sheet."""
    dots: bool = False
    """Whether the points are drawn too, as there are few."""


@dataclass(frozen=True)
class _Plane:
    """The ranges of both axes."""

    first: float
    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        """Position in percent of the width."""
        return _LEFT + (step - self.first) / ((self.last - self.first) or 1) * (100 - _LEFT - 1)

    def y(self, value: float) -> float:
        """Position in percent of the height, within the chart."""
        up = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return 100 - _BOTTOM - up * (100 - _TOP - _BOTTOM)


def chart(name: str, told: str, lines: Sequence[Line], *, from_zero: bool = False, marked: int | None = None) -> Markup:
    """A chart with the steps from left to right.

    Args:
        name: of the chart, unique on the page.
        told: what it shows, for people who don't see it.
        lines: the first decides on the range of the vertical axis, apart from a hundredth of its values that are the
            farthest out.
        from_zero: whether the vertical axis begins at 0.
        marked: a step that gets a vertical line.

    Returns:
        An ``svg`` element; empty if no value is finite.
    """
    lines = [line._replace(points=thinned(finite(line.points))) for line in lines]
    if not lines or not lines[0].points:
        return Markup()
    plane = _plane(lines, from_zero)
    mark = _vertical(plane.x(marked)) if marked is not None and plane.first <= marked <= plane.last else Markup()
    title, description = f"{_slug(name)}-title", f"{_slug(name)}-desc"
    return element(
        "svg",
        element("title", name, id=title),
        element("desc", told, id=description),
        _vertical_axis(plane),
        _steps(plane),
        mark,
        element(
            "svg", *(_path(plane, line) for line in lines), viewBox=f"0 0 {_PLANE} {_PLANE}",
            preserveAspectRatio="none", width="100%", height="100%",
        ),
        role="img", class_="chart", width="100%", height=HEIGHT,
        aria_labelledby=f"{title} {description}",
    )  # fmt: skip


def finite(points: Curve) -> Curve:
    """The points whose value is a finite number."""
    return [(step, value) for step, value in points if math.isfinite(value)]


def thinned(points: Curve) -> Curve:
    """At most ``MOST_POINTS`` points, each the mean of neighbors, at the last of their steps."""
    stretch = -(-len(points) // MOST_POINTS)
    if stretch <= 1:
        return points
    parts = (points[start : start + stretch] for start in range(0, len(points), stretch))
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]


def _plane(lines: Sequence[Line], from_zero: bool) -> _Plane:
    steps = [step for line in lines for step, _ in line.points]
    values = sorted(value for _, value in lines[0].points)
    far_out = len(values) // 100
    low, high = values[far_out], values[-1 - far_out]
    others = [value for line in lines[1:] for _, value in line.points]
    low, high = min([low, *others]), max([high, *others])
    low = min(0.0, low) if from_zero else low
    room = 0.06 * ((high - low) or abs(high) or 1.0)
    return _Plane(min(steps), max(steps), low if from_zero and low == 0 else low - room, high + room)


def _vertical_axis(plane: _Plane) -> Markup:
    return joined(*(_value_line(plane.y(value), f"{value:.6g}") for value in nice_ticks(plane.low, plane.high, 4)))


def _value_line(y: float, label: str) -> Markup:
    return joined(
        element("line", x1="0", x2="100%", y1=f"{y:.2f}%", y2=f"{y:.2f}%", class_="grid"),
        element("text", label, x="0", y=f"{y:.2f}%", dy="-4", class_="tick"),
    )


def _steps(plane: _Plane) -> Markup:
    """Round numbers of steps below the chart, and the last one."""
    wide = (plane.last - plane.first) or 1
    rounds = [] if plane.last == plane.first else nice_ticks(plane.first, plane.last, 4)
    apart = [tick for tick in rounds if tick >= 1 and plane.last - tick > 0.12 * wide]
    return joined(*(_step(plane.x(tick), f"{tick:g}", "middle") for tick in apart), _step(99, f"{plane.last:g}", "end"))


def _step(x: float, label: str, anchor: str) -> Markup:
    return element("text", label, x=f"{x:.2f}%", y="99%", text_anchor=anchor, class_="tick")


def _vertical(x: float) -> Markup:
    return element("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=f"{_TOP}%", y2=f"{100 - _BOTTOM}%", class_="mark")


def _path(plane: _Plane, line: Line) -> Markup:
    scale = _PLANE / 100
    corners = [f"{plane.x(step) * scale:.0f} {plane.y(value) * scale:.0f}" for step, value in line.points]
    alone = "h0" if len(corners) == 1 else ""  # lines without a length are seen by their round ends
    dots = "".join(f"M{corner}h0" for corner in corners) if line.dots else ""
    return joined(
        element("path", d=f"M{'L'.join(corners)}{alone}", class_=f"line {line.style}"),
        element("path", d=dots, class_="line dots") if dots else None,
    )


def legend(styles: Mapping[str, str]) -> Markup:
    """Names of lines with samples of them; name -> class in the style sheet."""
    return element("ul", *(_entry(name, style) for name, style in styles.items()), class_="legend")


def _entry(name: str, style: str) -> Markup:
    return element("li", element("i", class_=f"key {style}", aria_hidden="true"), name)


def _slug(name: str) -> str:
    return "chart-" + "".join(letter if letter.isalnum() else "-" for letter in name.lower())
