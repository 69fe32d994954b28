"""Nodes that decide what a training sees of each picture: buckets and crops, masks, small changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import sockets
from .host import host, io
from .pictures import to_tensor
from .shown import shown, tell

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..engine.data.dataset import Dataset
    from ..engine.models.contract import Backbone

CATEGORY = "LoRA Workbench/data set"
_SHEET = "The contact sheet, with {} drawn over the pictures."


class BucketDataset(io.ComfyNode):
    """A data set whose pictures keep their shapes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_BucketDataset",
            display_name="Bucket Data Set",
            category=CATEGORY,
            description="Lets a training see pictures in their own shapes, at one or several resolutions, cropped "
            "around the subject. No picture is left out.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set; its files stay as they are."),
                io.String.Input(
                    "resolutions",
                    default="",
                    placeholder="512, 768, 1024",
                    tooltip="Sides of squares in pixels, with commas: each picture gets about as many pixels. With "
                    "several, it is seen at each that it is large enough for. Empty takes the base model's.",
                ),
                io.Int.Input(
                    "step", default=64, min=8, max=512, step=8,
                    tooltip="Widths and heights are multiples of it. 64 is usual; 8 for the demo base.",
                ),
                io.Float.Input(
                    "max_aspect", default=2.0, min=1.0, max=8.0, step=0.1,
                    tooltip="Longest side over shortest. Longer pictures are cropped to it; 1 makes all square.",
                ),
                io.Combo.Input(
                    "crop", options=["subject", "middle"], default="subject",
                    tooltip="What a crop keeps: the subject, by its mask or by what stands out from the picture's "
                    "border, or the middle.",
                ),
                sockets.Base.Input("base", optional=True, tooltip="Its resolution is taken where none is written."),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The same pictures, each with its crops and sizes."),
                io.Image.Output("sheet", tooltip=_SHEET.format("crops and their sizes")),
                io.String.Output("report", tooltip="Pictures of each size, and which are cropped or enlarged much."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, dataset: Dataset, resolutions: str, step: int, max_aspect: float, crop: str, base: Backbone | None = None
    ) -> io.NodeOutput:
        from ..engine.data.buckets import BucketSettings, bucket_report, bucketed

        sides = _sides(resolutions) or ((base.info.resolution,) if base else ())
        settings = BucketSettings(resolutions=sides, step=step, max_aspect=max_aspect, crop=crop)
        made = host().drive(bucketed(dataset, settings))
        report = bucket_report(made)
        text = report.in_words()
        tell(text)
        figures = {
            "sizes": {f"{width}x{height}": count for (width, height), count in report.buckets.items()},
            "cropped": dict(report.cropped),
            "enlarged": dict(report.enlarged),
        }
        sheet = _sheet(made)
        return io.NodeOutput(made, sheet, text, ui=shown(text=text, preview=sheet, report=figures, cls=cls))


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
                io.Image.Output("sheet", tooltip=_SHEET.format("what the masks leave out in red")),
                io.String.Output("report", tooltip="How many pictures have a mask, and which masks look wrong."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, dataset: Dataset, source: Any, floor: float, masks: Tensor | None = None) -> io.NodeOutput:
        from ..engine.data.masking import with_masks

        given = _gray(masks) if masks is not None else []
        masking = host().drive(with_masks(dataset, source, floor, given))
        text = masking.in_words()
        tell(text)
        figures = {"masks": len(masking.coverage), "pictures": len(dataset), "coverage": masking.coverage}
        sheet = _sheet(masking.dataset)
        return io.NodeOutput(masking.dataset, sheet, text, ui=shown(text=text, preview=sheet, report=figures, cls=cls))


class Augment(io.ComfyNode):
    """A data set whose pictures a training sees a little changed each time."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_Augment",
            display_name="Augment",
            category=CATEGORY,
            description="Lets a training see each picture in several variants: mirrored, cut a little closer, with "
            "other colors. Mirroring is refused where it would teach something wrong.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set, after its captions; files stay as they are."),
                io.Combo.Input(
                    "flip", options=["no", "yes", "yes, even so"], default="no",
                    tooltip="Whether every second variant is mirrored. yes is refused for faces, text and captions "
                    "with left or right; the last choice mirrors all the same.",
                ),
                io.Combo.Input(
                    "shows", options=["unknown", "faces", "text or logos", "neither"], default="unknown",
                    tooltip="What the pictures show, for mirroring. unknown looks for English words in captions and "
                    "class word; the pictures themselves aren't looked at.",
                ),
                io.Float.Input(
                    "crop", default=0.0, min=0.0, max=0.5, step=0.01,
                    tooltip="At most this share of the sides is cut away. 0.05 to 0.1 is plenty.",
                ),
                io.Float.Input(
                    "color", default=0.0, min=0.0, max=0.5, step=0.01,
                    tooltip="Brightness, contrast and saturation change by at most this share. Leave it at 0 for "
                    "styles and for things whose colors matter.",
                ),
                io.Int.Input(
                    "variants", default=4, min=1, max=64,
                    tooltip="Of each picture, itself included. Each is encoded and kept, so more take more time and "
                    "disk; mirroring alone makes two.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The same pictures with their variants."),
                io.Image.Output("sheet", tooltip="The variants of the first pictures, side by side."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, dataset: Dataset, flip: str, shows: str, crop: float, color: float, variants: int
    ) -> io.NodeOutput:
        from ..engine.data.augmenting import augmented
        from ..engine.data.views import Augmentation
        from ..engine.figures.variants import variant_grid

        changes = Augmentation(crop=crop, color=color, count=variants)
        made = augmented(dataset, changes, flip=flip, shows=shows)
        count = len(made.records[0].views(64)[0]) if made.records else 0
        text = f"{count} variants of each picture" if count > 1 else "Nothing is changed: choose flip, crop or color."
        tell(text)
        sheet = to_tensor([variant_grid(made)])
        report = {"variants": count, "pictures": len(made)}
        return io.NodeOutput(made, sheet, ui=shown(text=text, preview=sheet, report=report, cls=cls))


def _sides(text: str) -> tuple[int, ...]:
    """The whole numbers in a text, each once.

    Raises:
        ConfigError: something else stands in it.
    """
    from ..engine.core.errors import ConfigError

    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if wrong := [part for part in parts if not part.isdecimal() or not 0 < int(part) <= 8192]:
        raise ConfigError(
            f"resolutions: {', '.join(wrong)} can't be used.",
            expected="whole numbers of pixels up to 8192, with commas between them",
            hint="write for example: 512, 768, 1024.",
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


def _sheet(dataset: Dataset) -> Tensor:
    from ..engine.figures.contact_sheet import contact_sheet

    return to_tensor([host().drive(contact_sheet(dataset))])


def _gray(masks: Tensor) -> list[Image]:
    """Masks (B, H, W) in [0, 1] as gray pictures; a single one may lack its first axis."""
    from PIL import Image

    values = (masks.detach().cpu().float().clamp(0, 1) * 255).round().byte().numpy()
    return [Image.fromarray(mask) for mask in values.reshape(-1, *values.shape[-2:])]
