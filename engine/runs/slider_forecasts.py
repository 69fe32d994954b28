"""What a slider's run will take, before it starts: that of any run, on the pictures that it will be learned on."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from ..core.events import Event
from ..core.words import counted
from ..data.dataset import Dataset
from ..data.loading import dataset_from_images
from ..data.opposites import opposites
from ..models.contract import Backbone
from ..training.recipe import Recipe
from ..training.slider import PictureSlider, PromptSlider
from .forecast import Forecast
from .forecasting import forecast
from .sliders import check_pictures, check_recipe


def forecast_prompt_slider(
    base: Backbone, slider: PromptSlider, recipe: Recipe, *, pictures: int, **named: Any
) -> Generator[Event, None, Forecast]:
    """What :func:`~.sliders.train_prompt_slider` will take, with the same arguments; no picture is generated.

    Args:
        named: further arguments of :func:`~.forecast.forecast`.

    Raises:
        WorkbenchError: as for training.
    """
    check_recipe(recipe)
    check_pictures(slider, pictures)
    side = recipe.batches.resolution or base.info.resolution
    told = f"First it generates {counted(pictures, 'picture')} of {side} x {side} pixels, which aren't in the time."
    return (
        yield from forecast(
            base, _stand_ins(slider, pictures, side), recipe, slider=slider, notes=(told,), **named
        )
    )  # fmt: skip


def forecast_picture_slider(
    base: Backbone, positives: Dataset, negatives: Dataset, recipe: Recipe, *, prompts: tuple[str, ...], **named: Any
) -> Generator[Event, None, Forecast]:
    """What :func:`~.sliders.train_picture_slider` will take, with the same arguments.

    Args:
        named: further arguments of :func:`~.forecast.forecast`.

    Raises:
        WorkbenchError: as for training.
    """
    check_recipe(recipe)
    pairs = opposites(positives, negatives, prompts)
    slider = PictureSlider(negatives=pairs.negatives)
    return (yield from forecast(base, pairs.positives, recipe, slider=slider, notes=pairs.notes, **named))


def _stand_ins(slider: PromptSlider, count: int, side: int) -> Dataset:
    """Blank pictures of the size and with the captions of those that will be generated."""
    from PIL import Image

    blank = dataset_from_images([Image.new("RGB", (side, side))], [slider.neutral[0]], "neutral pictures")
    captions = [slider.neutral[number % len(slider.neutral)] for number in range(count)]
    return replace(blank, records=tuple(replace(blank.records[0], caption=caption) for caption in captions))
