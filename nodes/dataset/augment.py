"""The node that varies pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from . import CATEGORY


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
        from ...engine.data.augmenting import augmented
        from ...engine.data.views import Augmentation
        from ...engine.figures.variants import variant_grid

        changes = Augmentation(crop=crop, color=color, count=variants)
        made = augmented(dataset, changes, flip=flip, shows=shows)
        count = len(made.records[0].views(64)[0]) if made.records else 0
        text = f"{count} variants of each picture" if count > 1 else "Nothing is changed: choose flip, crop or color."
        tell(text)
        sheet = to_tensor([variant_grid(made)])
        report = {"variants": count, "pictures": len(made)}
        return io.NodeOutput(made, sheet, ui=shown(text=text, preview=sheet, report=report, cls=cls))
