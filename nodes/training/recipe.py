"""The node *Recipe*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.data.goals import USUAL
from ..host import io
from ..kit import sockets
from ..kit.inputs import problem
from ..kit.noise_levels import levels_of_run
from ..kit.pictures import to_tensor
from ..kit.settings import in_lines, parse_settings
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone


class Recipe(io.ComfyNode):
    """Suggest the settings of a training."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        from ...engine.training.quality import QUALITIES

        return io.Schema(
            node_id="LW_Recipe",
            display_name="Recipe",
            category=CATEGORY,
            description="Suggests every setting of a training from the data set, the base model and the goal, and says "
            "why. To choose settings yourself, add a Recipe node of their group after it.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The number of its pictures decides how long to train."),
                sockets.Base.Input("base", tooltip="Its family and resolution decide the other values."),
                io.Combo.Input(
                    "goal",
                    options=list(USUAL),
                    default="subject",
                    tooltip="What to teach: a thing, a style, a product or a person. A style gets more capacity.",
                ),
                io.Combo.Input(
                    "quality",
                    options=list(QUALITIES),
                    default="standard",
                    tooltip="How long to train: draft takes half the usual steps, thorough 1.5 times as many.",
                ),
                io.String.Input(
                    "settings",
                    default="",
                    multiline=True,
                    optional=True,
                    placeholder="steps = 300",
                    tooltip="Settings that replace the suggested ones, as name = value, one per line or separated by "
                    "semicolons: steps = 300; rank = 8.",
                ),
            ],
            accept_all_inputs=True,
            outputs=[
                sockets.Recipe.Output("recipe", tooltip="All settings of the training."),
                io.String.Output("reason", tooltip="Why these values, and which of them were chosen by hand."),
            ],
        )

    @classmethod
    def validate_inputs(cls, settings: str | None = None) -> bool | str:
        return problem(parse_settings, settings)

    @classmethod
    def execute(
        cls, dataset: Dataset, base: Backbone, goal: Any, quality: Any, settings: str = "", **named: Any
    ) -> io.NodeOutput:
        """``named`` are settings that a graph written by hand or ``--set`` gives as inputs of their own."""
        from ...engine.training.epochs import in_steps, length
        from ...engine.training.levels import usual_tokens
        from ...engine.training.notes import Plan, notes
        from ...engine.training.resolved import known_of
        from ...engine.training.suggestions import recipe_table, suggest, with_changes

        chosen = parse_settings(in_lines(settings, named))
        recipe = with_changes(suggest(goal, len(dataset), base.info, quality), chosen)
        planned = in_steps(recipe, dataset)
        told = notes(Plan(recipe=planned, dataset=dataset, base=base, has_prior=None))
        lasts = length(planned, dataset)
        levels = levels_of_run(planned, dataset, base, f"Noise levels on {base.info.name or base.info.traits.title}")
        tell("\n".join([recipe.reason, *told]))
        text = "\n\n".join(
            ["\n".join([recipe.reason, lasts, *filter(None, [levels.text]), *told]), recipe_table(recipe)]
        )
        report = {"settings": recipe.flat(), "length": lasts, "noise_levels": levels.report, "notes": told}
        plot = to_tensor([levels.plot]) if levels.plot else None
        form = {"lw_recipe": [known_of(base.info, len(dataset), usual_tokens(planned, dataset, base.info))]}
        return io.NodeOutput(recipe, recipe.reason, ui=shown(text=text, preview=plot, report=report) | form)
