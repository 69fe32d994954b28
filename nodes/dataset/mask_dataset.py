"""The node that gives pictures masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ...engine.data.dataset import Dataset
from ..kit.datasets import sheet_of
from . import CATEGORY


class MaskDataset(io.ComfyNode):
    """A data set with a training weight for each pixel."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_MaskDataset",
            display_name="Mask Data Set",
            category=CATEGORY,
            description="Lets masks say which parts of the pictures are learned: white fully, black as little as you "
            "choose.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set; its files stay as they are."),
                io.Combo.Input(
                    "source", options=["files", "alpha"], default="files",
                    tooltip="files: fox_mask.png, fox-masklabel.png or masks/fox.png for fox.png. alpha: the pictures' "
                    "own transparency; what is transparent is black.",
                ),
                io.Float.Input(
                    "floor", default=0.1, min=0.0, max=1.0, step=0.05,
                    tooltip="How much black counts beside white. 0 ignores it wholly, which lets backgrounds go "
                    "wild; 1 switches masks off.",
                ),
                io.Mask.Input(
                    "masks", optional=True,
                    tooltip="Masks from other nodes in place of files: one for each picture in order, or one for all.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The same pictures with their masks."),
                io.Image.Output("sheet", tooltip="The contact sheet, with what the masks leave out in red."),
                io.String.Output("report", tooltip="How many pictures have a mask, and which masks look wrong."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, dataset: Dataset, source: Any, floor: float, masks: Tensor | None = None) -> io.NodeOutput:
        from ...engine.data.masking import with_masks

        given = _gray(masks) if masks is not None else []
        masking = host().drive(with_masks(dataset, source, floor, given))
        text = masking.in_words()
        tell(text)
        figures = {"masks": len(masking.coverage), "pictures": len(dataset), "coverage": masking.coverage}
        sheet = sheet_of(masking.dataset)
        return io.NodeOutput(masking.dataset, sheet, text, ui=shown(text=text, preview=sheet, report=figures, cls=cls))


def _gray(masks: Tensor) -> list[Image]:
    """Masks (B, H, W) in [0, 1] as gray pictures; a single one may lack its first axis."""
    from PIL import Image

    values = (masks.detach().cpu().float().clamp(0, 1) * 255).round().byte().numpy()
    return [Image.fromarray(mask) for mask in values.reshape(-1, *values.shape[-2:])]
