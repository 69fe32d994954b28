"""The node *Data Set from Images*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.datasets import in_figures, in_words
from ..kit.galleries import gallery
from ..kit.inputs import or_else
from ..kit.pictures import to_pictures
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ...engine.generation.batch import GeneratedImage


class DatasetFromImages(io.ComfyNode):
    """Turn images of the graph into a data set."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_DatasetFromImages",
            display_name="Data Set from Images",
            category=CATEGORY,
            description="Turns images from other nodes into a data set.",
            inputs=[
                io.Image.Input("images", optional=True, tooltip="The pictures, as one batch."),
                sockets.Batch.Input(
                    "batch",
                    optional=True,
                    tooltip="Generated pictures, instead of images. Their prompts become the captions if captions is "
                    "empty.",
                ),
                io.String.Input(
                    "captions",
                    default="",
                    multiline=True,
                    tooltip="One caption per line, in the order of the pictures; a single line is used for all. Can be "
                    "empty if Trigger Captions follows.",
                ),
                io.String.Input(
                    "name",
                    default="images",
                    tooltip="Name of the data set in reports and adapter metadata.",
                ),
            ],
            outputs=[sockets.Dataset.Output("dataset", tooltip="The pictures with their captions, kept in memory.")],
        )

    @classmethod
    def execute(
        cls, captions: str, name: str, images: Tensor | None = None, batch: list[GeneratedImage] | None = None
    ) -> io.NodeOutput:
        from ...engine.data.loading import dataset_from_images

        pictures, prompts = _given(images, batch)
        written = captions_for(captions, len(pictures)) if captions.strip() else prompts
        dataset = dataset_from_images(pictures, written, or_else(name, "images"))
        return io.NodeOutput(
            dataset, ui=shown(text=in_words(dataset), report=in_figures(dataset), gallery=gallery(dataset))
        )


def captions_for(text: str, count: int) -> list[str | None]:
    """The captions of ``count`` pictures: one per line, with blank lines for none, or a single line for all."""
    given = text.rstrip().splitlines()
    if len(given) <= 1:
        return [given[0] if given else None] * count
    return list(given)


def _given(images: Tensor | None, batch: list[GeneratedImage] | None) -> tuple[list[Image], list[str | None]]:
    """The pictures of the connected input, and the prompts of a batch.

    Raises:
        DatasetError: both inputs are connected, or neither is.
    """
    from ...engine.core.errors import DatasetError

    if batch is not None and images is None:
        return [picture.image for picture in batch], [picture.prompt for picture in batch]
    if images is not None and batch is None:
        pictures = to_pictures(images)
        return pictures, [None] * len(pictures)
    raise DatasetError(
        "Both images and batch are connected." if batch else "Neither images nor batch is connected.",
        expected="one of the two",
        hint="connect the IMAGE output of any node to images, or the batch output of LW_Generate to batch.",
    )
