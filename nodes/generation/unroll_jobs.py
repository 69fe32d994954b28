"""The node *Unroll Jobs*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.words import counted
from ..host import io
from ..kit import sockets
from ..kit.batches import fixed_seed, jobs_input, jobs_of
from ..kit.generation import generation_inputs, negative_prompt_input, sides
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.batches.sweep import Sweep

MANY = 200
"""Pictures that ComfyUI holds in memory without trouble."""


class UnrollJobs(io.ComfyNode):
    """Give the jobs of a batch to other nodes, one after another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_UnrollJobs",
            display_name="Unroll Jobs",
            category=CATEGORY,
            description="Gives prompts, seeds, settings and stacks of a batch as lists, so that your own graph, such "
            "as one with KSampler, runs once for each picture.",
            inputs=[
                *(one for one in fixed_seed(generation_inputs()) if one.id != "base"),
                negative_prompt_input(),
                *sides(default=512),
                jobs_input("What to vary; empty: prompts and seeds alone."),
                sockets.Stack.Input("stack", optional=True, tooltip="Adapters that all pictures have."),
            ],
            outputs=[
                _list(io.String, "prompt", "Prompt of each picture, for CLIP Text Encode."),
                _list(io.String, "negative_prompt", "Negative prompt of each picture."),
                _list(io.Int, "seed", "Seed of each picture, for KSampler."),
                _list(io.Int, "steps", "Denoising steps of each picture, for KSampler."),
                _list(io.Float, "cfg", "Guidance of each picture, for KSampler."),
                _list(io.Int, "width", "Width of each picture, for Empty Latent Image."),
                _list(io.Int, "height", "Height of each picture, for Empty Latent Image."),
                _list(sockets.Stack, "stack", "Adapters of each picture, for Apply Stack."),
                _list(io.String, "label", "What is special of each picture, in words."),
                _list(io.String, "filename", "The same as a file name, for the filename_prefix of Save Image."),
            ],
        )

    @classmethod
    def execute(
        cls,
        prompts: str,
        seed: int,
        seeds_per_prompt: int,
        steps: int,
        guidance: float,
        negative_prompt: str,
        width: int,
        height: int,
        jobs: Sweep | None = None,
        stack: Stack | None = None,
    ) -> io.NodeOutput:
        made, notes = jobs_of(
            jobs, stack, prompts, seed, seeds_per_prompt,
            negative_prompt=negative_prompt, steps=steps, guidance=guidance, width=width, height=height,
        )  # fmt: skip
        told = [counted(len(made), "picture"), *notes]
        if len(made) > MANY:
            told.append("ComfyUI holds all of them in memory until the last one is drawn; Generate Batch doesn't")
        text = "\n".join(told)
        tell(text)
        columns = zip(*(
            (job.prompt, job.negative_prompt, job.seed, job.steps, job.guidance, job.width, job.height, job.stack,
             job.words, job.file_name)
            for job in made
        ), strict=True)  # fmt: skip
        return io.NodeOutput(*map(list, columns), ui=shown(text=text, report={"pictures": len(made)}))


def _list(kind: Any, name: str, tooltip: str) -> io.Output:
    return kind.Output(name, tooltip=tooltip, is_output_list=True)
