"""The node *Edit Captions*."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...engine.core.words import first_of
from ..host import io
from ..kit import sockets
from ..kit.datasets import captions_output
from ..kit.galleries import gallery
from ..kit.inputs import ADVANCED, seed_input
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset


class EditCaptions(io.ComfyNode):
    """Edit all captions by rules, or single ones by file name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_EditCaptions",
            display_name="Edit Captions",
            category=CATEGORY,
            description="Replaces, removes, adds and shuffles parts of all captions, or sets captions of single "
            "pictures, and shows what changed. Files are not changed.",
            inputs=_inputs(),
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The pictures with their edited captions."),
                captions_output(),
                io.String.Output("changes", tooltip="Each changed caption, before and after."),
            ],
        )

    @classmethod
    def execute(cls, dataset: Dataset, remove: str, add: str, overrides: str = "", **edits: Any) -> io.NodeOutput:
        from ...engine.captions.edit_notes import edit_notes
        from ...engine.captions.edits import CaptionEdits, changes, edit_captions
        from ...engine.captions.overrides import parse_overrides
        from ...engine.captions.templates import caption_table
        from ...engine.data.tags import split_tags

        by_name = parse_overrides(overrides, dataset)
        tags = {"remove": tuple(split_tags(remove)), "add": tuple(split_tags(add))}
        chosen = CaptionEdits(**tags, overrides=by_name, **edits)
        edited = edit_captions(dataset, chosen)
        notes = edit_notes(dataset, edited, chosen)
        told = changed_captions(dataset, edited, notes)
        tell(told.split("\n\n")[0])
        report = {"changed": len(changes(dataset, edited)), "notes": notes}
        ui = shown(text=told, report=report, gallery=gallery(edited))
        return io.NodeOutput(edited, caption_table(edited), told, ui=ui)


def changed_captions(before: Dataset, after: Dataset, notes: Sequence[str]) -> str:
    """How many captions changed, the notes, and each changed caption before and after."""
    from ...engine.captions.edits import changes

    changed = changes(before, after)
    lines = [f"{len(changed)} of {len(after)} captions changed"]
    if after.triggers and (lost := after.missing_trigger()):
        words = ", ".join(repr(trigger.word) for trigger in after.triggers)
        lines.append(f"now without the trigger word {words}: {first_of(lost)}")
    lines += notes
    for name, old, new in changed:
        lines += ["", name, f"- {old or '(no caption)'}", f"+ {new or '(no caption)'}"]
    return "\n".join(lines)


def _inputs() -> list[io.Input]:
    return [
        sockets.Dataset.Input("dataset", tooltip="Data set whose captions to edit."),
        io.String.Input("find", default="", tooltip="Text to replace, case-sensitive. Empty: nothing is replaced."),
        io.String.Input("replace_with", default="", tooltip="Replacement for find. Empty deletes the text."),
        io.Boolean.Input(
            "regex",
            default=False,
            tooltip=r"Treat find as a regular expression; \1 in replace_with is its first group. Patterns that take "
            "too long are aborted.",
        ),
        io.String.Input(
            "remove",
            default="",
            multiline=True,
            tooltip="Tags to remove, comma-separated or one per line. For words in prose, use find.",
        ),
        io.String.Input(
            "add",
            default="",
            multiline=True,
            tooltip="Tags to append to captions that lack them, comma-separated or one per line. Prose keeps every "
            "letter; they follow behind it.",
        ),
        io.String.Input("prefix", default="", tooltip="Text to put before each caption, including its spaces."),
        io.String.Input("suffix", default="", tooltip="Text to put after each caption, including its spaces."),
        io.Boolean.Input(
            "shuffle",
            default=False,
            tooltip="Shuffle the tags once; captions in prose keep their order. To vary it during training, use the "
            "recipe's caption_shuffle.",
        ),
        io.Int.Input(
            "keep",
            default=1,
            min=0,
            max=100,
            tooltip="Leading tags that shuffle leaves in place; a ||| in a caption marks their end.",
        ),
        seed_input(tooltip="Seed of the shuffled order."),
        io.String.Input(
            "overrides",
            default="",
            multiline=True,
            optional=True,
            placeholder="fox 2.png: a fox in snow",
            tooltip="Captions of single pictures, one per line, as file name: caption. Used literally; the edits above "
            "don't apply.",
        ),
        io.String.Input(
            "separator",
            default="",
            optional=True,
            tooltip="Where captions are split into tags, such as | or ;. Empty: at commas of all scripts and line "
            "ends, and not in prose.",
            extra_dict=ADVANCED,
        ),
    ]
