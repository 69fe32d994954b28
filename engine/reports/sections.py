"""The parts of the page, from top to bottom. Each is empty where there is nothing to show."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..core.words import counted, duration
from ..figures.plots import smoothed
from .charts import Line, chart, finite, legend
from .markup import Markup, data_uri, element, picture
from .page import Curve, Group, Measure, Picture, Pictures, RunPage, Setting

_THUMBNAIL = 192
"""Pixels of the longer side; it is shown at half of them, so that it is sharp on fine screens."""
_FOLDED = 100
"""Characters of a caption from which on some of it may be hidden."""
_LONG = 32
"""Characters of a setting's value that stand beside its name; longer ones are below it."""
_PARTS = ("part-1", "part-2", "part-3", "part-4", "part-5")
"""Classes of lines in the style sheet."""


def header(page: RunPage) -> Markup:
    """Title, what was trained, and the result in one sentence."""
    return element(
        "header",
        element("p", "Run report", class_="kicker"),
        element("h1", page.title),
        element("p", page.subtitle, class_="subtitle") if page.subtitle else None,
        element("p", *_result(page), class_="result"),
    )


def _result(page: RunPage) -> list[str]:
    """The sentence as texts and elements."""
    told = [_strong(counted(page.steps, "step"))]
    if page.seconds is not None:
        since = f" (from step {page.resumed_at + 1} on)" if page.resumed_at else ""
        told += [" in ", _strong(duration(page.seconds)), since]
    if losses := finite(page.losses):
        first, last = ends(losses)
        told += ["; the loss went from ", _strong(f"{first:.3g}"), " to ", _strong(f"{last:.3g}")]
    if page.trigger:
        told += ["; its trigger phrase is ", element("q", page.trigger)]
    return [*told, "."]


