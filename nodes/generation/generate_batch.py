"""The node *Generate Batch*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.words import counted
from ..host import host, io, ui
from ..kit import sockets
from ..kit.batches import as_images, fixed_seed, jobs_input, jobs_of
from ..kit.files import below_output, new_file
from ..kit.generation import generation_inputs, negative_prompt_input, sides
from ..kit.inputs import or_else
from ..kit.shown import shown, tell
from ..kit.work import batch
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.batches.drawn import DrawnBatch
    from ...engine.batches.sweep import Sweep
    from ...engine.models.contract import Backbone

MOST_SHOWN = 200
"""Pictures that the node shows and lists; the folder has all."""


class GenerateBatch(io.ComfyNode):
    """Draw a batch into a folder, and go on with it after an interruption."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_GenerateBatch",
            display_name="Generate Batch",
            category=CATEGORY,
            description="Draws many pictures over prompts, seeds, adapters and settings into a folder, with a manifest "
            "and a page to browse them. Each stack is applied once, and a batch that was interrupted goes on.",
            inputs=[
                *fixed_seed(generation_inputs()),
                negative_prompt_input(),
                *sides(),
                io.Int.Input(
                    "batch_size",
                    default=8,
                    min=1,
                    max=256,
                    tooltip="Pictures to draw at once. Lower it to save memory; what is drawn already is kept.",
                ),
                io.String.Input(
                    "name",
                    default="batch",
                    tooltip="Folder of the batch, below batches in the output folder; may include sub-folders. What is "
                    "there isn't drawn again.",
                ),
                jobs_input("What to vary; empty: prompts and seeds alone."),
                sockets.Stack.Input("stack", optional=True, tooltip="Adapters that all pictures have."),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The pictures; if they are too many for memory, the last ones."),
                sockets.Batch.Output("batch", tooltip="All pictures with their settings, for Batch Grid."),
                io.String.Output("folder", tooltip="Folder of the batch, below the output folder."),
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
        negative_prompt: str,
        width: int,
        height: int,
        batch_size: int,
        name: str,
        jobs: Sweep | None = None,
        stack: Stack | None = None,
    ) -> io.NodeOutput:
        from ...engine.batches.running import Batch, draw_batch

        made, notes = jobs_of(
            jobs, stack, prompts, seed, seeds_per_prompt,
            negative_prompt=negative_prompt, steps=steps, guidance=guidance, width=width, height=height,
        )  # fmt: skip
        tell("\n".join([*notes, *_of_prompts(base, made)]))
        folder = new_file(host().output_directory() / "batches", or_else(name, "batch"))
        graph = host().workflow_metadata(cls)
        wanted = Batch(name=folder.name, jobs=made, folder=folder, batch_size=batch_size, graph=graph)
        drawn = host().drive(draw_batch(base, wanted), batch(folder.name))
        return _output(drawn, notes)


def _of_prompts(base: Backbone, jobs: list[Any]) -> list[str]:
    """What the base model makes of the prompts, and what adapters were trained with that is missing."""
    from ...engine.data.caption_tokens import prompt_lines
    from ...engine.generation.batch import negative_remark

    texts = list(dict.fromkeys(text for job in jobs for text in (job.prompt, job.negative_prompt)))
    stacks = {job.stack.content_hash: job.stack for job in jobs}
    told = (line for stack in stacks.values() for line in stack.remarks_on_training(base.known_words))
    negative = (negative_remark(base.info, job.negative_prompt, job.guidance) for job in jobs)
    return [*prompt_lines(base, texts), *dict.fromkeys(filter(None, negative)), *dict.fromkeys(told)]


def _output(drawn: DrawnBatch, notes: list[str]) -> io.NodeOutput:
    images, note = as_images(drawn)
    paths, folder = drawn.paths, below_output(drawn.folder)
    listed = paths[-MOST_SHOWN:]
    report = {
        "pictures": len(paths), "drawn": drawn.drawn, "folder": folder, "manifest": below_output(drawn.manifest),
        "page": below_output(drawn.page),
    }  # fmt: skip
    told = [
        f"{counted(len(paths), 'picture')}, of which {drawn.drawn} were drawn now",
        f"page: {report['page']}",
        *notes,
        note,
    ]
    if len(listed) < len(paths):
        told.append(f"shown: the last {len(listed)}")
    files = [ui.SavedResult(path.name, below_output(path.parent), io.FolderType.output) for path in listed]
    shows = {**ui.SavedImages(files).as_dict(), **shown(text="\n".join(filter(None, told)), report=report)}
    shows["lw_files"] = [{"path": report["manifest"], "kind": "manifest"}, {"path": report["page"], "kind": "page"}]
    return io.NodeOutput(images, drawn, folder, ui=shows)
