"""Pictures are described once, in any order, and a stopped description goes on where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from generators import finish
from lora_workbench.engine.captions.caption_dataset import caption_dataset
from lora_workbench.engine.captions.captioners import open_captioner
from lora_workbench.engine.captions.contract import Captioner, CaptionOptions
from lora_workbench.engine.core.cache import TextCache
from lora_workbench.engine.core.errors import CaptionerError, DatasetError
from lora_workbench.engine.core.events import Progress
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from PIL import Image
from tiny_captioners import save_tiny_qwen_vl, save_tiny_wd14

COLORS = ("red", "green", "blue", "white", "black")
LOW = CaptionOptions(threshold=0.02, character_threshold=0.02)


@pytest.fixture
def cache(tmp_path: Path) -> TextCache:
    return TextCache(tmp_path / "captions")


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    return open_captioner(save_tiny_wd14(tmp_path_factory.mktemp("wd14") / "model"), device="cpu")


def colors(*captions: str | None) -> Dataset:
    images = [Image.new("RGB", (40, 30), color) for color in COLORS]
    return dataset_from_images(images, captions or [None] * 5, "colors")


def by_content(dataset: Dataset) -> dict[str, str | None]:
    return {record.content_hash: record.caption for record in dataset}


def test_existing_captions_are_kept_unless_asked(tagger: Captioner, cache: TextCache):
    dataset = colors("one", None, "three", None, " ")
    result, events = finish(caption_dataset(dataset, tagger, LOW, cache))
    captions = [record.caption for record in result.dataset]
    assert captions[0] == "one" and captions[2] == "three"
    assert all(captions) and len(set(captions)) > 3
    assert (result.kept, result.written, result.cached, result.blank) == (2, 3, 0, ())
    assert [(event.done, event.total) for event in events if isinstance(event, Progress)] == [(1, 3), (2, 3), (3, 3)]
    over, events = finish(caption_dataset(dataset, tagger, LOW, cache, overwrite=True))
    assert (over.kept, over.written, over.cached, len(events)) == (0, 5, 3, 2)
    assert "one" not in by_content(over.dataset).values()
    assert dataset.records[0].caption == "one"


def test_what_was_described_is_not_described_again_wherever_it_stands(tagger: Captioner, cache: TextCache):
    first, _ = finish(caption_dataset(colors(), tagger, LOW, cache))
    mixed = replace(colors(), records=tuple(colors().records[i] for i in (3, 1, 4)))
    again, events = finish(caption_dataset(mixed, tagger, LOW, cache))
    assert events == [] and again.cached == 3
    assert by_content(again.dataset).items() <= by_content(first.dataset).items()


def test_other_options_and_other_models_describe_anew(tagger: Captioner, cache: TextCache, tmp_path: Path):
    finish(caption_dataset(colors(), tagger, LOW, cache))
    _, events = finish(caption_dataset(colors(), tagger, replace(LOW, threshold=0.9), cache))
    assert len(events) == 5
    other = open_captioner(save_tiny_wd14(tmp_path / "other", seed=1), device="cpu")
    _, events = finish(caption_dataset(colors(), other, LOW, cache))
    assert len(events) == 5


def test_a_stopped_description_goes_on_where_it_was(tmp_path: Path):
    captioner = open_captioner(save_tiny_qwen_vl(tmp_path / "model"), device="cpu")
    options = CaptionOptions(max_tokens=6)
    whole, _ = finish(caption_dataset(colors(), captioner, options, TextCache(tmp_path / "whole")))
    events = caption_dataset(colors(), captioner, options, TextCache(tmp_path / "stopped"))
    next(events), next(events)
    events.close()
    rest, seen = finish(caption_dataset(colors(), captioner, options, TextCache(tmp_path / "stopped")))
    assert (len(seen), rest.cached) == (3, 2)
    assert by_content(rest.dataset) == by_content(whole.dataset)


def test_weights_are_not_loaded_for_what_is_known(tagger: Captioner, cache: TextCache, tmp_path: Path):
    """The folder's weights are damaged after its captions were written: nothing but them is needed."""
    folder = save_tiny_wd14(tmp_path / "model")
    captioner = open_captioner(folder, device="cpu")
    finish(caption_dataset(colors(), captioner, LOW, cache))
    fresh = open_captioner(folder, device="cpu")
    (folder / "model.onnx").write_bytes(b"damaged")
    result, _ = finish(caption_dataset(colors(), fresh, LOW, cache))
    assert result.cached == 5
    with pytest.raises(CaptionerError):
        finish(caption_dataset(colors(), fresh, replace(LOW, threshold=0.5), cache))


def test_pictures_that_nothing_is_said_about_are_named(tagger: Captioner, cache: TextCache):
    sure = CaptionOptions(threshold=1, character_threshold=1)
    result, _ = finish(caption_dataset(colors("one", *[None] * 4), tagger, sure, cache, overwrite=True))
    assert result.blank == tuple(f"image_{n:04d}.png" for n in range(1, 6))
    assert [record.caption for record in result.dataset] == ["one", None, None, None, None]
    assert result.written == 0


def test_a_damaged_entry_of_the_cache_is_made_again(tagger: Captioner, cache: TextCache):
    first, _ = finish(caption_dataset(colors(), tagger, LOW, cache))
    entry = next(cache.folder.rglob("*.txt"))
    entry.write_bytes(b"\xff\xfe")
    again, events = finish(caption_dataset(colors(), tagger, LOW, cache))
    assert len(events) == 1
    assert by_content(again.dataset) == by_content(first.dataset)


def test_a_picture_that_changed_is_reported(tagger: Captioner, cache: TextCache):
    dataset = colors()
    records = (replace(dataset.records[0], content_hash="0" * 64), *dataset.records[1:])
    with pytest.raises(DatasetError, match="has changed"):
        finish(caption_dataset(replace(dataset, records=records), tagger, LOW, cache))
