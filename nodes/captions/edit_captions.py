"""The node that edits captions by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.inputs import FIXED_SEED, LARGEST_SEED
from ..kit.shown import shown

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from . import CATEGORY


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
        from ...engine.captions.edits import CaptionEdits, edit_captions, parse_overrides
        from ...engine.captions.templates import caption_table
        from ...engine.data.tags import split_tags

        by_name = parse_overrides(overrides, dataset)
        tags = {"remove": tuple(split_tags(remove)), "add": tuple(split_tags(add))}
        edited = edit_captions(dataset, CaptionEdits(**tags, overrides=by_name, **edits))
        told = changed_captions(dataset, edited)
        return io.NodeOutput(edited, caption_table(edited), told, ui=shown(text=told))


def changed_captions(before: Dataset, after: Dataset) -> str:
    """How many captions changed, and each of them before and after."""
    from ...engine.captions.edits import changes
    from ...engine.data.trigger_word import missing_trigger

    changed = changes(before, after)
    lines = [f"{len(changed)} of {len(after)} captions changed"]
    if after.trigger and (lost := missing_trigger(after)):
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
