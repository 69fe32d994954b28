"""The node *Caption Data Set*."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...engine.core.words import first_of
from ..host import host, io
from ..kit import sockets
from ..kit.datasets import captions_output
from ..kit.files import stamp_of
from ..kit.galleries import gallery
from ..kit.inputs import ADVANCED, device_input, precision_input, problem, unused_inputs
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.captions.caption_dataset import Captioned
    from ...engine.data.dataset import Dataset


class CaptionDataset(io.ComfyNode):
    """Caption the pictures of a data set with a model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CaptionDataset",
            display_name="Caption Data Set",
            category=CATEGORY,
            description="Captions the pictures with a local model: BLIP, Florence-2, Qwen-VL or a WD14 tagger. "
            "Captions are cached per picture.",
            inputs=_inputs(),
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The pictures with their captions."),
                captions_output(),
                io.String.Output("report", tooltip="How many captions were kept, generated and taken from the cache."),
            ],
        )

    @classmethod
    def validate_inputs(cls, captioner: str | None) -> bool | str:
        return problem(host().captioner_path, captioner)

    @classmethod
    def fingerprint_inputs(cls, captioner: str, **_: Any) -> str:
        return stamp_of(host().captioner_path(captioner))

    @classmethod
    def execute(
        cls, dataset: Dataset, captioner: str, overwrite: bool, device: str, precision: str, **options: Any
    ) -> io.NodeOutput:
        from ...engine.captions.caption_dataset import caption_dataset
        from ...engine.captions.captioners import open_captioner
        from ...engine.captions.contract import CaptionOptions
        from ...engine.captions.templates import caption_table
        from ...engine.data.caption_remarks import caption_remarks

        chosen = CaptionOptions(**options)
        model = open_captioner(host().captioner_path(captioner), device=device, precision=precision)
        cache = host().run_store().captions
        captioned = host().drive(caption_dataset(dataset, model, chosen, cache, overwrite=overwrite))
        unused = unused_inputs(options, asdict(CaptionOptions()), model.options, f"the model is a {model.kind}")
        notes = [*([unused] if unused else []), *caption_remarks(captioned.dataset)]
        told = "\n".join([in_words(captioned, model.kind), *notes])
        table = caption_table(captioned.dataset)
        report = {
            "captioner": model.kind,
            "kept": captioned.kept,
            "written": captioned.written,
            "cached": captioned.cached,
            "blank": list(captioned.blank),
            "notes": notes,
        }
        ui = shown(text=f"{told}\n\n{table}", report=report, gallery=gallery(captioned.dataset))
        return io.NodeOutput(captioned.dataset, table, told, ui=ui)


def in_words(captioned: Captioned, kind: str) -> str:
    """For example ``12 captions by blip (4 cached), 3 kept``."""
    cached = f" ({captioned.cached} cached)" if captioned.cached else ""
    told = f"{captioned.written} captions by {kind}{cached}, {captioned.kept} kept"
    if captioned.blank:
        told += f"\nThe model returned no caption for {len(captioned.blank)} pictures: {first_of(captioned.blank)}"
    return told


def _inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input("dataset", tooltip="Data set to caption."),
        io.String.Input(
            "captioner",
            default="",
            placeholder="blip-image-captioning-base",
            tooltip="Folder of the model: a full path, or a name in the captioner folders. The kind of model is "
            "detected; nothing is downloaded.",
        ),
        io.Boolean.Input(
            "overwrite",
            default=False,
            tooltip="Caption pictures that already have a caption too. Files are never changed.",
        ),
        io.String.Input(
            "prompt",
            default="",
            multiline=True,
            tooltip="Instruction for Qwen-VL, task for Florence-2, or first words of BLIP's captions. Empty: the "
            "model's default. Taggers ignore it.",
        ),
        io.Int.Input(
            "max_tokens",
            default=128,
            min=1,
            max=2048,
            tooltip="Maximum caption length in tokens. Taggers ignore it.",
        ),
        io.Float.Input(
            "threshold",
            default=0.35,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Taggers only: minimum probability of a tag. Lower values give more tags, and more wrong ones.",
        ),
        io.Float.Input(
            "character_threshold",
            default=0.85,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Taggers only: minimum probability of a character tag.",
        ),
        device_input(extra_dict=ADVANCED),
        precision_input(tooltip="dtype of the weights. auto picks what is fast on the device.", extra_dict=ADVANCED),
    ]
