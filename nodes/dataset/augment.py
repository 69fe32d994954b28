"""The node *Augment*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.galleries import gallery
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset


USUAL = 4
"""Variants by default."""


class Augment(io.ComfyNode):
    """Train slightly different variants of each picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_Augment",
            display_name="Augment",
            category=CATEGORY,
            description="Trains variants of each picture: flipped, cropped or with shifted colors. Refuses to flip "
            "where that would teach something wrong.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set with its final captions."),
                io.Combo.Input(
                    "flip",
                    options=["no", "yes", "yes, even so"],
                    default="no",
                    tooltip="Flip every second variant horizontally. yes is refused for faces, text, and captions with "
                    "left or right; yes, even so flips anyway.",
                ),
                io.Combo.Input(
                    "shows",
                    options=["unknown", "faces", "text or logos", "neither"],
                    default="unknown",
                    tooltip="What the pictures show, to decide about flipping. unknown checks the English words in "
                    "captions and class word, not the pixels.",
                ),
                io.Float.Input(
                    "crop",
                    default=0.0,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Maximum random crop, as a fraction of the sides; usually 0.05 to 0.1.",
                ),
                io.Float.Input(
                    "color",
                    default=0.0,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Maximum random change of brightness, contrast and saturation. Keep 0 for styles and where "
                    "colors matter.",
                ),
                io.Int.Input(
                    "variants",
                    default=USUAL,
                    min=1,
                    max=64,
                    tooltip="Variants per picture, including the original. More take longer to encode and more disk "
                    "space; flipping alone gives two.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The pictures with their variants."),
                io.Image.Output("sheet", tooltip="Variants of the first pictures, side by side."),
            ],
        )

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
        text = _in_words(made, count, variants)
        tell(text)
        sheet = to_tensor([variant_grid(made)])
        report = {"variants": count, "pictures": len(made)}
        return io.NodeOutput(
            made, sheet, ui=shown(text=text, preview=sheet, report=report, gallery=gallery(made), cls=cls)
        )


def _in_words(made: Dataset, count: int, asked: int) -> str:
    """How many variants there are, and why there aren't those that were asked for."""
    changes = next((record.augmentation for record in made if record.augmentation), None)
    if changes is None:
        return "No augmentation: set flip, crop or color."
    text = f"{count} variants of each picture"
    if count == 1:
        return "No augmentation, as variants is 1: that is the original. Set it to 2 or more."
    return text if count == asked or asked == USUAL else f"{text}, not {asked}: flipping alone gives no more."
