"""The node *Trigger Captions*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.datasets import captions_output
from ..kit.galleries import gallery
from ..kit.inputs import ADVANCED
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone


class TriggerCaptions(io.ComfyNode):
    """Put the trigger word into every caption."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_TriggerCaptions",
            display_name="Trigger Captions",
            category=CATEGORY,
            description="Puts the trigger word into every caption, using a template, and shows the final captions.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set to caption."),
                io.String.Input(
                    "trigger_word",
                    default="ohwx",
                    tooltip="Rare word that prompts will use for what the adapter learns. Avoid words that the base "
                    "model knows: they keep their old meaning.",
                ),
                io.String.Input(
                    "class_word",
                    default="",
                    tooltip="Class of the subject, such as dog, woman or style, so that only the difference to others "
                    "is learned. Optional.",
                ),
                io.String.Input(
                    "template",
                    default="a photo of {trigger} {class}",
                    tooltip="Caption of uncaptioned pictures, and prefix of captions without the trigger word. "
                    "{trigger} and {class} are filled in, also in captions; there [trigger] and [class] work too.",
                ),
                io.Combo.Input(
                    "mode",
                    options=["prepend", "replace", "fill_missing"],
                    default="prepend",
                    tooltip="prepend: put the template before captions without the trigger word. replace: use the "
                    "template as every caption. fill_missing: use it for uncaptioned pictures only; all other captions "
                    "must contain the trigger word.",
                ),
                sockets.Base.Input(
                    "base",
                    optional=True,
                    tooltip="Base model to train. Counts the captions' tokens, and tells where the trigger word comes "
                    "late.",
                ),
                io.String.Input(
                    "folders",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Other trigger words for pictures in sub-folders or joined data sets, one per line, "
                    "such as cats: zwx, cat.",
                    extra_dict=ADVANCED,
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The pictures with their final captions."),
                captions_output(),
                io.String.Output("trigger", tooltip="Trigger phrase for prompts: trigger word and class word."),
            ],
        )

    @classmethod
    def execute(
        cls,
        dataset: Dataset,
        trigger_word: str,
        class_word: str,
        template: str,
        mode: Any,
        base: Backbone | None = None,
        folders: str = "",
    ) -> io.NodeOutput:
        from ...engine.captions.templates import apply_trigger, caption_table, parse_folders
        from ...engine.data.caption_remarks import caption_remarks
        from ...engine.data.dataset import TriggerWord

        trigger = TriggerWord(word=trigger_word, class_word=class_word, template=template)
        captioned = apply_trigger(dataset, trigger, mode, parse_folders(folders, template))
        table = caption_table(captioned)
        phrase = ", ".join(" ".join(f"{word.word} {word.class_word}".split()) for word in captioned.triggers)
        notes = caption_remarks(captioned, base)
        tell("\n".join(notes))
        text = "\n".join([*notes, table])
        ui = shown(text=text, report={"notes": notes}, gallery=gallery(captioned))
        return io.NodeOutput(captioned, table, phrase, ui=ui)
