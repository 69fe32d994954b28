"""What is encoded belongs to its picture: whatever is renamed, reordered, added or taken away in the meantime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.cache import TensorCache
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.buckets import BucketSettings, bucketed
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.data.views import Augmentation, Crop
from lora_workbench.engine.models import registry
from lora_workbench.engine.training.embeddings import picture_batch
from lora_workbench.engine.training.training_set import TrainingSet, encode
from PIL import Image

RANDOM = np.random.default_rng(0)
SHAPES = [(40, 40), (64, 40), (40, 64), (50, 30), (33, 47), (64, 64)]
PICTURES = [Image.fromarray(RANDOM.integers(0, 255, (h, w, 3), dtype=np.uint8)) for w, h in SHAPES]
BUCKETS = BucketSettings(resolutions=(32, 48), step=8)


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


def finish(events):
    try:
        while True:
            next(events)
    except StopIteration as stop:
        return stop.value


def encoded(base, dataset: Dataset, cache: Path) -> TrainingSet:
    return finish(encode(base, dataset, 32, TensorCache(cache), embed=True))


def treated(dataset: Dataset, *, crops: bool, augmentation: Augmentation | None) -> Dataset:
    made = finish(bucketed(dataset, BUCKETS)) if crops else dataset
    return replace(made, records=tuple(replace(record, augmentation=augmentation) for record in made))


def write(root: Path, files: dict[str, int]) -> None:
    """Exactly these pictures (name -> number), each with its number as caption."""
    root.mkdir(exist_ok=True)
    for path in root.iterdir():
        path.unlink()
    for name, number in files.items():
        PICTURES[number].save(root / f"{name}.png")
        (root / f"{name}.txt").write_text(f"picture {number}")


SETS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, len(PICTURES) - 1), min_size=1, max_size=6)
AUGMENTATIONS = st.sampled_from([None, Augmentation(flip=True), Augmentation(crop=0.2, color=0.2, count=3)])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(SETS, st.booleans(), AUGMENTATIONS), min_size=2, max_size=4))
def test_latents_and_captions_never_slip(base, tmp_path_factory, history):
    """One cache, and a folder whose files change names, places and company; none of it changes a bit."""
    place = tmp_path_factory.mktemp("slips")
    for files, crops, augmentation in history:
        write(place / "set", files)
        dataset = treated(load_dataset(place / "set"), crops=crops, augmentation=augmentation)
        made = encoded(base, dataset, place / "cache")
        views = [(record, variants) for record in dataset for variants in record.views(32)]
        assert len(made.latents) == len(made.captions) == len(views)
        for (record, variants), latents, caption in zip(views, made.latents, made.captions, strict=True):
            assert caption == (f"picture {files[record.name[0]]}",)
            for view, latent in zip(variants, latents, strict=True):
                wanted = base.encode_images(picture_batch([(record, view)]))[0]
                torch.testing.assert_close(latent, wanted, rtol=0, atol=0)


def test_nothing_is_encoded_twice(base, tmp_path):
    dataset = treated(dataset_from_images(PICTURES, ["x"] * 6, "x"), crops=True, augmentation=Augmentation(flip=True))
    encoded(base, dataset, tmp_path)
    renamed = replace(dataset, records=tuple(reversed(dataset.records)))
    assert list(encode(base, renamed, 32, TensorCache(tmp_path), embed=True)) == []


def test_every_sample_is_in_the_bucket_of_its_shape(base, tmp_path):
    dataset = treated(dataset_from_images(PICTURES, ["x"] * 6, "x"), crops=True, augmentation=None)
    repeated = replace(dataset, records=(replace(dataset.records[0], repeats=3), *dataset.records[1:]))
    made = encoded(base, repeated, tmp_path)
    shapes = [{made.latents[i][0].shape for i in bucket} for bucket in made.buckets]
    assert all(len(of_bucket) == 1 for of_bucket in shapes)
    assert len(set().union(*shapes)) == len(made.buckets) > 2
    samples = [number for bucket in made.buckets for number in bucket]
    assert sorted(set(samples)) == list(range(len(made.latents)))
    assert len(samples) == sum(len(record.crops) * record.repeats for record in repeated)


def test_weights_follow_mask_frame_and_mirror(base, tmp_path):
    dataset = dataset_from_images([Image.new("RGB", (64, 64))] * 2, ["x"] * 2, "x")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    masked = finish(with_masks(dataset, "files", 0.25, [mask, Image.new("L", (64, 64), 9)])).dataset
    made = encoded(base, treated(masked, crops=False, augmentation=Augmentation(flip=True)), tmp_path)
    assert made.weights is not None
    plain, mirrored = made.weights[0]
    assert plain.shape == (1, *made.latents[0][0].shape[1:])
    assert plain.mean().item() == pytest.approx(1)
    assert (plain[0, :, -1] / plain[0, :, 0]).tolist() == pytest.approx([0.25] * plain.shape[1])
    assert torch.equal(mirrored, plain.flip(-1))
    assert torch.allclose(made.weights[1][0], torch.ones(())), "an even mask weighs as none does"


def test_no_mask_costs_nothing(base, tmp_path):
    dataset = dataset_from_images(PICTURES, ["x"] * 6, "x")
    assert encoded(base, dataset, tmp_path).weights is None
    resting = finish(
        with_masks(dataset_from_images(PICTURES[:1], ["x"], "x"), "files", 1.0, [Image.new("L", (4, 4), 9)])
    )
    assert encoded(base, resting.dataset, tmp_path).weights is None


def test_a_crop_that_its_mask_leaves_nothing_of_is_refused_by_name(base, tmp_path):
    dataset = dataset_from_images([Image.new("RGB", (96, 32))], ["x"], "x")
    mask = Image.new("L", (96, 32))
    mask.paste(255, (0, 0, 8, 32))
    masked = finish(with_masks(dataset, "files", 0.0, [mask])).dataset
    with pytest.raises(DatasetError, match=r"mask of image_0001\.png leaves nothing"):
        encoded(base, masked, tmp_path)
    assert encoded(base, treated(masked, crops=True, augmentation=None), tmp_path).weights


def test_sizes_that_the_base_cannot_take_are_refused(base, tmp_path):
    record = dataset_from_images(PICTURES[:1], ["x"], "x").records[0]
    odd = replace(record, crops=(Crop(box=(0, 0, 40, 40), size=(33, 32)),))
    with pytest.raises(DatasetError, match=r"33 x 32"):
        encoded(base, Dataset(name="x", records=(odd,)), tmp_path)


def test_damaged_files_of_the_cache_are_encoded_again(base, tmp_path):
    dataset = dataset_from_images(PICTURES[:2], ["x", "y"], "x")
    before = encoded(base, dataset, tmp_path)
    for path in tmp_path.rglob("*.safetensors"):
        path.write_bytes(b"half")
    for _ in range(2):
        again = encoded(base, dataset, tmp_path)
        for old, new in zip(before.latents, again.latents, strict=True):
            assert torch.equal(old[0], new[0])
            assert new[0].is_contiguous()


def test_its_side_is_that_of_a_square_with_the_places_of_the_largest_picture():
    latents = [[torch.zeros(16, 8, 8)], [torch.zeros(16, 4, 20)]]
    made = TrainingSet(latents=latents, weights=None, captions=[("",)] * 2, embeddings=None, buckets=[[0], [1]])
    assert made.side == 9


def test_its_side_is_that_of_a_square_with_the_pixels_of_the_largest_latent():
    latents = [[torch.zeros(16, 8, 8)], [torch.zeros(16, 4, 20)]]
    made = TrainingSet(latents=latents, weights=None, captions=[("",)] * 2, embeddings=None, buckets=[[0], [1]])
    assert made.side == 9
