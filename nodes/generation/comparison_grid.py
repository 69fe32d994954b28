"""The node *Comparison Grid*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.generation import (
    DEFAULT_REFERENCE_GUIDANCE,
    generation_inputs,
    pictures_to_edit,
    reference_inputs,
    reference_remarks,
    seeds,
)
from ..kit.inputs import lines
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ...engine.adapters.stack import Stack
    from ...engine.data.dataset import Dataset
    from ...engine.generation.batch import GeneratedImage
    from ...engine.models.contract import Backbone


class ComparisonGrid(io.ComfyNode):
    """Compare the adapters of a stack, alone and together."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ComparisonGrid",
            display_name="Comparison Grid",
            category=CATEGORY,
            description="Generates the same prompts and seeds with the base model, with each adapter alone and "
            "with the whole stack, as a labeled grid.",
            inputs=[
                *generation_inputs(),
                sockets.Stack.Input("stack", tooltip="Adapters to compare."),
                *reference_inputs(),
            ],
            outputs=[
                io.Image.Output("grid", tooltip="The labeled grid, as one picture; one row per prompt and seed."),
                sockets.Batch.Output("batch", tooltip="The single pictures, column by column, with their settings."),
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
        reference: Tensor | Dataset | None = None,
        reference_guidance: float = DEFAULT_REFERENCE_GUIDANCE,
    ) -> io.NodeOutput:
        from ...engine.data.caption_tokens import prompt_lines
        from ...engine.generation.batch import GenerationRequest, compare

        request = GenerationRequest(
            prompts=lines(prompts), seeds=seeds(seed, seeds_per_prompt), steps=steps, guidance=guidance,
            references=pictures_to_edit(reference), reference_guidance=reference_guidance,
        )  # fmt: skip
        remarks = reference_remarks(base, request.references, reference_guidance)
        remarks += stack.remarks_on_training(base.known_words)
        tell("\n".join([*prompt_lines(base, request.prompts), *remarks]))
        columns = host().drive(compare(base, request, stack))
        grid = to_tensor([_grid(columns)])
        report = {
            "columns": [column[0].label for column in columns],
            "prompts": list(request.prompts),
            "seeds": list(request.seeds),
        }
        batch = [picture for column in columns for picture in column]
        return io.NodeOutput(grid, batch, ui=shown(preview=grid, report=report, cls=cls))


def _grid(columns: list[list[GeneratedImage]]) -> Image:
    """The columns of the pictures to edit, the base, each adapter alone and all together, with labels."""
    from ...engine.figures.grid import Label, labeled_grid

    notes = ["no adapter", *["alone"] * (len(columns) - 1)]
    if len(columns) > 2:
        notes[-1] = "together"
    heads = [Label(column[0].label, note) for column, note in zip(columns, notes, strict=True)]
    cells = [[picture.image for picture in row] for row in zip(*columns, strict=True)]
    edited = [picture.reference for picture in columns[0] if picture.reference]
    if edited:
        heads = [Label("reference", "before editing"), *heads]
        cells = [[before, *row] for before, row in zip(edited, cells, strict=True)]
    return labeled_grid([Label(picture.prompt, f"seed {picture.seed}") for picture in columns[0]], heads, cells)
