"""The node that generates batches of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import lines, seeds
from ..kit.pictures import to_tensor

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.models.contract import Backbone
from ..kit.prompts import prompt_inputs
from . import CATEGORY


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
                *prompt_inputs(),
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
        from ...engine.generation.batch import GenerationRequest, generate

        request = GenerationRequest(
            prompts=lines(prompts), seeds=seeds(seed, seeds_per_prompt), negative_prompt=negative_prompt.strip(),
            steps=steps, guidance=guidance, width=width, height=height, batch_size=batch_size,
        )  # fmt: skip
        batch = host().drive(generate(base, request, stack))
        return io.NodeOutput(to_tensor([drawn.image for drawn in batch]), batch)


def _side(name: str) -> io.Input:
    return io.Int.Input(
        name,
        default=0,
        min=0,
        max=8192,
        step=8,
        tooltip=f"The pictures' {name} in pixels; 0 takes the base model's own.",
    )
