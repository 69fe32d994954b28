"""What the nodes that inspect data sets share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.data.goals import USUAL
from ..host import host, io
from . import sockets
from .inputs import ADVANCED

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.inspection.report import Inspection
    from ...engine.models.contract import Backbone

USUAL_SIDE = 512
"""Pixels; the resolution to inspect for if neither a resolution nor a base model is given."""


def inspection_inputs() -> list[io.Input]:
    return [
        io.Combo.Input(
            "goal",
            options=list(USUAL),
            default="subject",
            tooltip="What to teach: a subject (a thing, animal or person), a style, or a product.",
        ),
        sockets.Base.Input(
            "base",
            optional=True,
            tooltip="Base model to train; pictures are inspected at its resolution, and the captions' tokens counted.",
        ),
        io.Int.Input(
            "resolution",
            default=0,
            min=0,
            max=8192,
            optional=True,
            tooltip=f"Training resolution in pixels. 0: the base model's, or {USUAL_SIDE} without one.",
        ),
        io.Float.Input(
            "strictness",
            default=1.0,
            min=0.5,
            max=2.0,
            step=0.05,
            optional=True,
            tooltip="Higher flags smaller flaws, lower only severe ones. At 1, about 1 in 20 good photos is flagged.",
            extra_dict=ADVANCED,
        ),
    ]


def inspected(
    dataset: Dataset, goal: Any, base: Backbone | None = None, resolution: int = 0, strictness: float = 1.0
) -> Inspection:
    """Inspect a data set by the values of the :func:`inspection_inputs`."""
    from ...engine.inspection.flags import Limits
    from ...engine.inspection.inspector import inspect

    side = resolution or (base.info.resolution if base else USUAL_SIDE)
    return host().drive(inspect(dataset, goal=goal, side=side, limits=Limits().stricter(strictness), backbone=base))


def flaws(inspection: Inspection) -> dict[str, list[tuple[str, str]]]:
    """Name -> the flaws of a picture, each with its label and the reason; pictures without flaws are left out."""
    pairs = zip(inspection.dataset, inspection.pictures, strict=True)
    return {record.name: [(flag.label, flag.reason) for flag in found.flags] for record, found in pairs if found.flags}
