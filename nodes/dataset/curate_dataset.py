"""The node that splits a data set into what to keep and what to drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.inputs import lines
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from ..kit.judging import inspected, judging_inputs
from . import CATEGORY

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
                *judging_inputs(),
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
        from ...engine.inspection.curation import curate

        switched_on = [name for name in _SWITCHES if values.pop(name)]
        kinds = {"unreadable"} | {kind for name in switched_on for kind in _SWITCHES[name][0]}
        curated = curate(inspected(dataset, **values), drop=kinds, keep=lines(keep), leave=lines(drop))
        text = curated.text()
        tell(text)
        return io.NodeOutput(curated.kept, curated.dropped, text, ui=shown(text=text, report=curated.values()))
