"""The node *Curate Data Set*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.galleries import gallery
from ..kit.inputs import lines
from ..kit.inspection import flaws, inspected, inspection_inputs
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset

_SWITCHES = {
    "drop_blurred": (("blurred", "upscaled"), True, "Drop blurred and upscaled pictures."),
    "drop_badly_exposed": (("dark", "bright", "flat"), True, "Drop under- and overexposed or low-contrast pictures."),
    "drop_small": (("small",), False, "Drop pictures smaller than the training resolution."),
    "drop_compressed": (("compressed",), True, "Drop pictures with strong JPEG artifacts."),
    "drop_noisy": (("noisy",), True, "Drop pictures with strong noise."),
    "drop_borders": (("border",), True, "Drop pictures with solid-color bars or borders."),
    "drop_duplicates": (
        ("duplicate", "unedited"),
        True,
        "Keep only the best of scaled, mirrored or recolored duplicates; drop pairs that aren't edited.",
    ),
    "drop_odd": (("odd",), False, "Drop outliers: pictures unlike all others of a subject or product."),
    "drop_long": (("aspect",), False, "Drop pictures with an aspect ratio above 2:1."),
}
"""Input -> the flags that it drops, its default, and its tooltip."""


class CurateDataset(io.ComfyNode):
    """Split a data set into pictures to keep and pictures to drop."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CurateDataset",
            display_name="Curate Data Set",
            category=CATEGORY,
            description="Drops pictures with the chosen flaws and says which and why. Files are not moved or deleted.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set to split. Earlier inspections are reused."),
                *inspection_inputs(),
                *(
                    io.Boolean.Input(name, default=default, tooltip=tooltip)
                    for name, (_, default, tooltip) in _SWITCHES.items()
                ),
                io.String.Input(
                    "keep",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Names of pictures to always keep, one per line.",
                ),
                io.String.Input(
                    "drop",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Names of pictures to always drop, one per line, such as pictures of something else. "
                    "fox 2.png = fox 1.png drops the first as a duplicate of the second.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("kept", tooltip="Pictures to train on, in their original order."),
                sockets.Dataset.Output("dropped", tooltip="The other pictures, to check; may be empty."),
                io.String.Output("report", tooltip="Which pictures were dropped, and why."),
            ],
        )

    @classmethod
    def execute(cls, dataset: Dataset, keep: str = "", drop: str = "", **values: Any) -> io.NodeOutput:
        from ...engine.inspection.curation import curate, marked_duplicates

        switched_on = [name for name in _SWITCHES if values.pop(name)]
        kinds = {"unreadable", "unreadable_before"} | {kind for name in switched_on for kind in _SWITCHES[name][0]}
        inspection = inspected(dataset, **values)
        named, duplicates = marked_duplicates(lines(drop), {record.name for record in dataset})
        curated = curate(inspection, flaws=kinds, keep=lines(keep), drop=named, duplicates=duplicates)
        text = curated.text()
        tell(text)
        pictures = gallery(dataset, flags=flaws(inspection), dropped=dict(curated.reasons))
        ui = shown(text=text, report=curated.values(), gallery=pictures)
        return io.NodeOutput(curated.kept, curated.dropped, text, ui=ui)
