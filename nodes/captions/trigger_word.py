"""The node that checks a trigger word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.shown import shown

if TYPE_CHECKING:
    from ...engine.captions.trigger import TriggerReport
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
from . import CATEGORY


class TriggerWord(io.ComfyNode):
    """A trigger word, weighed."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TriggerWord",
            display_name="Trigger Word",
            category=CATEGORY,
            description="Says whether a word is fit to be a trigger word, and proposes free ones: by dictionary, "
            "captions, and the base model's tokenizers and drawing.",
            inputs=[
                io.String.Input(
                    "trigger_word",
                    default="",
                    placeholder="ohwx",
                    tooltip="The word to weigh. Empty takes the first free word.",
                ),
                io.String.Input(
                    "class_word",
                    default="",
                    tooltip="What kind of thing is taught, for example dog. The trigger word must differ from it.",
                ),
                sockets.Dataset.Input(
                    "dataset", optional=True, tooltip="The trigger word must not clash with the words of its captions."
                ),
                sockets.Base.Input(
                    "base",
                    optional=True,
                    tooltip="The base model that will be trained: its tokenizers show into how many pieces the word "
                    "is cut, and its predictions whether it draws something for it already.",
                ),
            ],
            outputs=[
                io.String.Output("trigger_word", tooltip="The word itself, for Trigger Captions."),
                io.String.Output("report", tooltip="What was found, in words; the first line is the verdict."),
                io.String.Output("free_words", tooltip="Words that mean nothing yet, one a line, best first."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, trigger_word: str, class_word: str, dataset: Dataset | None = None, base: Backbone | None = None
    ) -> io.NodeOutput:
        from ...engine.captions.trigger import check_trigger
        from ...engine.runs.store import RunStore

        cache = RunStore(host().store_root()).encoded
        report = host().drive(check_trigger(trigger_word, class_word, dataset=dataset, backbone=base, cache=cache))
        text = report.text()
        return io.NodeOutput(report.word, text, "\n".join(report.free_words), ui=shown(text=text, report=plain(report)))


def plain(report: TriggerReport) -> dict[str, Any]:
    """A report in plain values."""
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
    }
