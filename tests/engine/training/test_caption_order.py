"""Captions with shuffled tags: encoded once each, seen by seed and step alone, and nothing to runs without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from generators import closed_at, finish, step_done
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.core.cache import TensorCache
from lora_workbench.engine.core.events import Message, Progress
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.tags import split_tags
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.caption_order import DROPOUT_VARIANTS, TagChanges, pick, variants
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.training_set import TrainingSet, encode
from PIL import Image

RECIPE = Recipe.of(
    steps=4, learning_rate=1e-3, rank=4, alpha=4, batch_size=2, warmup_steps=2, caption_dropout=0.3,
    gradient_accumulation=2, caption_shuffle=4,
)  # fmt: skip
CAPTIONS = ["zwx thing, red, plain, small", "zwx thing, green, plain, small", "zwx thing, blue"]


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu")


def colors(captions: Sequence[str] = CAPTIONS) -> Dataset:
    images = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    return dataset_from_images(images, captions, "colors")


@pytest.fixture
def train(base: Backbone, tmp_path: Path):
    def start(recipe: Recipe = RECIPE, folder: str = "store", seed: int = 7, captions: Sequence[str] = CAPTIONS):
        return train_adapter(base, colors(captions), recipe, seed=seed, store=RunStore(tmp_path / folder), name="zwx")

    return start


TAGS = st.lists(st.text("abxyz", min_size=1, max_size=4), max_size=6)


@given(TAGS, st.integers(0, 12), st.integers(0, 7))
def test_variants_are_orders_of_the_same_tags(tags: list[str], count: int, keep: int):
    caption = ", ".join(tags)
    found = variants(caption, TagChanges(count=count, keep=keep))
    assert found[0] == caption
    assert len(set(found)) == len(found) <= max(count, 1)
    for other in found:
        assert sorted(split_tags(other)) == sorted(tags)
        assert split_tags(other)[:keep] == tags[:keep]


@given(TAGS, st.integers(0, 12))
def test_more_variants_begin_with_the_fewer(tags: list[str], count: int):
    fewer, more = (variants(", ".join(tags), TagChanges(count=number)) for number in (count, count + 3))
    assert more[: len(fewer)] == fewer


def test_steps_see_all_variants_and_the_same_ones_again():
    orders = variants(CAPTIONS[0], TagChanges(count=4))
    assert len(orders) == 4
    seen = [pick(orders, 7, number, place) for number in range(100) for place in range(2)]
    assert all(30 < seen.count(order) < 70 for order in orders)
    assert seen == [pick(orders, 7, number, place) for number in range(100) for place in range(2)]
    assert seen != [pick(orders, 8, number, place) for number in range(100) for place in range(2)]


def test_each_variant_is_encoded_once(base: Backbone, train, tmp_path: Path):
    _, events = finish(train())
    encoded = [event for event in events if isinstance(event, Progress) and event.label == "encoding captions"]
    distinct = {order for caption in CAPTIONS for order in variants(caption, TagChanges(count=4))} | {""}
    assert encoded[-1].total == len(encoded) == len(distinct)
    _, events = finish(train(seed=8))
    assert not [event for event in events if isinstance(event, Progress)]


def test_cached_embeddings_are_those_of_the_variants(base: Backbone, tmp_path: Path):
    events = encode(base, colors(), 32, TensorCache(tmp_path), embed=True, changes=TagChanges(count=4))
    made: TrainingSet = finish(events)[0]
    assert made.captions == [variants(caption, TagChanges(count=4)) for caption in CAPTIONS]
    assert made.embeddings is not None
    for order in made.captions[1]:
        with torch.no_grad():
            fresh = base.encode_prompts([order])
        torch.testing.assert_close(made.embeddings[order]["states"], fresh["states"])


def test_the_order_of_the_data_set_mixes_nothing_up(base: Backbone, tmp_path: Path):
    """What the cache gives for a record is its own, wherever it stands and whoever filled the cache."""
    dataset = colors()
    mixed = replace(dataset, records=tuple(dataset.records[i] for i in (2, 0)))
    cache = TensorCache(tmp_path)
    whole, again = (
        finish(encode(base, each, 32, cache, embed=True, changes=TagChanges(count=3)))[0] for each in (dataset, mixed)
    )
    for here, there in ((0, 2), (1, 0)):
        assert again.captions[here] == whole.captions[there]
        assert torch.equal(again.latents[here][0], whole.latents[there][0])


@pytest.mark.parametrize(("stop_after", "text_encoder"), [(1, False), (3, True)])
def test_a_stopped_run_goes_on_to_the_same_bits(train, stop_after: int, text_encoder: bool):
    recipe = RECIPE.changed(train_text_encoder=text_encoder)
    whole: TrainedAdapter = finish(train(recipe, folder="whole"))[0]
    closed_at(train(recipe), step_done(stop_after))
    rest: TrainedAdapter = finish(train(recipe))[0]
    assert rest.resumed_at == stop_after
    assert rest.losses == whole.losses
    assert rest.adapter.content_hash == whole.adapter.content_hash


def test_cached_and_fresh_embeddings_train_alike(train):
    """The same captions reach the denoiser whether they come from the cache or from the text encoder."""
    frozen = RECIPE.changed(train_text_encoder=True, text_encoder_learning_rate=0.0)
    fresh, cached = finish(train(frozen, folder="fresh"))[0], finish(train(folder="cached"))[0]
    assert fresh.losses == pytest.approx(cached.losses, rel=1e-4)


def test_shuffling_changes_what_is_learned_and_says_where_it_cannot(train):
    shuffled, events = finish(train())
    plain, _ = finish(train(RECIPE.changed(caption_shuffle=0)))
    assert shuffled.losses != plain.losses
    assert not [event for event in events if isinstance(event, Message)]
    _, events = finish(train(captions=["a zwx thing"] * 3))
    assert "has no effect" in next(event.text for event in events if isinstance(event, Message))


def test_dropout_leaves_tags_with_the_trigger_word_and_prose():
    changes = TagChanges(dropout=0.5, keep=0)
    found = variants("red, a zwx thing, plain", changes, lambda tag: "zwx" in tag)
    assert len(found) == DROPOUT_VARIANTS
    assert set(found) == {"red, a zwx thing, plain", "a zwx thing, plain", "red, a zwx thing", "a zwx thing"}
    prose = "A zwx thing lies on a table, in the light."
    assert variants(prose, TagChanges(count=4, dropout=0.9)) == (prose,)


def test_marks_are_not_trained():
    assert variants("zwx, ||| red", TagChanges()) == ("zwx, red",)
    assert {order[:10] for order in variants("zwx thing ||| a, b, c", TagChanges(count=9))} == {"zwx thing,"}


def test_dropping_tags_changes_what_is_learned(train):
    plain, thin = (finish(train(RECIPE.changed(tag_dropout=rate)))[0] for rate in (0.0, 0.5))
    assert plain.losses != thin.losses
