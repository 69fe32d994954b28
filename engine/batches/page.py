"""The page of a batch: one static HTML file beside its pictures, which filters them and lays them out by axes."""

from __future__ import annotations

import json
from typing import Any

from ..core.storage import write_bytes
from ..core.words import counted
from ..reports.markup import Markup, content_policy, element, joined
from ..reports.style import STYLE
from .folder import BatchFolder, file_name
from .page_script import SCRIPT
from .page_style import OWN_STYLE
from .plan import Picture, Plan


def write_index(folder: BatchFolder, title: str, plan: Plan) -> None:
    """Write the page of the pictures that are there.

    Args:
        folder: of the batch.
        title: its name.
        plan: its pictures.

    Raises:
        StorageError: the disk is full, or the folder can't be written.
    """
    there = [picture for picture in plan.pictures if (folder.path / file_name(picture)).is_file()]
    write_bytes(folder.index, _document(title, plan, there).encode())


def _document(title: str, plan: Plan, there: list[Picture]) -> str:
    axes = _axes(plan)
    done, count = len(there), len(plan.pictures)
    state = counted(count, "picture") if done == count else f"{done} of {counted(count, 'picture')}; reload for more"
    common = _common(plan)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=content_policy(SCRIPT, pictures="'self' file:")),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · batch"),
        element("style", Markup(STYLE + OWN_STYLE)),
    )
    body = element(
        "body",
        element(
            "main",
            element("header", element("p", "Batch", class_="kicker"), element("h1", title),
                    element("p", joined(state, " · ", common) if common else state, class_="subtitle")),
            element("form", class_="controls", id="controls"),
            element("p", "", class_="shown", id="shown", role="status"),
            element("div", id="pictures"),
        ),
        element("dialog", id="closer"),
        element("script", _data({"axes": axes, "pictures": [_entry(picture, axes) for picture in there]}),
                id="data", type="application/json"),
        element("script", Markup(SCRIPT)),
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _axes(plan: Plan) -> list[dict[str, Any]]:
    """Name and labels of each axis with several values, in their order."""
    return [{"name": name, "values": labels} for name, labels in plan.axes.items() if len(labels) > 1]


def _common(plan: Plan) -> str:
    """What all pictures have in common, in words."""
    jobs = [picture.job for picture in plan.pictures]
    told = {
        "steps": {f"{job.steps} steps" for job in jobs},
        "guidance": {f"guidance {job.guidance:g}" for job in jobs},
        "size": {f"{picture.width}x{picture.height}" for picture in plan.pictures},
        "adapters": {job.label for job in jobs},
    }
    return " · ".join(next(iter(values)) for values in told.values() if len(values) == 1)


def _entry(picture: Picture, axes: list[dict[str, Any]]) -> dict[str, Any]:
    job = picture.job
    return {
        "file": file_name(picture),
        "width": picture.width,
        "height": picture.height,
        "about": {
            "prompt": job.prompt, "negative prompt": job.negative_prompt, "adapters": job.label, "seed": str(job.seed),
            "steps": str(job.steps), "guidance": f"{job.guidance:g}", "size": f"{picture.width}x{picture.height}",
        },
        "places": [[axis["values"].index(place[axis["name"]]) for axis in axes] for place in picture.places],
    }  # fmt: skip


def _data(value: Any) -> Markup:
    """JSON inside a script element, which no text in it can end."""
    return Markup(json.dumps(value, ensure_ascii=True).replace("<", "\\u003c"))
