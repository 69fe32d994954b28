"""What nodes show of the noise levels that a recipe trains on: a sentence, plain values and a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone
    from ...engine.training.recipe import Recipe

_TOKEN_SIDE = 16
"""Side of a token in pixels, of nearly all flow models: autoencoders by 8 with patches of 2, or by 16 without."""
_USUAL_SIDE = 1024
"""Side in pixels of pictures where the recipe leaves it to the base model."""


class ShownLevels(NamedTuple):
    """The noise levels of a run."""

    text: str
    """Empty where all levels are trained alike, as models that aren't flow models usually are."""
    report: dict[str, Any]
    plot: Image | None
    """``None`` where there is no text."""


def levels_of_run(recipe: Recipe, dataset: Dataset, base: Backbone, title: str) -> ShownLevels:
    """Those that a recipe trains on with a base model, at the most common size of the pictures."""
    from ...engine.diffusion.noise_levels import NoiseLevels
    from ...engine.figures.noise_levels import noise_level_plot
    from ...engine.training.levels import levels_report, sampled_levels, trained_levels, usual_tokens

    levels, tokens = trained_levels(recipe.noise, base.info), usual_tokens(recipe, dataset, base.info)
    report = levels_report(levels, tokens)
    if levels == NoiseLevels() and base.info.prediction_type != "flow":
        return ShownLevels("", report, None)
    plot = noise_level_plot(levels, tokens=tokens, sampled=sampled_levels(base.info), title=title)
    return ShownLevels(f"noise levels: {levels.in_words(tokens=tokens)}", report, plot)


def levels_of_recipe(recipe: Recipe) -> tuple[str, Image]:
    """What can be told without the base model, which may shift the levels itself."""
    from ...engine.figures.noise_levels import noise_level_plot
    from ...engine.training.levels import levels_without_base

    side = recipe.batches.resolution or _USUAL_SIDE
    levels, tokens = levels_without_base(recipe.noise), (side / _TOKEN_SIDE) ** 2
    where = {
        "resolution": f" of a flow model at {side} pixels",
        "model": " before a flow model's own shift, which is drawn below Recipe and Train LoRA",
    }.get(recipe.noise.noise_shift, "")
    title = f"Noise levels{where}"
    return f"{title}: {levels.in_words(tokens=tokens)}", noise_level_plot(levels, tokens=tokens, title=title)
