"""The node *Plan Training*."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.training.recipe import Recipe


class PlanTraining(io.ComfyNode):
    """Say what a training will take, without training."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PlanTraining",
            display_name="Plan Training",
            category=CATEGORY,
            description="Says what a training will take before it starts: memory, time and disk, and what would "
            "make it fit onto smaller cards. Nothing is trained.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model to train on."),
                sockets.Dataset.Input("dataset", tooltip="Training pictures; the largest decide about the memory."),
                sockets.Recipe.Input("recipe", tooltip="Training settings, from Recipe."),
                io.Boolean.Input(
                    "trial",
                    default=True,
                    tooltip="Make a trial step on the largest pictures, to tell the time. Off: memory and disk only.",
                ),
                sockets.Dataset.Input(
                    "regularization", optional=True, tooltip="Regularization pictures, as for Train LoRA."
                ),
                sockets.Stack.Input("companions", optional=True, tooltip="Companions, as for Train LoRA."),
                io.Combo.Input(
                    "trains",
                    options=["adapter", "all weights"],
                    default="adapter",
                    optional=True,
                    tooltip="adapter: as Train LoRA does. all weights: as Train DreamBooth does, which needs far more; "
                    "whether there is room for it is told first.",
                ),
            ],
            outputs=[
                io.String.Output("report", tooltip="Memory, time and disk, and smaller cards, one fact per line."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> float:
        """Free memory is another every time."""
        del inputs
        return time.time()

    @classmethod
    def execute(
        cls,
        base: Backbone,
        dataset: Dataset,
        recipe: Recipe,
        trial: bool,
        regularization: Dataset | None = None,
        companions: Stack | None = None,
        trains: str = "adapter",
    ) -> io.NodeOutput:
        from ...engine.core.errors import ConfigError
        from ...engine.runs.forecasting import forecast

        whole = trains == "all weights"
        if whole and companions is not None:
            raise ConfigError(
                "Companions are connected, and all weights are to be trained.",
                expected="companions only where an adapter is trained",
                hint="disconnect them, or set trains to adapter.",
            )
        found = host().drive(
            forecast(
                base, dataset, recipe, store=host().run_store(), regularization=regularization,
                companions=companions, whole=whole, trial=trial,
            )
        )  # fmt: skip
        return io.NodeOutput(str(found), ui=shown(text=str(found), report=found.report()))
