"""The node that compares adapters side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import lines, seeds
from ..kit.pictures import to_tensor
from ..kit.shown import shown

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.adapters.stack import Stack
    from ...engine.generation.batch import GeneratedImage
    from ...engine.models.contract import Backbone
from ..kit.prompts import prompt_inputs
from . import CATEGORY


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
            inputs=[*prompt_inputs(), sockets.Stack.Input("stack", tooltip="The adapters to compare.")],
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
        from ...engine.generation.batch import GenerationRequest, compare

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


def _grid(columns: list[list[GeneratedImage]]) -> Image:
    """The base's column, then each adapter's alone, then that of all together."""
    from ...engine.figures.grid import Label, labeled_grid

    notes = ["no adapter", *["alone"] * (len(columns) - 1)]
    if len(columns) > 2:
        notes[-1] = "together"
    return labeled_grid(
        [Label(drawn.prompt, f"seed {drawn.seed}") for drawn in columns[0]],
        [Label(column[0].label, note) for column, note in zip(columns, notes, strict=True)],
        [[drawn.image for drawn in row] for row in zip(*columns, strict=True)],
    )
