"""The part of the page that shows what snapshots drew of the same prompts, side by side."""

from __future__ import annotations

from ..evaluation.sample_course import SampleCourse
from ..runs.store import RunStore
from .markup import Markup, element, picture
from .page import Grid, Row, RunPage

_SIDE = 208
"""Pixels of the longer side; they are shown at half of them, so that they are sharp on fine screens."""


def grid_of(course: SampleCourse, store: RunStore) -> Grid | None:
    """The pictures that were drawn when snapshots were last compared; ``None`` if any was pruned since."""
    columns = []
    for keys in course.drawn:
        images = []
        for key in keys:
            if (image := store.drawn.get(key)) is None:
                return None
            image.thumbnail((_SIDE, _SIDE))  # so that none is held at its full size
            images.append(image)
        columns.append(images)
    return Grid(
        about=f"The same prompts with seed {course.seed}, {course.sampling_steps} denoising steps and guidance "
        f"{course.guidance:g}.",
        columns=["base model", *(f"step {step}" for step in course.steps)],
        rows=[
            Row(prompt=own.prompt, note=own.kind, images=row)
            for own, row in zip(course.asked, zip(*columns, strict=True), strict=True)
        ],
    )


def grid_section(page: RunPage) -> Markup:
    """A table that can be moved sideways where the screen is narrow."""
    if page.grid is None:
        return Markup()
    heads = [
        element("th", name, class_="picked" if name == f"step {page.picked}" else None, scope="col")
        for name in page.grid.columns
    ]
    table = element(
        "table",
        element("thead", element("tr", element("td"), *heads)),
        element("tbody", *(_row(row, page.grid) for row in page.grid.rows)),
        class_="grid-of-steps",
    )
    return element(
        "section",
        element("h2", "Snapshots side by side"),
        element("p", page.grid.about, class_="about"),
        element("div", table, class_="wide", tabindex=0),
    )


def _row(row: Row, grid: Grid) -> Markup:
    cells = [
        element("td", picture(image, _SIDE, alt=f"{row.prompt}, {name}"))
        for image, name in zip(row.images, grid.columns, strict=True)
    ]
    return element("tr", element("th", row.prompt, element("span", row.note), scope="row"), *cells)
