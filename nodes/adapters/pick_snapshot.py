"""The node *Pick Snapshot*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.runs.snapshots import Snapshots


class PickSnapshot(io.ComfyNode):
    """Choose the adapter as it was after a step of its training."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PickSnapshot",
            display_name="Pick Snapshot",
            category=CATEGORY,
            description="Chooses one of the adapters that a training has kept on its way, and hands it on.",
            inputs=[
                sockets.Snapshots.Input("snapshots", tooltip="From Train LoRA or Train Slider."),
                io.Combo.Input(
                    "by",
                    options=["last", "step"],
                    default="last",
                    tooltip="last: the finished adapter, or the one of a run that was stopped. step: the snapshot "
                    "nearest to a step.",
                ),
                io.Int.Input(
                    "step",
                    default=100,
                    min=1,
                    max=1_000_000,
                    tooltip="With by = step: the adapter after this step, or after the nearest one that there is a "
                    "snapshot of.",
                ),
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter as it was after that step."),
                io.String.Output("report", tooltip="Which one it is, and which there are."),
            ],
        )

    @classmethod
    def execute(cls, snapshots: Snapshots, by: str, step: int) -> io.NodeOutput:
        picked = snapshots.last if by == "last" else snapshots.at(step)
        with host().computing():
            adapter = picked.adapter()
        text = f"{picked.name}: after step {picked.step} of {snapshots.steps}\n{snapshots.in_words()}"
        if by == "step" and picked.step != step:
            text += f"\nThere is no snapshot after step {step}; this is the nearest one."
        tell(text)
        report = {"name": picked.name, "step": picked.step, "steps": [*snapshots.by_step], "stopped": snapshots.stopped}
        return io.NodeOutput(adapter, text, ui=shown(text=text, report=report))
