"""The node *Bucket Data Set*."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.datasets import sheet_of
from ..kit.galleries import gallery
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone


class BucketDataset(io.ComfyNode):
    """Train pictures at their own aspect ratios."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_BucketDataset",
            display_name="Bucket Data Set",
            category=CATEGORY,
            description="Aspect ratio bucketing: trains pictures at their own aspect ratios and at one or more "
            "resolutions, cropped around the subject. No picture is dropped.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set to sort into buckets."),
                io.String.Input(
                    "resolutions",
                    default="",
                    placeholder="512, 768, 1024",
                    tooltip="Training resolutions in pixels, comma-separated. 512 means about 512 x 512 pixels in any "
                    "shape. With several, a picture is used at each one it is large enough for. Empty: the base "
                    "model's.",
                ),
                io.Int.Input(
                    "step",
                    default=64,
                    min=8,
                    max=512,
                    step=8,
                    tooltip="Bucket widths and heights are multiples of this; usually 64, for the demo base 8.",
                ),
                io.Float.Input(
                    "max_aspect",
                    default=2.0,
                    min=1.0,
                    max=8.0,
                    step=0.1,
                    tooltip="Maximum aspect ratio; longer pictures are cropped to it. 1 makes all crops square.",
                ),
                io.Combo.Input(
                    "crop",
                    options=["subject", "middle"],
                    default="subject",
                    tooltip="What to center crops on: the subject, found by its mask or by its contrast to the border, "
                    "or the middle.",
                ),
                sockets.Base.Input("base", optional=True, tooltip="Sets the resolution if resolutions is empty."),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The pictures with their crops and sizes."),
                io.Image.Output("sheet", tooltip="Contact sheet with all crops and their sizes."),
                io.String.Output("report", tooltip="Pictures per size, and those cropped or upscaled a lot."),
            ],
        )

    @classmethod
    def execute(
        cls, dataset: Dataset, resolutions: str, step: int, max_aspect: float, crop: str, base: Backbone | None = None
    ) -> io.NodeOutput:
        from ...engine.data.buckets import BucketSettings, bucket_report, bucketed

        sides = _sides(resolutions) or ((base.info.resolution,) if base else ())
        settings = BucketSettings(resolutions=sides, step=step, max_aspect=max_aspect, crop=crop)
        made = host().drive(bucketed(dataset, settings))
        report = bucket_report(made, sides)
        text = report.in_words()
        tell(text)
        figures = {
            "sizes": {f"{width}x{height}": count for (width, height), count in report.buckets.items()},
            "cropped": dict(report.cropped),
            "enlarged": dict(report.enlarged),
        }
        sheet = sheet_of(made)
        ui = shown(text=text, preview=sheet, report=figures, gallery=gallery(made), cls=cls)
        return io.NodeOutput(made, sheet, text, ui=ui)


def _sides(text: str) -> tuple[int, ...]:
    """The resolutions in a text, without duplicates.

    Raises:
        ConfigError: something isn't a whole number of pixels.
    """
    from ...engine.core.errors import ConfigError

    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if wrong := [part for part in parts if not part.isdecimal() or not 0 < int(part) <= 8192]:
        raise ConfigError(
            f"resolutions: {', '.join(wrong)} can't be used.",
            expected="whole numbers of pixels up to 8192, comma-separated",
            hint="enter for example: 512, 768, 1024.",
        )
    return tuple(dict.fromkeys(int(part) for part in parts))
