"""The node that sorts pictures into buckets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
from ..kit.datasets import sheet_of
from . import CATEGORY


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
                io.Image.Output("sheet", tooltip="The contact sheet, with crops and sizes drawn over the pictures."),
                io.String.Output("report", tooltip="Pictures of each size, and which are cropped or enlarged much."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, dataset: Dataset, resolutions: str, step: int, max_aspect: float, crop: str, base: Backbone | None = None
    ) -> io.NodeOutput:
        from ...engine.data.buckets import BucketSettings, bucket_report, bucketed

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
        sheet = sheet_of(made)
        return io.NodeOutput(made, sheet, text, ui=shown(text=text, preview=sheet, report=figures, cls=cls))


def _sides(text: str) -> tuple[int, ...]:
    """The whole numbers in a text, each once.

    Raises:
        ConfigError: something else stands in it.
    """
    from ...engine.core.errors import ConfigError

    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if wrong := [part for part in parts if not part.isdecimal() or not 0 < int(part) <= 8192]:
        raise ConfigError(
            f"resolutions: {', '.join(wrong)} can't be used.",
            expected="whole numbers of pixels up to 8192, with commas between them",
            hint="write for example: 512, 768, 1024.",
        )
    return tuple(dict.fromkeys(int(part) for part in parts))
