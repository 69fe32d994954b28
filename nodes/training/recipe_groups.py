"""A node for each group of a recipe's settings. Its inputs are the group's settings, and show what will be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.training.recipe import GROUPS
from ...engine.training.settings import NoiseSettings
from ..host import io
from ..kit import sockets
from ..kit.noise_levels import levels_of_recipe
from ..kit.pictures import to_tensor
from ..kit.settings import setting_inputs, setting_values
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.core.fields import Settings
    from ...engine.training.recipe import Recipe


def _node(name: str, group: type[Settings]) -> type[io.ComfyNode]:
    class RecipeGroup(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id=f"LW_Recipe{name.title()}",
                display_name=f"Recipe: {group.title}",
                category=CATEGORY,
                description=f"{group.__doc__} Replaces these settings of a recipe by exactly the values shown here.",
                inputs=[
                    sockets.Recipe.Input("recipe", tooltip="The recipe whose settings of this group are replaced."),
                    *setting_inputs(group),
                ],
                outputs=[
                    sockets.Recipe.Output("recipe", tooltip="The recipe with these settings."),
                    io.String.Output("changes", tooltip="Each setting that was changed, and its value before."),
                ],
            )

        @classmethod
        def execute(cls, recipe: Recipe, **inputs: Any) -> io.NodeOutput:
            from ...engine.training.suggestions import changed_settings, with_changes

            made = with_changes(recipe, setting_values(group, inputs))
            changes = "\n".join(changed_settings(recipe.flat(), made.flat())) or "Nothing differs from the recipe."
            tell(changes)
            if group is not NoiseSettings:
                return io.NodeOutput(made, changes, ui=shown(text=changes))
            levels, plot = levels_of_recipe(made)
            return io.NodeOutput(made, changes, ui=shown(text=f"{changes}\n\n{levels}", preview=to_tensor([plot])))

    RecipeGroup.__name__ = RecipeGroup.__qualname__ = f"Recipe{name.title()}"
    RecipeGroup.__doc__ = group.__doc__
    return RecipeGroup


RECIPE_NODES = [_node(name, group) for name, group in GROUPS.items()]
"""In the order of the groups."""
