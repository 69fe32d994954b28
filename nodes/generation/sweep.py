"""The node *Sweep*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.words import counted, first_of
from ..host import host, io
from ..kit import sockets
from ..kit.batches import adapter_file, adapter_named, jobs_input
from ..kit.shown import shown, tell
from ..kit.vault import state_of
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.batches.sweep import Sweep as Jobs
    from ...engine.runs.snapshots import Snapshots

AXES = (
    "prompt", "replace in prompt", "negative prompt", "seed", "adapters", "stack", "weight", "snapshot", "steps",
    "guidance", "size",
)  # fmt: skip
"""``engine.batches.axes.KINDS``, which a test compares: schemas load nothing of the engine that is heavy."""


class Sweep(io.ComfyNode):
    """Add an axis to the pictures of a batch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_Sweep",
            display_name="Sweep",
            category=CATEGORY,
            description="Varies one thing of a batch: prompt, seed, adapters, weight, snapshot, steps, guidance or "
            "size. Chain these nodes for every combination, as in an X/Y/Z plot.",
            inputs=[
                io.Combo.Input("axis", options=list(AXES), default="weight", tooltip="What differs between pictures."),
                io.String.Input(
                    "values",
                    default="0.25, 0.5, 0.75, 1",
                    multiline=True,
                    tooltip="Prompts: one a line. Numbers: 0.4, 0.6 or a range, 0-9, 0-1 (0.25) by steps or 0-1 [5] by "
                    "count. Sizes: 512x768. Adapters: a line such as fox:0.8 + riso:0.6 for each value. Snapshots: "
                    "their steps, or empty for all.",
                ),
                io.Boolean.Input(
                    "no_adapter",
                    default=True,
                    tooltip="Begin with the picture without adapter, or at weight 0; for adapters, stack, weight and "
                    "snapshot.",
                ),
                io.String.Input(
                    "adapter",
                    default="",
                    tooltip="For weight: name of the adapter; empty for the one that another sweep exchanges, or the "
                    "stack's only one.",
                ),
                jobs_input("Another sweep, within which this one varies."),
                sockets.Stack.Input(
                    "stack",
                    optional=True,
                    tooltip="For adapters: each of them alone is a value. For stack: the whole is one value.",
                ),
                *(
                    sockets.Stack.Input(f"stack_{number}", optional=True, tooltip="Another one, as stack.")
                    for number in (2, 3, 4)
                ),
                sockets.Snapshots.Input("snapshots", optional=True, tooltip="For snapshot: those of a training."),
            ],
            outputs=[sockets.Jobs.Output("jobs", tooltip="What varies, for Generate Batch or another sweep.")],
        )

    @classmethod
    def fingerprint_inputs(cls, axis: str, values: str | None = "", **_: Any) -> list[Any]:
        from ...engine.batches.texts import file_names

        named = file_names(values or "") if axis in ("adapters", "stack") else ()
        return [state_of(adapter_file(name)) for name in named]

    @classmethod
    def execute(
        cls,
        axis: str,
        values: str,
        no_adapter: bool,
        adapter: str,
        jobs: Jobs | None = None,
        stack: Stack | None = None,
        stack_2: Stack | None = None,
        stack_3: Stack | None = None,
        stack_4: Stack | None = None,
        snapshots: Snapshots | None = None,
    ) -> io.NodeOutput:
        from ...engine.batches.making import Given, make_axis
        from ...engine.batches.sweep import Sweep as Jobs

        stacks = tuple(one for one in (stack, stack_2, stack_3, stack_4) if one is not None)
        given = Given(
            kind=axis, text=values, adapter=adapter.strip(), without=no_adapter, stacks=stacks, snapshots=snapshots
        )
        with host().computing():
            made = make_axis(given, adapter_named)
        swept = (jobs or Jobs()).adding(made)
        labels = [value.label for value in made.values]
        text = f"{made.name}: {first_of(labels, 8)}\n{counted(len(swept), 'combination')} so far"
        tell(text)
        return io.NodeOutput(swept, ui=shown(text=text, report={"axis": made.name, "values": labels}))
