"""The node that saves pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..host import host, io, ui
from ..kit import sockets
from ..kit.inputs import new_file, or_else
from ..kit.pictures import to_pictures
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from torch import Tensor

    from ...engine.generation.batch import GeneratedImage
from . import CATEGORY


class SaveImages(io.ComfyNode):
    """Pictures as PNG files that carry what made them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveImages",
            display_name="Save Images",
            category=CATEGORY,
            description="Saves pictures as PNG in the output folder, with the graph that made them. Existing "
            "files are never replaced.",
            inputs=[
                io.String.Input(
                    "filename_prefix",
                    default="workbench",
                    tooltip="Begins the file names, perhaps with sub-folders, such as grids/fox; a number is added.",
                ),
                io.Image.Input("images", optional=True, tooltip="Pictures to save, for example a grid or a loss plot."),
                sockets.Batch.Input(
                    "batch",
                    optional=True,
                    tooltip="Drawn pictures to save; each file also holds its own prompt, seed and adapters.",
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, filename_prefix: str, images: Tensor | None = None, batch: list[GeneratedImage] | None = None
    ) -> io.NodeOutput:
        from ...engine.core.storage import free_name
        from ...engine.generation.png import save_png

        graph = host().workflow_metadata(cls)
        place = new_file(host().output_directory(), or_else(filename_prefix, "workbench"))
        saved: list[Path] = []
        for picture, parameters in _to_save(images, batch):
            saved.append(free_name(place.with_name(f"{place.name}.png")))
            save_png(
                picture, saved[-1], prompt=graph.get("prompt"), workflow=graph.get("workflow"), parameters=parameters
            )
        folder = place.parent.relative_to(host().output_directory()).as_posix()
        folder = "" if folder == "." else folder
        files = [ui.SavedResult(path.name, folder, io.FolderType.output) for path in saved]
        report = {"images": [path.relative_to(host().output_directory()).as_posix() for path in saved]}
        tell(f"saved: {', '.join(report['images'][:3])}" + (f" and {len(saved) - 3} more" if len(saved) > 3 else ""))
        return io.NodeOutput(ui={**ui.SavedImages(files).as_dict(), **shown(report=report)})


def _to_save(
    images: Tensor | None, batch: list[GeneratedImage] | None
) -> Iterator[tuple[Image, dict[str, Any] | None]]:
    """Each picture with its own parameters, if it has some.

    Raises:
        ConfigError: there is nothing to save.
    """
    from ...engine.core.errors import ConfigError

    if images is None and batch is None:
        raise ConfigError(
            "There is nothing to save.", expected="images or a batch", hint="link one of them to LW_SaveImages."
        )
    for picture in to_pictures(images) if images is not None else []:
        yield picture, None
    for drawn in batch or []:
        yield drawn.image, {"prompt": drawn.prompt, "seed": drawn.seed, "adapters": drawn.label}
