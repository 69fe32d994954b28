"""Textual inversion: only the vectors move, and runs are cached and resumed to the same bits."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lora_workbench.engine.core.errors import AdapterError, CaptionError, TrainingError
from lora_workbench.engine.core.events import Message, StepDone
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.embedding import train_embedding
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from tiny import save_tiny_sdxl, save_tiny_z_image

RECIPE = Recipe.of(
    steps=6, learning_rate=1e-2, text_encoder_learning_rate=1e-2, batch_size=2, warmup_steps=0, save_every=2
)  # fmt: skip


def finish(events):
    """(what the generator returned, the events that it yielded)."""
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as stop:
            return stop.value, seen


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def base(request, tiny_sd1: Path, tmp_path_factory) -> Backbone:
    folder = tiny_sd1 if request.param == "sd1" else save_tiny_sdxl(tmp_path_factory.mktemp("tiny"))
    return registry.load_base(folder, device="cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    images = [Image.new("RGB", (40, 32), color) for color in ((200, 30, 30), (30, 160, 60), (40, 60, 200))]
    made = dataset_from_images(images, [f"a photo of zwx thing {i}" for i in range(3)], "colors")
    return replace(made, trigger=TriggerWord(word="zwx", class_word="thing"))


@pytest.fixture
def train(base, dataset, tmp_path):
    def start(recipe: Recipe = RECIPE, folder: str = "store", **others):
        others = {"base": base, "dataset": dataset, "name": "zwx", "seed": 7, "vectors": 3, "begins_as": ""} | others
        return train_embedding(recipe=recipe, store=RunStore(tmp_path / folder), **others)

    return start


def all_weights(base: Backbone) -> dict[str, torch.Tensor]:
    components = base.load_components()
    return {f"{part}.{name}": w.clone() for part, root in components.items() for name, w in root.state_dict().items()}


def bits(vectors) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in vectors.items()}


def test_only_the_vectors_move(base, train):
    before, first = all_weights(base), base.token_vectors("thing")
    trained, events = finish(train())
    assert len([event for event in events if isinstance(event, StepDone)]) == len(trained.losses) == 6
    assert trained.embedding.word == "zwx" and trained.embedding.count == 3
    for name, vectors in trained.embedding.vectors.items():
        begun = first[name][[at % len(first[name]) for at in range(3)]]
        assert vectors.shape == begun.shape and (vectors != begun).float().mean() > 0.9
    after = all_weights(base)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert not base.words and trained.base.words == (trained.embedding,)
    with_word, without = (own.encode_prompts(["a zwx", "a thing"])["states"] for own in (trained.base, base))
    assert torch.equal(with_word[1], without[1]) and not torch.equal(with_word[0], without[0])
    assert trained.embedding.metadata["modelspec.architecture"].endswith("/textual-inversion")


def test_an_unchanged_run_is_read_and_every_input_counts(train):
    one, _ = finish(train())
    again, _ = finish(train(name="another"))
    assert again.cached and bits(again.embedding.vectors) == bits(one.embedding.vectors)
    for change in ({"vectors": 2}, {"begins_as": "red fox"}, {"seed": 8}, {"recipe": RECIPE.changed(batch_size=1)}):
        assert not finish(train(**change))[0].cached
    assert finish(train(recipe=RECIPE.changed(rank=4, alpha=2.0)))[0].cached, "an adapter's settings don't count"


def test_cancelled_runs_go_on_to_the_same_bits(train):
    whole, _ = finish(train())
    rng, cancelled = random.Random(3), 0
    while cancelled < 10:
        events = train(folder="cancelled")
        for _ in range(rng.randint(1, 8)):
            if next(events, None) is None:
                break
        events.close()
        cancelled += 1
    resumed, _ = finish(train(folder="cancelled"))
    assert bits(resumed.embedding.vectors) == bits(whole.embedding.vectors) and resumed.losses == whole.losses


def test_the_loss_is_the_one_that_an_adapter_begins_with(base, dataset, tmp_path, train):
    """With vectors that begin as the word's own tokens, the first loss is that of the unchanged model."""
    word = "zwx"
    count = {len(own) for own in base.token_vectors(word).values()}
    if len(count) != 1:
        pytest.skip("the tokenizers cut the word differently")
    recipe = RECIPE.changed(steps=1, train_text_encoder=True)
    adapter, _ = finish(train_adapter(base, dataset, recipe, seed=7, store=RunStore(tmp_path / "a"), name="a"))
    embedding, _ = finish(train(recipe, begins_as=word, vectors=count.pop()))
    assert embedding.losses == pytest.approx(adapter.losses, rel=1e-5)


def test_settings_that_do_nothing_are_named(train):
    _, events = finish(train(recipe=RECIPE.changed(rank=4, alpha=4.0, targets="all_layers")))
    told = "\n".join(event.text for event in events if isinstance(event, Message))
    assert "rank = 4 has no effect: the vectors of a word are trained, and no adapter." in told
    assert "targets = all_layers has no effect" in told


def test_weights_that_leave_little_of_the_noisiest_levels_are_told(demo_base, dataset, train):
    """The demo base predicts v, so that min-SNR hardly weighs them."""
    base = registry.load_base(demo_base, device="cpu")

    def told(gamma: float) -> str:
        recipe = RECIPE.changed(steps=1, batch_size=1, snr_gamma=gamma)
        return "\n".join(e.text for e in finish(train(recipe, base=base))[1] if isinstance(e, Message))

    assert "the noisiest quarter of the levels has 1% of the loss's weight" in told(1.0)
    assert "noisiest" not in told(0.0)
    assert "noisiest" not in "\n".join(e.text for e in finish(train())[1] if isinstance(e, Message)), "epsilon"


def test_what_cannot_be_trained_is_refused(base, dataset, train):
    with pytest.raises(CaptionError, match="has none"):
        finish(train(dataset=replace(dataset, trigger=None)))
    with pytest.raises(CaptionError, match="nothing to begin with"):
        finish(train(dataset=replace(dataset, trigger=TriggerWord(word="zwx"))))
    with pytest.raises(TrainingError, match="vectors of a word are trained"):
        finish(train(recipe=RECIPE.changed(output_preservation=1.0)))
    with pytest.raises(CaptionError, match="missing from the captions"):
        finish(train(dataset=replace(dataset, trigger=TriggerWord(word="qwe", class_word="thing"))))


def test_models_with_other_text_encoders_are_refused(tmp_path, dataset, train):
    base = registry.load_base(save_tiny_z_image(tmp_path / "flow"), device="cpu")
    with pytest.raises(AdapterError, match="takes no embeddings"):
        finish(train(base=base))
