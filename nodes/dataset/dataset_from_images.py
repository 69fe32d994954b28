"""The node that makes a data set of pictures on the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.core.errors import DatasetError
from ..host import io
from ..kit import sockets
from ..kit.inputs import or_else
from ..kit.pictures import to_pictures
from ..kit.shown import shown

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from ...engine.generation.batch import GeneratedImage
from ..kit.datasets import dataset_report, dataset_summary
from . import CATEGORY


class DatasetFromImages(io.ComfyNode):
    """The pictures of a graph as a data set."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_DatasetFromImages",
            display_name="Data Set from Images",
            category=CATEGORY,
            description="Makes a data set of pictures that are on the graph already.",
            inputs=[
                io.Image.Input("images", optional=True, tooltip="The pictures, as one batch."),
                sockets.Batch.Input(
                    "batch",
                    optional=True,
                    tooltip="Generated pictures in place of images. Their prompts become their captions, unless "
                    "captions are written below. The base model's own pictures of other things keep it from drifting.",
                ),
                io.String.Input(
                    "captions",
                    default="",
                    multiline=True,
                    tooltip="One caption a line, in the order of the pictures; a single line serves all of them. May "
                    "stay empty if trigger captions are written later.",
                ),
                io.String.Input(
                    "name",
                    default="images",
                    tooltip="What the data set is called in reports and in the adapter's file.",
                ),
            ],
            outputs=[sockets.Dataset.Output("dataset", tooltip="The pictures, kept in memory, with their captions.")],
        )

    @classmethod
    def execute(
        cls, captions: str, name: str, images: Tensor | None = None, batch: list[GeneratedImage] | None = None
    ) -> io.NodeOutput:
        from ...engine.data.loading import dataset_from_images

        pictures, prompts = _given(images, batch)
        written = captions_for(captions, len(pictures)) if captions.strip() else prompts
        dataset = dataset_from_images(pictures, written, or_else(name, "images"))
        return io.NodeOutput(dataset, ui=shown(text=dataset_summary(dataset), report=dataset_report(dataset)))


def captions_for(text: str, count: int) -> list[str | None]:
    """The captions of ``count`` pictures: one a line, blank ones standing for none, or a single one for all."""
    given = text.rstrip().splitlines()
    if len(given) <= 1:
        return [given[0] if given else None] * count
    return list(given)


def _given(images: Tensor | None, batch: list[GeneratedImage] | None) -> tuple[list[Image.Image], list[str | None]]:
    """Pictures and what is known of their captions, from the one of the two inputs that is connected."""
    if batch is not None and images is None:
        return [drawn.image for drawn in batch], [drawn.prompt for drawn in batch]
    if images is not None and batch is None:
        pictures = to_pictures(images)
        return pictures, [None] * len(pictures)
    raise DatasetError(
        "Both images and a batch are connected." if batch else "Neither images nor a batch is connected.",
        expected="one of the two",
        hint="connect pictures of any node to images, or the batch of LW_Generate to batch.",
    )
