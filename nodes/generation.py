"""Nodes that draw pictures, lay them side by side and save them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import sockets
from .host import host, io, ui
from .inputs import LARGEST_SEED, lines, new_file, or_else, seeds
from .pictures import to_pictures, to_tensor
from .shown import shown, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from torch import Tensor

    from ..engine.adapters.stack import Stack
    from ..engine.generation.batch import GeneratedImage
    from ..engine.models.contract import Backbone

CATEGORY = "LoRA Workbench/generation"


class Generate(io.ComfyNode):
    """Every prompt with every seed."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_Generate",
            display_name="Generate",
            category=CATEGORY,
            description="Draws every prompt with every seed, by the base model alone or with a stack of adapters.",
            inputs=[
                *_what_to_draw(),
                io.String.Input(
                    "negative_prompt",
                    default="",
                    multiline=True,
                    tooltip="What the pictures should keep away from; needs a guidance above 1.",
                ),
                _side("width"),
                _side("height"),
                io.Int.Input(
                    "batch_size",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Pictures drawn at once. Fewer need less memory; the pictures stay the same.",
                ),
                sockets.Stack.Input(
                    "stack", optional=True, tooltip="Adapters to draw with; empty uses the base alone."
                ),
            ],
            outputs=[
                io.Image.Output("images", tooltip="All pictures as one batch, prompt by prompt."),
                sockets.Batch.Output("batch", tooltip="The same pictures, each with its prompt, seed and adapters."),
            ],
        )

    @classmethod
    def execute(
        cls,
        base: Backbone,
        prompts: str,
        seed: int,
        seeds_per_prompt: int,
        steps: int,
        guidance: float,
        negative_prompt: str,
        width: int,
        height: int,
        batch_size: int,
        stack: Stack | None = None,
    ) -> io.NodeOutput:
        from ..engine.generation.batch import GenerationRequest, generate

        request = GenerationRequest(
            prompts=lines(prompts), seeds=seeds(seed, seeds_per_prompt), negative_prompt=negative_prompt.strip(),
            steps=steps, guidance=guidance, width=width, height=height, batch_size=batch_size,
        )  # fmt: skip
        batch = host().drive(generate(base, request, stack))
        return io.NodeOutput(to_tensor([drawn.image for drawn in batch]), batch)


class ComparisonGrid(io.ComfyNode):
    """What each adapter does, and all together."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ComparisonGrid",
            display_name="Comparison Grid",
            category=CATEGORY,
            description="Draws the same prompts and seeds with the base model, each adapter of a stack alone and the "
            "whole stack, and lays the pictures side by side with labels.",
            inputs=[*_what_to_draw(), sockets.Stack.Input("stack", tooltip="The adapters to compare.")],
            outputs=[
                io.Image.Output("grid", tooltip="The labeled grid, one picture: a row for each prompt and seed."),
                sockets.Batch.Output("batch", tooltip="The single pictures, column by column, with what made each."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        base: Backbone,
        prompts: str,
        seed: int,
        seeds_per_prompt: int,
        steps: int,
        guidance: float,
        stack: Stack,
    ) -> io.NodeOutput:
        from ..engine.generation.batch import GenerationRequest, compare

        request = GenerationRequest(
            prompts=lines(prompts), seeds=seeds(seed, seeds_per_prompt), steps=steps, guidance=guidance
        )
        columns = host().drive(compare(base, request, stack))
        grid = to_tensor([_grid(columns)])
        report = {
            "columns": [column[0].label for column in columns],
            "prompts": list(request.prompts),
            "seeds": list(request.seeds),
        }
        batch = [drawn for column in columns for drawn in column]
        return io.NodeOutput(grid, batch, ui=shown(preview=grid, report=report, cls=cls))


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
        from ..engine.core.storage import free_name
        from ..engine.generation.png import save_png

        graph = host().workflow_metadata(cls)
        place = new_file(host().output_directory(), or_else(filename_prefix, "workbench"))
        saved: list[Path] = []
        for picture, parameters in _to_save(images, batch):
            saved.append(free_name(place.parent, place.name, ".png"))
            save_png(
                picture, saved[-1], prompt=graph.get("prompt"), workflow=graph.get("workflow"), parameters=parameters
            )
        folder = place.parent.relative_to(host().output_directory()).as_posix()
        folder = "" if folder == "." else folder
        files = [ui.SavedResult(path.name, folder, io.FolderType.output) for path in saved]
        report = {"images": [path.relative_to(host().output_directory()).as_posix() for path in saved]}
        tell(f"saved: {', '.join(report['images'][:3])}" + (f" and {len(saved) - 3} more" if len(saved) > 3 else ""))
        return io.NodeOutput(ui={**ui.SavedImages(files).as_dict(), **shown(report=report)})


def _what_to_draw() -> list[io.Input]:
    """The inputs that drawing nodes share."""
    return [
        sockets.Base.Input("base", tooltip="The base model to draw with; it stays as it is."),
        io.String.Input(
            "prompts",
            default="",
            multiline=True,
            tooltip="What to draw, one prompt a line. Name an adapter's trigger phrase to call what it has learned.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=LARGEST_SEED,
            control_after_generate=True,
            tooltip="Of the noise that pictures start from: the same seed gives the same picture.",
        ),
        io.Int.Input(
            "seeds_per_prompt",
            default=1,
            min=1,
            max=1024,
            tooltip="Pictures of each prompt, from this seed and the ones after it.",
        ),
        io.Int.Input("steps", default=25, min=1, max=1000, tooltip="Denoising steps; 20 to 30 are usual."),
        io.Float.Input(
            "guidance",
            default=7.0,
            min=0.0,
            max=100.0,
            step=0.1,
            tooltip="How closely to follow the prompt. 1 switches it off and is twice as fast; about 7 is usual, 3 for "
            "the demo base.",
        ),
    ]


def _side(name: str) -> io.Input:
    return io.Int.Input(
        name,
        default=0,
        min=0,
        max=8192,
        step=8,
        tooltip=f"The pictures' {name} in pixels; 0 takes the base model's own.",
    )


def _grid(columns: list[list[GeneratedImage]]) -> Image:
    """The base's column, then each adapter's alone, then that of all together."""
    from ..engine.figures.grid import Label, labeled_grid

    notes = ["no adapter", *["alone"] * (len(columns) - 1)]
    if len(columns) > 2:
        notes[-1] = "together"
    return labeled_grid(
        [Label(drawn.prompt, f"seed {drawn.seed}") for drawn in columns[0]],
        [Label(column[0].label, note) for column, note in zip(columns, notes, strict=True)],
        [[drawn.image for drawn in row] for row in zip(*columns, strict=True)],
    )


def _to_save(
    images: Tensor | None, batch: list[GeneratedImage] | None
) -> Iterator[tuple[Image, dict[str, Any] | None]]:
    """Each picture with its own parameters, if it has some.

    Raises:
        ConfigError: there is nothing to save.
    """
    from ..engine.core.errors import ConfigError

    if images is None and batch is None:
        raise ConfigError(
            "There is nothing to save.", expected="images or a batch", hint="link one of them to LW_SaveImages."
        )
    for picture in to_pictures(images) if images is not None else []:
        yield picture, None
    for drawn in batch or []:
        yield drawn.image, {"prompt": drawn.prompt, "seed": drawn.seed, "adapters": drawn.label}
