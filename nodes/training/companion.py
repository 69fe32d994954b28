"""The node *Companion Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.adapters import adapter_input, as_adapter
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.stack import Role, Stack
    from ..kit.adapters import LoraModel

_EFFECTS = {
    "training_only": "on while training; off in sample pictures, and not in the trained adapter",
    "context": "part of the base model, in sample pictures too; use it together with the trained adapter",
    "start_from": "training starts from its values",
}
"""Role -> what becomes of the adapter."""


class Companion(io.ComfyNode):
    """Add an adapter with a role to the companions of a training."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_Companion",
            display_name="Companion Adapter",
            category=CATEGORY,
            description="Adds an adapter with a role to the companions of a training: one that is on while training "
            "only, one that is part of the base model, or one to start from. Chain these nodes for several.",
            inputs=[
                adapter_input("Adapter to train with; a LORA_MODEL works too."),
                io.Combo.Input(
                    "role",
                    options=list(_EFFECTS),
                    default="training_only",
                    tooltip="training_only: on while training and off in pictures, such as the training adapter of a "
                    "distilled base model. context: part of the base model. start_from: its values are the first "
                    "values.",
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="Strength of the adapter. Companions are made for 1; 0 leaves it out.",
                ),
                sockets.Stack.Input(
                    "companions", optional=True, tooltip="Companions to add to; leave empty to start with this one."
                ),
            ],
            outputs=[
                sockets.Stack.Output(
                    "companions", tooltip="The companions with this one added, for Train LoRA and Train Slider."
                )
            ],
        )

    @classmethod
    def execute(
        cls, adapter: Adapter | LoraModel, role: Role, weight: float, companions: Stack | None = None
    ) -> io.NodeOutput:
        from ...engine.adapters.stack import Stack, StackEntry

        entry = StackEntry(as_adapter(adapter), weight, weight, role=role)
        text = f"{entry.adapter.name}: {_EFFECTS[role] if entry.active else 'not used, as its weight is 0'}"
        tell(text)
        return io.NodeOutput((companions or Stack()).adding(entry), ui=shown(text=text))
