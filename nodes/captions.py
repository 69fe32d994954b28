"""Nodes that write captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import sockets
from .host import io
from .inputs import FIXED_SEED, LARGEST_SEED
from .shown import shown

if TYPE_CHECKING:
    from ..engine.data.dataset import Dataset

CATEGORY = "LoRA Workbench/captions"


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
        from ..engine.captions.templates import apply_trigger, caption_table
        from ..engine.data.dataset import TriggerWord

        trigger = TriggerWord(word=trigger_word, class_word=class_word, template=template)
        captioned = apply_trigger(dataset, trigger, mode)
        table = caption_table(captioned)
        phrase = " ".join(f"{trigger_word} {class_word}".split())
        return io.NodeOutput(captioned, table, phrase, ui=shown(text=table))


class EditCaptions(io.ComfyNode):
    """Captions edited by rule."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_EditCaptions",
            display_name="Edit Captions",
            category=CATEGORY,
            description="Replaces, removes, adds and shuffles parts of all captions, or writes those of single "
            "pictures, and shows what changed. Files stay as they are.",
            inputs=_edit_inputs(),
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The same pictures with their edited captions."),
                io.String.Output("captions", tooltip="Name, repeats and final caption of each picture, as a table."),
                io.String.Output("changes", tooltip="Each caption that changed, before and after."),
            ],
        )

    @classmethod
    def execute(cls, dataset: Dataset, remove: str, add: str, overrides: str = "", **edits: Any) -> io.NodeOutput:
        from ..engine.captions.edits import CaptionEdits, edit_captions, parse_overrides
        from ..engine.captions.templates import caption_table
        from ..engine.data.tags import split_tags

        by_name = parse_overrides(overrides, dataset)
        tags = {"remove": tuple(split_tags(remove)), "add": tuple(split_tags(add))}
        edited = edit_captions(dataset, CaptionEdits(**tags, overrides=by_name, **edits))
        told = changed_captions(dataset, edited)
        return io.NodeOutput(edited, caption_table(edited), told, ui=shown(text=told))


class CaptionsFromText(io.ComfyNode):
    """Captions that other nodes have written."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CaptionsFromText",
            display_name="Captions from Text",
            category=CATEGORY,
            description="Gives the pictures of a data set captions from other nodes, or from a text with one a line.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The pictures, in the order of the captions."),
                io.String.Input(
                    "captions",
                    default="",
                    multiline=True,
                    tooltip="As many captions as pictures: a list from any node that writes texts, or one a line. A "
                    "blank one leaves its picture without.",
                ),
                io.Boolean.Input(
                    "keep_existing",
                    default=False,
                    tooltip="Whether pictures that have a caption keep it. Captions are counted over all pictures "
                    "either way.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The same pictures with these captions."),
                io.String.Output("captions", tooltip="Name, repeats and final caption of each picture, as a table."),
            ],
            is_input_list=True,
        )

    @classmethod
    def execute(cls, dataset: list[Dataset], captions: list[str], keep_existing: list[bool]) -> io.NodeOutput:
        from ..engine.captions.templates import caption_table, give_captions

        a_list = len(captions) > 1 or len(dataset[0]) == 1  # the only picture's caption may have several lines
        given = captions if a_list else captions[0].rstrip("\r\n").splitlines()
        captioned = give_captions(dataset[0], given, keep_existing=keep_existing[0])
        table = caption_table(captioned)
        return io.NodeOutput(captioned, table, ui=shown(text=table))


def changed_captions(before: Dataset, after: Dataset) -> str:
    """How many captions changed, and each of them before and after."""
    from ..engine.captions.edits import changes

    changed = changes(before, after)
    lines = [f"{len(changed)} of {len(after)} captions changed"]
    if after.trigger and (lost := after.missing_trigger()):
        lines.append(f"{len(lost)} now lack the trigger word {after.trigger.word!r}: {', '.join(lost[:5])}")
    for name, old, new in changed:
        lines += ["", name, f"- {old or '(no caption)'}", f"+ {new or '(no caption)'}"]
    return "\n".join(lines)


def _edit_inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input("dataset", tooltip="The data set whose captions are edited; it stays as it is."),
        io.String.Input("find", default="", tooltip="Text to look for in captions. Empty replaces nothing."),
        io.String.Input("replace_with", default="", tooltip="What takes its place. Empty takes the text away."),
        io.Boolean.Input(
            "regex",
            default=False,
            tooltip=r"Whether find is a regular expression; replace_with may then hold \1 for its first group. "
            "Patterns that take too long are stopped.",
        ),
        io.String.Input("remove", default="", multiline=True, tooltip="Tags to take out, parted by commas or lines."),
        io.String.Input(
            "add",
            default="",
            multiline=True,
            tooltip="Tags to put at the end of captions that lack them, parted by commas or lines.",
        ),
        io.String.Input("prefix", default="", tooltip="Put before each caption as it stands, blanks included."),
        io.String.Input("suffix", default="", tooltip="Put after each caption as it stands, blanks included."),
        io.Boolean.Input(
            "shuffle",
            default=False,
            tooltip="Put the tags, the parts between commas, in another order. To see other orders while training, "
            "use the recipe's caption_shuffle.",
        ),
        io.Int.Input("keep", default=1, min=0, max=100, tooltip="Tags at the beginning that are not shuffled."),
        io.Int.Input(
            "seed", default=0, min=0, max=LARGEST_SEED, extra_dict=FIXED_SEED, tooltip="Decides the shuffled order."
        ),
        io.String.Input(
            "overrides",
            default="",
            multiline=True,
            optional=True,
            placeholder="fox 2.png: a fox in snow",
            tooltip="Captions of single pictures, one a line: file name, colon, caption. They are taken as they "
            "stand; nothing above changes them.",
        ),
    ]


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
