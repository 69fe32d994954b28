"""The node *Schedule Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.adapters import triggers_output
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack


class ScheduleAdapter(io.ComfyNode):
    """Let an adapter's weight change by sampling step."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ScheduleAdapter",
            display_name="Schedule Adapter",
            category=CATEGORY,
            description="Lets the weight of one adapter of a stack change while a picture is sampled: such as the "
            "subject first, and the style later. The text-encoder part keeps its weight.",
            inputs=[
                sockets.Stack.Input("stack", tooltip="Stack that has the adapter, from Stack Adapters."),
                io.String.Input(
                    "adapter",
                    default="",
                    tooltip="Which one: its name, or its number in the stack, counted from 1. Empty: the last.",
                ),
                io.String.Input(
                    "schedule",
                    default="0: 1, 0.5: 0",
                    tooltip="Pairs of a share of the sampling, from 0 to below 1, and what the weight is multiplied "
                    "by from there on. 0: 1, 0.5: 0 is on for the first half. Empty: always on.",
                ),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="The stack with the schedule, for Generate and Apply Stack."),
                triggers_output(),
            ],
        )

    @classmethod
    def execute(cls, stack: Stack, adapter: str, schedule: str) -> io.NodeOutput:
        from ...engine.adapters.schedules import in_words, schedule_of

        steps, index = schedule_of(schedule), stack.index_of(adapter)
        scheduled = stack.with_steps(index, steps)
        entry = scheduled.entries[index]
        off = "" if entry.active else "; it is off"
        text = f"{entry.adapter.name}: weight {entry.weight:g} times {in_words(steps) or '1 throughout'}{off}"
        tell(text)
        return io.NodeOutput(scheduled, ", ".join(scheduled.triggers()), ui=shown(text=text))
