"""The node that writes the trigger word into captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.shown import shown

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from . import CATEGORY


class TriggerCaptions(io.ComfyNode):
    """The trigger word in every caption."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TriggerCaptions",
            display_name="Trigger Captions",
            category=CATEGORY,
            description="Writes the trigger word into every caption, by a template, and shows the final captions.",
            inputs=_inputs(),
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The same pictures with their final captions."),
                io.String.Output("captions", tooltip="Name, repeats and final caption of each picture, as a table."),
                io.String.Output(
                    "trigger", tooltip="Trigger word and class word together: what a prompt calls the adapter with."
                ),
            ],
        )

    @classmethod
    def execute(cls, dataset: Dataset, trigger_word: str, class_word: str, template: str, mode: Any) -> io.NodeOutput:
        from ...engine.captions.templates import apply_trigger, caption_table
        from ...engine.data.dataset import TriggerWord

        trigger = TriggerWord(word=trigger_word, class_word=class_word, template=template)
        captioned = apply_trigger(dataset, trigger, mode)
        table = caption_table(captioned)
        phrase = " ".join(f"{trigger_word} {class_word}".split())
        return io.NodeOutput(captioned, table, phrase, ui=shown(text=table))


def _inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input("dataset", tooltip="The data set whose captions are to be completed; it stays as it is."),
        io.String.Input(
            "trigger_word",
            default="ohwx",
            tooltip="A rare word that will call what the adapter learns. One that the base model knows already would "
            "bring its old meaning along.",
        ),
        io.String.Input(
            "class_word",
            default="",
            tooltip="What kind of thing it is, for example dog, woman or style: the adapter then learns only how this "
            "one differs from others of its kind. May stay empty.",
        ),
        io.String.Input(
            "template",
            default="a photo of {trigger} {class}",
            tooltip="The phrase for pictures without a caption, and the one put before captions that lack the trigger "
            "word. {trigger} and {class} are filled in, here and in captions; [trigger] and [class] in captions too.",
        ),
        io.Combo.Input(
            "mode",
            options=["prepend", "replace", "fill_missing"],
            default="prepend",
            tooltip="prepend: captions that lack the trigger word get the phrase before them. replace: the phrase is "
            "every caption. fill_missing: only pictures without a caption get it, and other captions must hold the "
            "trigger word already.",
        ),
    ]
