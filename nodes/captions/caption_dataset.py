"""The node that has pictures described by a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import ADVANCED, problem
from ..kit.shown import shown

if TYPE_CHECKING:
    from ...engine.captions.caption_dataset import Captioned
    from ...engine.data.dataset import Dataset
from ..kit.models import newest_change
from . import CATEGORY


class CaptionDataset(io.ComfyNode):
    """A data set, described by a model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CaptionDataset",
            display_name="Caption Data Set",
            category=CATEGORY,
            description="Has the pictures of a data set described by a model in a local folder: BLIP, Florence-2, "
            "Qwen-VL or a WD14 tagger. Each picture is described once.",
            inputs=_inputs(),
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The same pictures with their captions."),
                io.String.Output("captions", tooltip="Name, repeats and final caption of each picture, as a table."),
                io.String.Output("report", tooltip="How many captions were kept, written and found from earlier."),
            ],
        )

    @classmethod
    def validate_inputs(cls, captioner: str | None) -> bool | str:
        return problem(host().captioner_path, captioner)

    @classmethod
    def fingerprint_inputs(cls, captioner: str, **_: Any) -> int:
        return newest_change(host().captioner_path(captioner))

    @classmethod
    def execute(
        cls, dataset: Dataset, captioner: str, overwrite: bool, device: str, precision: str, **options: Any
    ) -> io.NodeOutput:
        from ...engine.captions.caption_dataset import caption_dataset
        from ...engine.captions.captioners import open_captioner
        from ...engine.captions.contract import CaptionOptions
        from ...engine.captions.templates import caption_table
        from ...engine.runs.store import RunStore

        chosen = CaptionOptions(**options)
        model = open_captioner(host().captioner_path(captioner), device=device, precision=precision)
        cache = RunStore(host().store_root()).captions
        captioned = host().drive(caption_dataset(dataset, model, chosen, cache, overwrite=overwrite))
        told = in_words(captioned, model.kind)
        table = caption_table(captioned.dataset)
        report = {
            "captioner": model.kind,
            "kept": captioned.kept,
            "written": captioned.written,
            "cached": captioned.cached,
            "blank": list(captioned.blank),
        }
        return io.NodeOutput(captioned.dataset, table, told, ui=shown(text=f"{told}\n\n{table}", report=report))


def in_words(captioned: Captioned, kind: str) -> str:
    """For example ``12 captions by blip, 4 of them from earlier; 3 were there already``."""
    earlier = f", {captioned.cached} of them from earlier" if captioned.cached else ""
    told = f"{captioned.written} captions by {kind}{earlier}; {captioned.kept} were there already"
    if captioned.blank:
        told += f"\nNothing to say about {len(captioned.blank)}: {', '.join(captioned.blank[:5])}"
    return told


def _inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input("dataset", tooltip="The pictures to be described; this data set stays as it is."),
        io.String.Input(
            "captioner",
            default="",
            placeholder="blip-image-captioning-base",
            tooltip="Folder of the model, as downloaded: a full path, or a name below the folders for captioners. Its "
            "files tell what kind it is. Nothing is downloaded.",
        ),
        io.Boolean.Input(
            "overwrite",
            default=False,
            tooltip="Whether pictures that have a caption are described too. Files are never changed.",
        ),
        io.String.Input(
            "prompt",
            default="",
            multiline=True,
            tooltip="What to ask: a question for Qwen-VL, one of Florence-2's tasks, the first words of BLIP's "
            "captions. Empty takes what suits the model; taggers take none.",
        ),
        io.Int.Input(
            "max_tokens",
            default=128,
            min=1,
            max=2048,
            tooltip="Pieces of words after which a sentence is cut off. Taggers don't look at it.",
        ),
        io.Float.Input(
            "threshold",
            default=0.35,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Taggers only: probability from which a tag is taken. Lower gives more tags, and more wrong ones.",
        ),
        io.Float.Input(
            "character_threshold",
            default=0.85,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Taggers only: the same for names of characters.",
        ),
        io.Combo.Input(
            "device",
            options=["auto", "cpu", "cuda", "mps"],
            default="auto",
            extra_dict=ADVANCED,
            tooltip="Where to compute. auto takes CUDA, then Apple's MPS, then the CPU.",
        ),
        io.Combo.Input(
            "precision",
            options=["auto", "fp32", "bf16", "fp16"],
            default="auto",
            extra_dict=ADVANCED,
            tooltip="Number format of the weights. auto takes what the device is fast at.",
        ),
    ]
