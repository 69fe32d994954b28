"""The node *Generate*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.generation import (
    DEFAULT_REFERENCE_GUIDANCE,
    generation_inputs,
    negative_prompt_input,
    pictures_to_edit,
    reference_inputs,
    reference_remarks,
    seeds,
    sides,
)
from ..kit.inputs import lines
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.stack import Stack
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone


class Generate(io.ComfyNode):
    """Generate pictures for every prompt and seed."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_Generate",
            display_name="Generate",
            category=CATEGORY,
            description="Generates pictures for every prompt and seed, with the base model alone or with adapters.",
            inputs=[
                *generation_inputs(),
                negative_prompt_input(),
                *sides(),
                io.Int.Input(
                    "batch_size",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Pictures to generate at once. Lower it to save memory; the pictures stay the same.",
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="Adapters to use; empty: the base model alone."),
                *reference_inputs(),
            ],
            outputs=[
                io.Image.Output("images", tooltip="All pictures as one batch, prompt by prompt."),
                sockets.Batch.Output("batch", tooltip="The pictures with their prompts, seeds and adapters."),
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
        reference: Tensor | Dataset | None = None,
        reference_guidance: float = DEFAULT_REFERENCE_GUIDANCE,
    ) -> io.NodeOutput:
        from ...engine.data.caption_tokens import prompt_lines
        from ...engine.generation.batch import GenerationRequest, generate, negative_remark

        request = GenerationRequest(
            prompts=lines(prompts), seeds=seeds(seed, seeds_per_prompt), negative_prompt=negative_prompt.strip(),
            steps=steps, guidance=guidance, width=width, height=height, batch_size=batch_size,
            references=pictures_to_edit(reference), reference_guidance=reference_guidance,
        )  # fmt: skip
        remarks = reference_remarks(base, request.references, reference_guidance)
        by_picture = bool(request.references) and reference_guidance != 1
        remarks += filter(None, [negative_remark(base.info, request.negative_prompt, guidance, by_picture=by_picture)])
        remarks += stack.remarks_on_training(base.known_words) if stack else []
        notes = [*prompt_lines(base, [*request.prompts, request.negative_prompt]), *remarks]
        tell("\n".join(notes))
        batch = host().drive(generate(base, request, stack))
        ui = shown(text="\n".join(notes), report={"notes": notes})
        return io.NodeOutput(to_tensor([picture.image for picture in batch]), batch, ui=ui)
