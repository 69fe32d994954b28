"""Training a slider: the pictures that it is learned on, and a run like any other."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from ..adapters.companions import Companions
from ..adapters.stack import Stack
from ..core.errors import ConfigError, TrainingError
from ..core.events import Event, Message
from ..core.words import counted
from ..data.dataset import Dataset
from ..data.opposites import opposites
from ..generation.batch import GenerationRequest
from ..generation.class_pictures import class_pictures
from ..models.contract import Backbone
from ..training.recipe import Recipe
from ..training.slider import PictureSlider, PromptSlider
from .key import check_measuring
from .store import RunStore
from .train import TrainedAdapter, train_adapter


def train_prompt_slider(
    base: Backbone,
    slider: PromptSlider,
    recipe: Recipe,
    *,
    pictures: int,
    seed: int,
    store: RunStore,
    companions: Stack | None = None,
    **named: Any,
) -> Generator[Event, None, TrainedAdapter]:
    """Train a slider between two prompts on pictures that the base model generates of the neutral prompts.

    The pictures are only where the base model's predictions are asked for; they are kept in the run store. A context is
    part of the base model in them too.

    Args:
        base: left unchanged.
        slider: the prompts.
        recipe: how to train.
        pictures: how many to generate, 1 or more; the neutral prompts take turns.
        seed: of the pictures and of the run.
        store: as for :func:`train_adapter`, which has also ``companions`` and what is ``named``.

    Raises:
        AdapterError: a companion can't be used.
        ConfigError: there are fewer pictures than neutral prompts.
        TrainingError: the recipe trains the text encoder.
        WorkbenchError: as for :func:`train_adapter`.
    """
    check_recipe(recipe)
    context = Companions.of(companions).context
    check_pictures(slider, pictures)
    usual, side = base.info.generation, recipe.batches.resolution
    request = GenerationRequest(
        prompts=slider.neutral, seeds=(seed,), steps=usual.steps, guidance=usual.guidance, width=side, height=side
    )
    made = yield from class_pictures(base, request, pictures, store.class_pictures, context)
    dataset = replace(made, name="neutral pictures")
    return (
        yield from train_adapter(
            base, dataset, recipe, seed=seed, store=store, slider=slider, companions=companions, **named
        )
    )


def train_picture_slider(
    base: Backbone,
    positives: Dataset,
    negatives: Dataset,
    recipe: Recipe,
    *,
    prompts: tuple[str, ...],
    name: str,
    **named: Any,
) -> Generator[Event, None, TrainedAdapter]:
    """Train a slider between the pictures of pairs.

    Args:
        base: left unchanged.
        positives: what weight 1 shows.
        negatives: what weight -1 shows; matched by file name.
        recipe: how to train.
        prompts: as for :func:`opposites`.
        name: of the adapter.
        named: further arguments of :func:`train_adapter`.

    Raises:
        TrainingError: the recipe trains the text encoder.
        WorkbenchError: as for :func:`opposites` and :func:`train_adapter`.
    """
    check_recipe(recipe)
    pairs = opposites(positives, negatives, prompts)
    yield from (Message(text=f"{name}: {note}") for note in pairs.notes)
    slider = PictureSlider(negatives=pairs.negatives)
    trained = yield from train_adapter(base, pairs.positives, recipe, name=name, slider=slider, **named)
    return replace(trained, notes=(*pairs.notes, *trained.notes))


def check_pictures(slider: PromptSlider, pictures: int) -> None:
    """Refuse fewer pictures than neutral prompts.

    Raises:
        ConfigError: as said.
    """
    if pictures < len(slider.neutral):
        raise ConfigError(
            f"{counted(pictures, 'picture')} for {counted(len(slider.neutral), 'neutral prompt')}.",
            expected="at least one picture for each",
            hint="raise pictures, or give fewer prompts.",
        )


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe that trains the text encoder, or measures.

    Raises:
        TrainingError: as said.
    """
    check_measuring(recipe, "a slider is")
    if recipe.adapter.train_text_encoder:
        raise TrainingError(
            "The recipe trains the text encoder, but a slider leaves it as it is.",
            expected="train_text_encoder off",
            hint="write train_text_encoder = false into settings, or connect no recipe: then one is suggested.",
        )
