"""The node *Plan Slider*."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import lines, problem
from ..kit.settings import parse_settings
from ..kit.shown import shown
from . import CATEGORY
from .train_slider import both, direction_inputs, optional_inputs, recipe_of, slider_of

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.training.recipe import Recipe


class PlanSlider(io.ComfyNode):
    """Say what training a slider will take, without training."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PlanSlider",
            display_name="Plan Slider",
            category=CATEGORY,
            description="Says what training a slider will take before it starts: memory, time and disk, and what would "
            "make it fit onto smaller cards. Nothing is generated or trained.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model to train on."),
                *direction_inputs(),
                io.Boolean.Input(
                    "trial", default=True, tooltip="Make a trial step, to tell the time. Off: memory and disk only."
                ),
                *optional_inputs(),
            ],
            outputs=[
                io.String.Output("report", tooltip="Memory, time and disk, and smaller cards, one fact per line."),
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, settings: str | None = None) -> bool | str:
        return problem(parse_settings, settings)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> float:
        """Free memory is another every time."""
        del inputs
        return time.time()

    @classmethod
    def execute(
        cls,
        base: Backbone,
        trial: bool,
        settings: str = "",
        recipe: Recipe | None = None,
        positive_pictures: Dataset | None = None,
        negative_pictures: Dataset | None = None,
        companions: Stack | None = None,
        **prompts: Any,
    ) -> io.NodeOutput:
        """``prompts`` are the inputs from ``positive`` to ``pictures``."""
        from ...engine.runs.slider_forecasts import forecast_picture_slider, forecast_prompt_slider

        recipe = recipe_of(base, recipe, settings)
        run = {"store": host().run_store(), "companions": companions, "trial": trial}
        if positive_pictures is None and negative_pictures is None:
            events = forecast_prompt_slider(base, slider_of(prompts), recipe, pictures=prompts["pictures"], **run)
        else:
            pairs = both(positive_pictures, negative_pictures)
            events = forecast_picture_slider(base, *pairs, recipe, prompts=lines(prompts["neutral"]), **run)
        found = host().drive(events)
        return io.NodeOutput(str(found), ui=shown(text=str(found), report=found.report()))
