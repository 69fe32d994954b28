"""The node *Pick Snapshot*."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...engine.adapters.metadata import VERDICT
from ..host import host, io
from ..kit import sockets
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell
from ..kit.verdicts import plot_of_verdict
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.runs.snapshots import Snapshots


_UNMEASURED = {
    "verdict": "Nothing was measured, so this is the last one: set measures = true in the recipe for a verdict, and "
    "held_out = 0.2 so that it can tell over-fitting, or connect Compare Snapshots before.",
    "last": "",
    "step": "",
}
"""What is said without a verdict, by how the snapshot is chosen."""


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
                    options=["verdict", "last", "step"],
                    default="verdict",
                    tooltip="verdict: the one that its measures tell to use; they need measures = true in the recipe. "
                    "last: the finished adapter, or the one of a run that was stopped. step: the snapshot nearest to "
                    "a step.",
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
                io.String.Output("report", tooltip="Which one it is and why, and which there are."),
                io.Image.Output("plot", tooltip="What was measured of the snapshots, with the one to use."),
            ],
        )

    @classmethod
    def execute(cls, snapshots: Snapshots, by: str, step: int) -> io.NodeOutput:
        found = snapshots.verdict
        if by == "verdict":
            step = found.best if found else snapshots.last.step
        picked = snapshots.last if by == "last" else snapshots.at(step)
        with host().computing():
            adapter = picked.adapter()
        if found and picked.step == found.best:
            adapter = replace(adapter, metadata={**adapter.metadata, VERDICT: str(found)})
        text = f"{picked.name}: after step {picked.step} of {snapshots.steps}\n{snapshots.in_words()}"
        if by != "last" and picked.step != step:
            text += f"\nThere is no snapshot after step {step}; this is the nearest one."
        text += f"\n{found or _UNMEASURED[by]}".rstrip()
        tell(text)
        report = {
            "name": picked.name, "step": picked.step, "steps": [*snapshots.by_step], "stopped": snapshots.stopped,
            "verdict": found.facts() if found else None,
        }  # fmt: skip
        plot = to_tensor([plot_of_verdict(snapshots)])
        preview = plot if found else None
        return io.NodeOutput(adapter, text, plot, ui=shown(text=text, preview=preview, report=report, cls=cls))
