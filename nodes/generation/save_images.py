"""The node *Save Images*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.words import first_of
from ..host import host, io, ui
from ..kit import sockets
from ..kit.files import below_output, new_file
from ..kit.inputs import or_else
from ..kit.pictures import to_pictures
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from torch import Tensor

    from ...engine.generation.batch import GeneratedImage


class SaveImages(io.ComfyNode):
    """Save pictures as PNG files with their metadata."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveImages",
            display_name="Save Images",
            category=CATEGORY,
            description="Saves pictures as PNG to the output folder, with the workflow as metadata. Never overwrites "
            "existing files, and saves none twice.",
            inputs=[
                io.String.Input(
                    "filename_prefix",
                    default="workbench",
                    tooltip="Start of the file names; may include sub-folders, such as grids/fox. A number is added.",
                ),
                io.Image.Input("images", optional=True, tooltip="Pictures to save, such as a grid or a loss plot."),
                sockets.Batch.Input(
                    "batch",
                    optional=True,
                    tooltip="Generated pictures to save, with prompt, seed and adapters in each file.",
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, filename_prefix: str, images: Tensor | None = None, batch: list[GeneratedImage] | None = None
    ) -> io.NodeOutput:
        from ...engine.core.numbered_files import NumberedFiles
        from ...engine.generation.png import canvas_chunk, encode_png

        graph = host().workflow_metadata(cls)
        place = new_file(host().output_directory(), or_else(filename_prefix, "workbench"))
        series = NumberedFiles(place.with_name(f"{place.name}.png"), canvas_chunk)
        saved = [
            series.add(encode_png(picture, **graph, parameters=parameters))
            for picture, parameters in _to_save(images, batch)
        ]
        folder = below_output(place.parent)
        folder = "" if folder == "." else folder
        files = [ui.SavedResult(path.name, folder, io.FolderType.output) for path in saved]
        report = {"images": [below_output(path) for path in saved]}
        tell(f"saved: {first_of(report['images'], 3)}")
        return io.NodeOutput(ui={**ui.SavedImages(files).as_dict(), **shown(report=report)})


def _to_save(
    images: Tensor | None, batch: list[GeneratedImage] | None
) -> Iterator[tuple[Image, dict[str, Any] | None]]:
    """The pictures of both inputs; those of a batch with their parameters.

    Raises:
        ConfigError: neither input is connected.
    """
    from ...engine.core.errors import ConfigError

    if images is None and batch is None:
        raise ConfigError(
            "There is nothing to save.", expected="images or a batch", hint="connect one of them to LW_SaveImages."
        )
    for picture in to_pictures(images) if images is not None else []:
        yield picture, None
    for generated in batch or []:
        yield generated.image, {"prompt": generated.prompt, "seed": generated.seed, "adapters": generated.label}
