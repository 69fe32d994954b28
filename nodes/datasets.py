"""Nodes that read, make and show data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..engine.core.errors import DatasetError
from . import sockets
from .host import host, io
from .inputs import or_else, problem
from .pictures import to_pictures, to_tensor
from .shown import shown, tell

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from ..engine.data.dataset import Dataset
    from ..engine.generation.batch import GeneratedImage

CATEGORY = "LoRA Workbench/data set"


class LoadDataset(io.ComfyNode):
    """A folder or zip archive as a data set."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadDataset",
            display_name="Load Data Set",
            category=CATEGORY,
            description="Reads a folder or zip of pictures with their captions, and says what is wrong with it.",
            inputs=[
                io.String.Input(
                    "path",
                    default="",
                    placeholder="assets/datasets/fox",
                    tooltip="Folder or .zip: a full path, or one below the input folder. Captions come from .txt "
                    "files of the same name, metadata.jsonl or metadata.csv; a "
                    "sub-folder 10_fox shows its pictures 10 times.",
                ),
                io.Combo.Input(
                    "on_unreadable",
                    options=["skip", "refuse"],
                    default="skip",
                    tooltip="What to do with pictures that are damaged or too large: leave them out and name them, or "
                    "stop.",
                ),
            ],
            outputs=[sockets.Dataset.Output("dataset", tooltip="Pictures and captions in the order of their names.")],
        )

    @classmethod
    def validate_inputs(cls, path: str | None) -> bool | str:
        return problem(host().dataset_path, path)

    @classmethod
    def fingerprint_inputs(cls, path: str, **_: Any) -> str:
        from ..engine.data.trees import folder_fingerprint

        return folder_fingerprint(host().dataset_path(path))

    @classmethod
    def execute(cls, path: str, on_unreadable: Any) -> io.NodeOutput:
        from ..engine.data.loading import load_dataset

        dataset = load_dataset(host().dataset_path(path), on_unreadable=on_unreadable)
        summary = _summary(dataset)
        tell(summary)
        return io.NodeOutput(dataset, ui=shown(text=summary, report=_report(dataset)))


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
        from ..engine.data.loading import dataset_from_images

        pictures, prompts = _given(images, batch)
        written = captions_for(captions, len(pictures)) if captions.strip() else prompts
        dataset = dataset_from_images(pictures, written, or_else(name, "images"))
        return io.NodeOutput(dataset, ui=shown(text=_summary(dataset), report=_report(dataset)))


class PreviewDataset(io.ComfyNode):
    """A data set as a contact sheet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PreviewDataset",
            display_name="Preview Data Set",
            category=CATEGORY,
            description="Shows the pictures of a data set with their names and captions, as a training will see them.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set to look at."),
                io.Int.Input(
                    "columns", default=6, min=1, max=24, tooltip="Pictures side by side on the contact sheet."
                ),
            ],
            outputs=[io.Image.Output("sheet", tooltip="The contact sheet, one picture.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, columns: int) -> io.NodeOutput:
        from ..engine.captions.templates import caption_table
        from ..engine.figures.contact_sheet import contact_sheet

        sheet = to_tensor([host().drive(contact_sheet(dataset, columns=columns))])
        table = caption_table(dataset)
        return io.NodeOutput(sheet, ui=shown(text=table, preview=sheet, report=_report(dataset), cls=cls))


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


def _summary(dataset: Dataset) -> str:
    """For example ``fox: 16 pictures, 2 without a caption``, then what was left out."""
    bare = sum(not record.caption for record in dataset)
    words = f"{dataset.name}: {len(dataset)} pictures, {bare or 'none'} without a caption"
    if masked := sum(record.mask is not None for record in dataset):
        words += f", {masked} with a mask"
    left_out = [f"left out {skipped.name}: {skipped.reason}" for skipped in dataset.skipped]
    return "\n".join([words, *left_out])


def _report(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "pictures": len(dataset),
        "without_caption": sum(not record.caption for record in dataset),
        "samples_per_epoch": dataset.samples_per_epoch,
        "skipped": [{"name": skipped.name, "reason": skipped.reason} for skipped in dataset.skipped],
    }
