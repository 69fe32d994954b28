"""Nodes that tell what is wrong with a data set, and that part it accordingly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..engine.data.goals import USUAL
from . import sockets
from .host import host, io
from .inputs import ADVANCED, lines
from .pictures import to_tensor
from .shown import shown, tell

if TYPE_CHECKING:
    from ..engine.data.dataset import Dataset
    from ..engine.inspection.report import Inspection
    from ..engine.models.contract import Backbone

CATEGORY = "LoRA Workbench/data set"
USUAL_SIDE = 512

_SWITCHES = {
    "drop_blurred": (("blurred", "upscaled"), True, "Drop pictures that are blurred, shaken or scaled up."),
    "drop_badly_exposed": (("dark", "bright", "flat"), True, "Drop pictures that are far too dark, burnt out or flat."),
    "drop_small": (("small",), False, "Drop pictures that are smaller than the training's."),
    "drop_compressed": (("compressed",), True, "Drop pictures with the blocks of strong JPEG compression."),
    "drop_noisy": (("noisy",), True, "Drop pictures with strong noise."),
    "drop_borders": (("border",), True, "Drop pictures with bars or frames of one color around them."),
    "drop_duplicates": (("duplicate",), True, "Of copies (scaled, mirrored, recolored), keep the best one only."),
    "drop_odd": (("odd",), False, "Drop pictures that are unlike all others of a subject or product."),
    "drop_long": (("aspect",), False, "Drop pictures that are more than twice as long as wide."),
}
"""Input -> the kinds of flaws that it stands for, its default, and its tooltip."""


class InspectDataset(io.ComfyNode):
    """A data set, judged."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_InspectDataset",
            display_name="Inspect Data Set",
            category=CATEGORY,
            description="Says what is wrong with a data set, with which picture, and what to do about it first: blur, "
            "exposure, size, compression, bars, copies, one-sidedness, captions.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set to judge; it stays as it is."),
                *_judging_inputs(),
                io.Int.Input(
                    "columns", default=6, min=1, max=24, tooltip="Pictures side by side on the contact sheet."
                ),
            ],
            outputs=[
                io.String.Output("report", tooltip="The verdict, what to do first, and every flawed picture, as text."),
                io.String.Output("json", tooltip="The same with all measures, as a JSON object for programs."),
                io.Image.Output("sheet", tooltip="The contact sheet, with the flaws of each picture below it."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, columns: int, **judging: Any) -> io.NodeOutput:
        from ..engine.figures.contact_sheet import contact_sheet

        inspection = _inspected(dataset, **judging)
        tell(inspection.summary())
        picture = host().drive(contact_sheet(dataset, columns=columns, flags=inspection.labels()))
        sheet = to_tensor([picture])
        text = inspection.text()
        ui = shown(text=text, preview=sheet, report=inspection.values(), cls=cls)
        return io.NodeOutput(text, inspection.json(), sheet, ui=ui)


class CurateDataset(io.ComfyNode):
    """A data set in two parts: what to keep and what to drop."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CurateDataset",
            display_name="Curate Data Set",
            category=CATEGORY,
            description="Parts a data set by the flaws that an inspection finds, and says which pictures were dropped "
            "and why. Files stay where they are.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set to part; pictures inspected before are fast."),
                *_judging_inputs(),
                *(
                    io.Boolean.Input(name, default=default, tooltip=tooltip)
                    for name, (_, default, tooltip) in _SWITCHES.items()
                ),
                io.String.Input(
                    "keep",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Names of pictures, one a line, that are kept whatever was found.",
                ),
                io.String.Input(
                    "drop",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Names of pictures, one a line, that are dropped whatever was found: other subjects, "
                    "say, which no measure can know.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("kept", tooltip="The pictures to train on, in their order."),
                sockets.Dataset.Output("dropped", tooltip="The others, to look at; may be empty."),
                io.String.Output("report", tooltip="Which pictures were dropped, and why."),
            ],
        )

    @classmethod
    def execute(cls, dataset: Dataset, keep: str = "", drop: str = "", **values: Any) -> io.NodeOutput:
        from ..engine.inspection.curation import curate

        switched_on = [name for name in _SWITCHES if values.pop(name)]
        kinds = {"unreadable"} | {kind for name in switched_on for kind in _SWITCHES[name][0]}
        curated = curate(_inspected(dataset, **values), flaws=kinds, keep=lines(keep), drop=lines(drop))
        text = curated.text()
        tell(text)
        return io.NodeOutput(curated.kept, curated.dropped, text, ui=shown(text=text, report=curated.values()))


def _judging_inputs() -> list[io.Input]:
    return [
        io.Combo.Input(
            "goal",
            options=list(USUAL),
            default="subject",
            tooltip="What the adapter is to teach: one thing or person, a way of drawing, or a product.",
        ),
        sockets.Base.Input(
            "base", optional=True, tooltip="The base model to train on: pictures are judged at its resolution."
        ),
        io.Int.Input(
            "resolution",
            default=0,
            min=0,
            max=8192,
            optional=True,
            tooltip=f"Shorter side of training pictures in pixels. 0: the base model's, or {USUAL_SIDE} without one.",
        ),
        io.Float.Input(
            "strictness",
            default=1.0,
            min=0.5,
            max=2.0,
            step=0.05,
            optional=True,
            tooltip="Above 1 smaller flaws are flagged too, below 1 only greater ones. At 1, about one good photograph "
            "in twenty is flagged.",
            extra_dict=ADVANCED,
        ),
    ]


def _inspected(
    dataset: Dataset, goal: Any, base: Backbone | None = None, resolution: int = 0, strictness: float = 1.0
) -> Inspection:
    from ..engine.inspection.flags import Limits
    from ..engine.inspection.inspector import inspect

    side = resolution or (base.info.resolution if base else USUAL_SIDE)
    return host().drive(inspect(dataset, goal=goal, side=side, limits=Limits().stricter(strictness)))
