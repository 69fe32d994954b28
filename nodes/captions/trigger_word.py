"""The node *Trigger Word*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.captions.trigger import TriggerReport
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone


class TriggerWord(io.ComfyNode):
    """Check a trigger word, and suggest others."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TriggerWord",
            display_name="Trigger Word",
            category=CATEGORY,
            description="Checks whether a word makes a good trigger word, and suggests unused ones. Looks at word "
            "frequency, the captions, and the base model's tokenizers and predictions.",
            inputs=[
                io.String.Input(
                    "trigger_word",
                    default="",
                    placeholder="ohwx",
                    tooltip="Word to check. Empty: the first suggestion.",
                ),
                io.String.Input(
                    "class_word",
                    default="",
                    tooltip="Class of the subject, such as dog. The trigger word must be different.",
                ),
                sockets.Dataset.Input(
                    "dataset", optional=True, tooltip="Data set whose captions are checked for conflicts."
                ),
                sockets.Base.Input(
                    "base",
                    optional=True,
                    tooltip="Base model to train. Checks how many tokens the word has and whether the model already "
                    "knows it.",
                ),
            ],
            outputs=[
                io.String.Output("trigger_word", tooltip="The trigger word, for Trigger Captions."),
                io.String.Output("report", tooltip="What was found; the first line is the verdict."),
                io.String.Output("free_words", tooltip="Unused words, one per line, best first."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, trigger_word: str, class_word: str, dataset: Dataset | None = None, base: Backbone | None = None
    ) -> io.NodeOutput:
        from ...engine.captions.trigger import check_trigger

        cache = host().run_store().encoded
        report = host().drive(check_trigger(trigger_word, class_word, dataset=dataset, backbone=base, cache=cache))
        text = report.text()
        figures = in_figures(report)
        return io.NodeOutput(report.word, text, "\n".join(report.free_words), ui=shown(text=text, report=figures))


def in_figures(report: TriggerReport) -> dict[str, Any]:
    """A report as plain values, for programs."""
    reaction = report.reaction
    return {
        "word": report.word,
        "warnings": report.warnings,
        "zipf": {part.word: part.zipf for part in report.frequencies or ()},
        "tokens": report.tokens,
        "reaction": reaction and round(reaction.value, 4),
        "above_random": reaction and reaction.above_random,
        "above_common": reaction and reaction.above_common,
        "free_words": list(report.free_words),
        "captions": list(report.captions),
    }
