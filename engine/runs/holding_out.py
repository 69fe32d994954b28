"""The pictures that a run holds out; which ones is kept in the run store, so that pictures aren't decoded each time."""

from __future__ import annotations

import json
from collections.abc import Generator

from ..core.events import Event, Progress
from ..core.keys import content_key
from ..data.dataset import Dataset
from ..evaluation.holding_out import Look, covering, named, share_of, split, with_copies
from ..training.recipe import Recipe
from .store import RunStore


def held_apart(
    dataset: Dataset, recipe: Recipe, store: RunStore
) -> Generator[Event, None, tuple[Dataset, Dataset | None]]:
    """The pictures that are trained on, and those that the recipe holds out, if it does.

    Args:
        dataset: all pictures.
        recipe: with a share or names.
        store: where the choice is kept.

    Raises:
        ConfigError: a name is of no picture.
        DatasetError: too few pictures stay, or one can't be decoded.
    """
    settings = recipe.measuring
    if not settings.holds_out or not len(dataset):
        return dataset, None
    hashes = [record.content_hash for record in dataset]
    wanted = [hashes[place] for place in named(dataset, settings.held_out_pictures)]
    key = content_key("held out", sorted(hashes), settings.held_out, sorted(wanted))
    if (known := _known(store, key)) is None:
        looks = yield from _looks(dataset)
        if wanted:
            chosen = with_copies([place for place, own in enumerate(hashes) if own in wanted], looks)
        else:
            chosen = covering(looks, share_of(len(dataset), settings.held_out), hashes)
        known = sorted({hashes[place] for place in chosen})
        store.held_out.put(key, json.dumps(known))
    return split(dataset, [place for place, own in enumerate(hashes) if own in known])


def _known(store: RunStore, key: str) -> list[str] | None:
    """The content hashes that were chosen before."""
    try:
        return json.loads(store.held_out.get(key) or "")
    except ValueError:
        return None  # not chosen yet, or damaged


def _looks(dataset: Dataset) -> Generator[Event, None, list[Look]]:
    made = []
    for record in dataset:
        made.append(Look.of(record))
        yield Progress(done=len(made), total=len(dataset), label="comparing pictures to hold some out")
    return made