def ends(points: Curve) -> tuple[float, float]:
    """Means over the first and the last tenth of a curve with at least one point."""
    values = [value for _, value in points]
    tenth = max(1, len(values) // 10)
    return sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth


def _strong(text: str) -> Markup:
    return element("strong", text)


def _section(title: str, *content: str | None, class_: str | None = None) -> Markup:
    return element("section", element("h2", title), *content, class_=class_)


def verdict_section(page: RunPage) -> Markup:
    if page.verdict is None:
        return Markup()
    reasons = [element("li", reason) for reason in page.verdict.reasons]
    return _section(
        "Verdict",
        element("p", page.verdict.text, class_="sentence"),
        element("ul", *reasons) if reasons else None,
        class_="verdict",
    )


def loss_section(page: RunPage) -> Markup:
    """Charts of the loss, its parts and the learning rate, side by side where there is room."""
    charts = [*_loss(page), *_parts(page), *_rates(page)]
    return _section("Course of the training", element("div", *charts, class_="charts")) if charts else Markup()


def _loss(page: RunPage) -> list[Markup]:
    if not finite(page.losses):
        return []
    smooth = _smooth(page.losses)
    told = f"Over {page.steps} steps the smoothed loss goes from {smooth[0][1]:.3g} to {smooth[-1][1]:.3g}."
    drawn = chart("Loss", told, [Line(page.losses, "raw"), Line(smooth, "smooth")], marked=page.picked)
    return [_figure("Loss", drawn, legend({"each step": "raw", "smoothed": "smooth"}))]


def _parts(page: RunPage) -> list[Markup]:
    """Parts of the loss, if it has more than one."""
    curves = {name: _smooth(points) for name, points in page.parts.items() if finite(points)}
    if len(curves) < 2:
        return []
    told = "; ".join(f"{name} ends at {points[-1][1]:.3g}" for name, points in curves.items())
    styles = {name.replace("_", " "): style for name, style in zip(curves, _PARTS, strict=False)}
    lines = [Line(points, style) for points, style in zip(curves.values(), _PARTS, strict=False)]
    drawn = chart("Parts of the loss", f"Smoothed: {told}.", lines, from_zero=True, marked=page.picked)
    return [_figure("Parts of the loss", drawn, legend(styles))]


def _rates(page: RunPage) -> list[Markup]:
    if not page.learning_rates:
        return []
    rates = [rate for _, rate in page.learning_rates]
    told = f"At most {max(rates):.3g}, at the end {rates[-1]:.3g}."
    drawn = chart("Learning rate", told, [Line(page.learning_rates, "rate")], from_zero=True, marked=page.picked)
    return [_figure("Learning rate", drawn, element("p", told))]


def _smooth(points: Curve) -> Curve:
    means = smoothed([value for _, value in points])
    return finite([(step, mean) for (step, _), mean in zip(points, means, strict=True)])


def _figure(name: str, drawn: Markup, below: Markup | None = None) -> Markup:
    return element("figure", element("h3", name), drawn, element("figcaption", below) if below else None)


def measures_section(page: RunPage) -> Markup:
    """A small chart for each measure of the snapshots."""
    charts = [_measure(measure, page.picked) for measure in page.measures if finite(measure.points)]
    return _section("Snapshots", element("div", *charts, class_="charts")) if charts else Markup()


def _measure(measure: Measure, picked: int | None) -> Markup:
    points = finite(measure.points)
    told = ", ".join(f"{value:.3g} at step {step:g}" for step, value in points)
    about = " ".join(
        filter(None, [measure.about, f"{measure.better.capitalize()} is better." if measure.better else ""])
    )
    drawn = chart(measure.name, f"{told}.", [Line(points, "smooth", dots=True)], marked=picked)
    return _figure(measure.name, drawn, element("p", about) if about else None)


def pictures_section(page: RunPage) -> Markup:
    """The data set as thumbnails with captions."""
    pictures = page.pictures
    if pictures is None:
        return Markup()
    return _section(
        "Data set",
        element("p", _counted(pictures), class_="about"),
        element("div", *map(_picture, pictures.shown), class_="pictures"),
    )


def _counted(pictures: Pictures) -> str:
    hidden = pictures.count - len(pictures.shown)
    told = f"{pictures.name}: {counted(pictures.count, 'picture')}"
    told += f", of which the first {len(pictures.shown)} are shown." if hidden else "."
    return f"{told} {pictures.note}".strip()


def _picture(own: Picture) -> Markup:
    unfolds = len(own.caption) > _FOLDED  # where a tap or the Tab key puts the focus on it
    marks = [*([f"x{own.repeats}"] if own.repeats != 1 else []), *own.marks]
    return element(
        "figure",
        picture(own.image, _THUMBNAIL, alt=own.caption or own.name) if own.image else None,
        element(
            "figcaption",
            element("b", own.name),
            *(element("span", mark, class_="mark") for mark in marks),
            element("span", own.caption or "(no caption)", class_="caption", tabindex=0 if unfolds else None),
        ),
    )


def recipe_section(page: RunPage) -> Markup:
    """The settings by group; those that are as they usually are can be unfolded."""
    groups = [group for group in page.recipe if group.settings]
    if not groups:
        return Markup()
    return _section(
        "Recipe",
        element("p", page.reason, class_="about") if page.reason else None,
        element("div", *map(_group, groups), class_="groups"),
    )


def _group(group: Group) -> Markup:
    told = [setting for setting in group.settings if not setting.is_usual]
    usual = [setting for setting in group.settings if setting.is_usual]
    return element(
        "div",
        element("h3", group.title),
        _table(told) if told else None,
        element("details", element("summary", f"{len(usual)} at their defaults"), _table(usual)) if usual else None,
        class_="group",
    )


def _table(settings: Sequence[Setting]) -> Markup:
    return element("dl", *map(_setting, settings))


def _setting(own: Setting) -> Markup:
    style = [*(["other"] if own.instead_of else []), *(["long"] if len(own.value) > _LONG else [])]
    return element(
        "div",
        element("dt", own.name),
        element("dd", own.instead_of or own.source, class_="source") if not own.is_usual else None,
        element("dd", own.value, class_=" ".join(style) or None),
    )


def notes_section(page: RunPage) -> Markup:
    notes = [element("li", note) for note in page.notes]
    return _section("Notes", element("ul", *notes)) if notes else Markup()


def facts_section(page: RunPage) -> Markup:
    """Everything else that is known of the run, and the hashes of what went into it."""
    facts = [_fact(name, value) for name, value in page.facts.items()]
    hashes = [_fact(name, element("code", value)) for name, value in page.hashes.items()]
    tables = [element("dl", *rows, class_="facts") for rows in (facts, hashes) if rows]
    return _section("The run", *tables) if tables else Markup()


def _fact(name: str, value: str) -> Markup:
    return element("div", element("dt", name), element("dd", value))


def graph_section(page: RunPage) -> Markup:
    """The workflow, folded, with a link that saves it."""
    if not page.graph:
        return Markup()
    address = data_uri(page.graph.encode(), "application/json")
    return _section(
        "Graph",
        element(
            "p", "The workflow that trained it. ",
            element("a", "Save it", href=address, download=f"{page.title}.json"), " and drop it on the canvas.",
            class_="about",
        ),
        element("details", element("summary", "Show it"), element("pre", _indented(page.graph))),
    )  # fmt: skip


def _indented(graph: str) -> str:
    return json.dumps(json.loads(graph), indent=1, ensure_ascii=False)
