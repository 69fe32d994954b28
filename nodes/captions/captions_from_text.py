"""The node *Captions from Text*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.datasets import captions_output
from ..kit.galleries import gallery
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset


class CaptionsFromText(io.ComfyNode):
    """Caption a data set with the text output of other nodes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CaptionsFromText",
            display_name="Captions from Text",
            category=CATEGORY,
            description="Captions a data set with the output of other captioning nodes, or with one line per picture.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Pictures, in the order of the captions."),
                io.String.Input(
                    "captions",
                    default="",
                    multiline=True,
                    tooltip="One caption per picture: a list from another node, or one per line. A blank caption "
                    "leaves its picture without one.",
                ),
                io.Boolean.Input(
                    "keep_existing",
                    default=False,
                    tooltip="Keep captions that pictures already have. Still give one caption for every picture.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="The pictures with these captions."),
                captions_output(),
            ],
            is_input_list=True,
        )

    @classmethod
    def execute(cls, dataset: list[Dataset], captions: list[str], keep_existing: list[bool]) -> io.NodeOutput:
        from ...engine.captions.templates import caption_table, give_captions
        from ...engine.data.caption_remarks import caption_remarks

        a_list = len(captions) > 1 or len(dataset[0]) == 1  # the caption of a single picture may have several lines
        given = captions if a_list else captions[0].rstrip("\r\n").splitlines()
        captioned = give_captions(dataset[0], given, keep_existing=keep_existing[0])
        table = caption_table(captioned)
        notes = caption_remarks(captioned)
        tell("\n".join(notes))
        text = "\n".join([*notes, table])
        return io.NodeOutput(captioned, table, ui=shown(text=text, report={"notes": notes}, gallery=gallery(captioned)))
