"""The node that takes captions from other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.shown import shown

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from . import CATEGORY


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
        from ...engine.captions.templates import caption_table, give_captions

        a_list = len(captions) > 1 or len(dataset[0]) == 1  # the only picture's caption may have several lines
        given = captions if a_list else captions[0].rstrip("\r\n").splitlines()
        captioned = give_captions(dataset[0], given, keep_existing=keep_existing[0])
        table = caption_table(captioned)
        return io.NodeOutput(captioned, table, ui=shown(text=table))
