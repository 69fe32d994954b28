"""The node *Mask Data Set*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.datasets import sheet_of
from ..kit.galleries import gallery
from ..kit.pictures import to_pictures
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.data.dataset import Dataset


class MaskDataset(io.ComfyNode):
    """Weight the training loss by masks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_MaskDataset",
            display_name="Mask Data Set",
            category=CATEGORY,
            description="Weights the training loss by masks: white areas count fully, black areas only by the floor.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set to add masks to."),
                io.Combo.Input(
                    "source",
                    options=["files", "alpha"],
                    default="files",
                    tooltip="files: fox_mask.png, fox-masklabel.png or masks/fox.png for fox.png. alpha: the pictures' "
                    "alpha channel; transparent areas are black.",
                ),
                io.Float.Input(
                    "floor",
                    default=0.1,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Loss weight of black areas; usually 0.1. 0 can spoil backgrounds, 1 disables masks.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="Masks from other nodes, instead of files: one per picture in order, or one for all.",
                ),
                io.Boolean.Input(
                    "invert",
                    default=False,
                    optional=True,
                    tooltip="Swaps black and white, for masks in which what to learn is black.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The pictures with their masks."),
                io.Image.Output("sheet", tooltip="Contact sheet; masked-out areas are red."),
                io.String.Output("report", tooltip="How many pictures have a mask, and which masks look wrong."),
            ],
        )

    @classmethod
    def execute(
        cls, dataset: Dataset, source: Any, floor: float, masks: Tensor | None = None, invert: bool = False
    ) -> io.NodeOutput:
        from ...engine.data.masking import with_masks

        # a single mask may come without its batch axis
        given = to_pictures(masks.reshape(-1, *masks.shape[-2:])) if masks is not None else []
        masking = host().drive(with_masks(dataset, source, floor, given, invert=invert))
        text = masking.in_words()
        tell(text)
        figures = {"masks": len(masking.coverage), "pictures": len(dataset), "coverage": masking.coverage}
        sheet = sheet_of(masking.dataset)
        ui = shown(text=text, preview=sheet, report=figures, gallery=gallery(masking.dataset), cls=cls)
        return io.NodeOutput(masking.dataset, sheet, text, ui=ui)
