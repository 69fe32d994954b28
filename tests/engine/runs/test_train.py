"""A run: made once, continued, resumed to the same bits, and never leaving a trace in the base."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from generators import closed_at, finish, result, step_done
from lora_workbench.engine.core.errors import CaptionError, DatasetError, TrainingError
from lora_workbench.engine.core.events import Message, SamplesGenerated, StateSaved, StepDone
from lora_workbench.engine.data.buckets import BucketSettings, bucketed
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.data.views import Augmentation
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

RECIPE = Recipe.of(
    steps=6, learning_rate=1e-3, rank=4, alpha=4, batch_size=2, warmup_steps=2, save_every=4, schedule="cosine"
)


def steps_of(events) -> list[int]:
    return [event.step for event in events if isinstance(event, StepDone)]


@pytest.fixture(scope="module")
def base(quick_sd1):
    return registry.load_base(quick_sd1, device="cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    colors = [(200, 30, 30), (30, 160, 60), (40, 60, 200)]
    images = [Image.new("RGB", (40, 32), color) for color in colors]
    captions = [f"a photo of zwx thing {i}" for i in range(3)]
    made = dataset_from_images(images, captions, "colors")
    return replace(made, trigger=TriggerWord(word="zwx", class_word="thing"))


@pytest.fixture
def train(base, dataset, tmp_path):
    def start(recipe: Recipe = RECIPE, seed: int = 7, folder: str = "store", **others):
        others = {"dataset": dataset, "name": "zwx"} | others
        return train_adapter(base, recipe=recipe, seed=seed, store=RunStore(tmp_path / folder), **others)

    return start


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(base, dataset, whole_store):
    """The run of ``RECIPE``."""
    return result(train_adapter(base, dataset, RECIPE, seed=7, store=RunStore(whole_store), name="zwx"))


@pytest.fixture
def before(whole, whole_store, tmp_path):
    """The same, which is in the store of ``train`` then."""
    shutil.copytree(whole_store, tmp_path / "store")
    return whole


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    """Gives the run of a recipe that nothing disturbs; one for all that ask for the same."""
    made = {}

    def run(recipe, **others):
        key = (recipe, *map(id, others.values()))
        if key not in made:
            store = RunStore(tmp_path_factory.mktemp("undisturbed"))
            made[key] = result(train_adapter(base, recipe=recipe, seed=7, store=store, name="zwx", **others))
        return made[key]

    return run


def test_a_run_trains_saves_and_leaves_the_base_untouched(base, train):
    before = {k: v.clone() for k, v in base.denoiser.state_dict().items()}
    trained, events = finish(train())
    assert steps_of(events) == [1, 2, 3, 4, 5, 6]
    assert len(trained.losses) == 6 and not trained.cached
    assert trained.adapter.path is not None and trained.adapter.path.exists()
    assert trained.adapter.trigger == "zwx thing"
    after = base.denoiser.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(update.up.any() for update in trained.adapter.modules.values())


def test_an_unchanged_run_is_not_trained_again(train, before):
    again, events = finish(train())
    assert again.cached and steps_of(events) == []
    assert again.adapter.content_hash == before.adapter.content_hash
    assert again.losses == before.losses


@pytest.mark.usefixtures("before")
def test_a_store_that_can_only_be_read_gives_its_adapters_too(train, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.utime", refuse)
    again, events = finish(train())
    assert again.cached and steps_of(events) == []


@pytest.mark.parametrize("change", [{"seed": 8}, {"recipe": RECIPE.changed(learning_rate=2e-3)}])
def test_a_changed_run_is_trained(train, before, change):
    other = result(train(**change))
    assert not other.cached
    assert other.adapter.content_hash != before.adapter.content_hash


@pytest.mark.usefixtures("before")
def test_a_changed_caption_is_trained_again(train, dataset):
    captions = [f"{record.caption} at night" for record in dataset]
    closed_at(train(dataset=dataset.with_captions(captions)), step_done(1))


@pytest.mark.parametrize(
    ("text_encoder", "stop_after"), [(False, 1), (False, 4), (True, 5)]
)  # fmt: skip
def test_a_closed_run_goes_on_to_the_same_bits(train, undisturbed, dataset, stop_after, text_encoder):
    """Before a state is saved in passing, with it, and after it."""
    recipe = RECIPE.changed(train_text_encoder=text_encoder, caption_dropout=0.3, gradient_accumulation=2)
    whole = undisturbed(recipe, dataset=dataset)
    closed_at(train(recipe), step_done(stop_after))
    rest, seen = finish(train(recipe))
    assert steps_of(seen) == list(range(stop_after + 1, 7))
    assert rest.resumed_at == stop_after
    assert rest.losses == whole.losses
    assert rest.adapter.content_hash == whole.adapter.content_hash


@pytest.fixture(scope="module")
def shaped() -> Dataset:
    return in_shapes(blue=200)


def in_shapes(blue: int) -> Dataset:
    """Five pictures in several buckets at two resolutions, two of them masked, all in variants."""
    sizes = [(40, 32), (64, 40), (40, 64), (64, 64), (90, 40)]
    images = [Image.new("RGB", size, (40 * n, 90, blue)) for n, size in enumerate(sizes)]
    made = dataset_from_images(images, [f"a zwx thing {n}, plain, bluish" for n in range(5)], "shapes")
    mask = Image.new("L", (64, 40))
    mask.paste(255, (0, 0, 30, 40))
    masked = result(with_masks(replace(made, records=made.records[1:2]), "files", 0.1, [mask]))
    records = (made.records[0], *masked.dataset.records, *made.records[2:])
    framed = result(bucketed(replace(made, records=records), BucketSettings(resolutions=(32, 48), step=8)))
    augmentation = Augmentation(flip=True, crop=0.1, color=0.1, count=3)
    return replace(framed, records=tuple(replace(r, augmentation=augmentation) for r in framed))


@pytest.mark.parametrize(("stop_after", "square_prior"), [(2, False), (4, True)])
def test_a_run_on_buckets_masks_and_variants_goes_on_to_the_same_bits(train, shaped, stop_after, square_prior):
    square = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    prior = square if square_prior else in_shapes(blue=90)
    others = {"dataset": shaped, "regularization": prior}
    recipe = RECIPE.changed(caption_dropout=0.3, caption_shuffle=3, gradient_accumulation=2, batch_size=2, steps=5)
    whole = result(train(recipe, folder="whole", **others))
    closed_at(train(recipe, **others), step_done(stop_after))
    rest = result(train(recipe, **others))
    assert rest.resumed_at == stop_after
    assert rest.losses == whole.losses
    assert rest.adapter.content_hash == whole.adapter.content_hash


def test_the_base_is_told_of_the_largest_picture(base, train, shaped, monkeypatch):
    """Native backbones make room for it."""
    told, training = [], type(base).training

    def told_training(self, batch, resolution):
        told.append((batch, resolution))
        return training(self, batch, resolution)

    monkeypatch.setattr(type(base), "training", told_training)
    result(train(RECIPE.changed(steps=1), folder="squares"))
    result(train(RECIPE.changed(steps=1), dataset=shaped, folder="shapes"))
    largest = max(width * height for record in shaped for crop in record.crops for width, height in [crop.size])
    (_, square), (_, shapes) = told
    assert square == base.info.resolution
    assert shapes > square and largest <= shapes**2 < 1.3 * largest


def test_frames_masks_and_variants_are_part_of_the_key(train, shaped):
    recipe = RECIPE.changed(steps=2)
    trained = [result(train(recipe, dataset=shaped))]
    for change in ({"augmentation": None}, {"mask": None}, {"crops": ()}):
        records = tuple(replace(record, **change) for record in shaped)
        trained.append(result(train(recipe, dataset=replace(shaped, records=records))))
    assert not any(run.cached for run in trained)
    assert len({run.adapter.content_hash for run in trained}) == 4
    assert result(train(recipe, dataset=shaped)).cached


def test_a_killed_run_loses_no_more_than_its_last_checkpoint(train, whole, tmp_path):
    """What ``kill -9`` leaves is the run store as it was at that moment."""
    events = train(folder="killed")
    while not (isinstance(event := next(events), StepDone) and event.step == 5):
        pass
    shutil.copytree(tmp_path / "killed", tmp_path / "store")
    events.close()
    rest, seen = finish(train())
    assert steps_of(seen) == [5, 6]
    assert rest.adapter.content_hash == whole.adapter.content_hash


def test_more_steps_continue_and_fewer_start_over(train):
    recipe = RECIPE.changed(schedule="constant")
    finish(train(recipe))
    more, seen = finish(train(recipe.changed(steps=9)))
    assert steps_of(seen) == [7, 8, 9]
    straight, _ = finish(train(recipe.changed(steps=9), folder="straight"))
    assert more.adapter.content_hash == straight.adapter.content_hash
    _, seen = finish(train(recipe.changed(steps=3)))
    assert steps_of(seen) == [1, 2, 3]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_more_steps_of_a_decaying_rate_are_what_they_are_at_once(train, schedule):
    recipe = RECIPE.changed(schedule=schedule, steps=3, save_every=2)
    result(train(recipe))
    more, seen = finish(train(recipe.changed(steps=5)))
    straight = result(train(recipe.changed(steps=5), folder="straight"))
    assert more.adapter.content_hash == straight.adapter.content_hash
    assert (more.resumed_at, steps_of(seen)) == (0, list(range(1, 6)))
    (note,) = [note for note in more.notes if "continued" in note]
    assert note.startswith("The 3 steps of an earlier run with another length aren't continued")
    assert schedule in note
    assert any(isinstance(event, Message) and note in event.text for event in seen)
    assert not [note for note in straight.notes if "continued" in note]


def test_epochs_are_steps(train, before):
    by_epochs = result(train(RECIPE.changed(steps=500, epochs=4)))
    assert by_epochs.cached and by_epochs.adapter.content_hash == before.adapter.content_hash
    assert before.length == "6 steps = 4 epochs of 3 pictures"


def test_notes_come_with_the_run_and_with_the_one_that_is_kept(train):
    recipe = RECIPE.changed(warmup_steps=60, steps=4)
    first, seen = finish(train(recipe))
    (note,) = first.notes
    assert "never gets above 3%" in note
    assert any(isinstance(event, Message) and note in event.text for event in seen)
    again = result(train(recipe))
    assert again.cached and again.notes == (note,)


def test_regularization_pictures_change_what_is_learned(train, whole):
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    with_prior = result(train(regularization=prior))
    assert with_prior.adapter.content_hash != whole.adapter.content_hash


def test_samples_come_at_their_steps_without_changing_the_run(train, whole):
    sampled, seen = finish(train(RECIPE.changed(sample_every=3, sample_prompts=("zwx thing", "a thing"))))
    samples = [event for event in seen if isinstance(event, SamplesGenerated)]
    assert [event.step for event in samples] == [3, 6]
    assert [image.size for image in samples[0].images] == [(32, 32)] * 2
    assert sampled.adapter.content_hash == whole.adapter.content_hash


def test_encoders_are_gone_in_every_step_between_samples(train, base):
    for event in train(RECIPE.changed(sample_every=2, sample_prompts=("zwx thing", "a thing"))):
        if isinstance(event, (StepDone, SamplesGenerated)):
            assert not base._encoders


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_state(train, base):
    recipe = RECIPE.changed(
        learning_rate=1000, steps=40, max_grad_norm=0, warmup_steps=0, save_every=1, schedule="constant"
    )
    events, saved = train(recipe), []
    with pytest.raises(TrainingError, match="lower the learning rate"):
        for event in events:
            saved += [event.path] if isinstance(event, StateSaved) else []
    assert saved and saved[-1].exists()
    assert not any("lora" in name for name, _ in base.denoiser.named_modules())


def test_captions_without_the_trigger_are_refused(train, dataset):
    lost = dataset.with_captions(["a photo of a thing", *[r.caption for r in dataset.records[1:]]])
    with pytest.raises(CaptionError, match="image_0001"):
        next(train(dataset=lost))
    with pytest.raises(CaptionError, match="no caption"):
        next(train(dataset=replace(dataset.with_captions([None] * 3), trigger=None)))
    with pytest.raises(DatasetError, match="empty"):
        next(train(dataset=replace(dataset, records=())))


def test_the_loss_falls_on_one_picture(train, dataset):
    one = replace(dataset, records=dataset.records[:1])
    recipe = RECIPE.changed(steps=20, rank=16, alpha=16, learning_rate=2e-2, batch_size=4, schedule="constant")
    trained = result(train(recipe, dataset=one))
    assert sum(trained.losses[-5:]) < 0.9 * sum(trained.losses[:5])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_much_the_same(whole, quick_sd1, tmp_path, dataset, precision):
    base = registry.load_base(quick_sd1, device="cpu", precision=precision)
    store = RunStore(tmp_path / precision)
    half = result(train_adapter(base, dataset, RECIPE, seed=7, store=store, name="half"))
    assert half.losses == pytest.approx(whole.losses, rel=0.05)
    for key, update in half.adapter.modules.items():
        assert torch.cosine_similarity(update.delta().flatten(), whole.adapter.modules[key].delta().flatten(), 0) > 0.8


def test_a_text_encoder_that_cannot_be_trained_is_refused_before_the_start(train, base, monkeypatch):
    monkeypatch.setattr(base, "info", replace(base.info, capabilities=frozenset()))
    with pytest.raises(TrainingError, match="text encoder"):
        next(train(RECIPE.changed(train_text_encoder=True)))


def test_a_step_that_is_stopped_midway_counts_as_not_begun(train, whole, base, monkeypatch):
    """As ComfyUI stops it, by an exception out of a layer that isn't even an ``Exception``."""

    class Stopped(BaseException):
        pass

    calls = 0
    predict = base.predict

    def predicting(*arguments):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Stopped
        return predict(*arguments)

    monkeypatch.setattr(base, "predict", predicting)
    with pytest.raises(Stopped):
        finish(train())
    monkeypatch.undo()
    resumed, events = finish(train())
    assert resumed.resumed_at == 3
    assert steps_of(events) == [4, 5, 6]
    assert resumed.losses == whole.losses
