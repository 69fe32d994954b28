"""The node *Join Data Sets*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.datasets import in_figures, in_words
from ..kit.galleries import gallery
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset


class JoinDatasets(io.ComfyNode):
    """Join data sets into one."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_JoinDatasets",
            display_name="Join Data Sets",
            category=CATEGORY,
            description="Joins data sets into one, to teach several concepts at once; each keeps its trigger word.",
            inputs=[
                sockets.Dataset.Input("first", tooltip="Data set whose pictures come first."),
                sockets.Dataset.Input("second", tooltip="Its pictures follow."),
                sockets.Dataset.Input("third", optional=True, tooltip="A third data set, if there is one."),
                sockets.Dataset.Input("fourth", optional=True, tooltip="A fourth; for more, join what was joined."),
            ],
            outputs=[
                sockets.Dataset.Output("dataset", tooltip="All pictures, their names below those of their data sets.")
            ],
        )

    @classmethod
    def execute(
        cls, first: Dataset, second: Dataset, third: Dataset | None = None, fourth: Dataset | None = None
    ) -> io.NodeOutput:
        from ...engine.data.joining import joined

        dataset = joined([part for part in (first, second, third, fourth) if part])
        text = in_words(dataset)
        tell(text)
        return io.NodeOutput(dataset, ui=shown(text=text, report=in_figures(dataset), gallery=gallery(dataset)))
