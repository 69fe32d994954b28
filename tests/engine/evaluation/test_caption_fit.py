"""Captions that aren't of their pictures, planted into the demo data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.core.cache import TensorCache
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.evaluation.caption_fit import CaptionFit, caption_fits, suspects
from lora_workbench.engine.evaluation.predicting import Predictor
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.training.training_set import encode

FOX = TriggerWord(word="zwx", class_word="fox", template="an emoji of a {trigger} {class}")
RISO = TriggerWord(word="rsx", class_word="print", template="a {trigger} {class} of")


def finish(events):
    try:
        while True:
            next(events)
    except StopIteration as stop:
        return stop.value


@pytest.fixture(scope="module")
def base(demo_base: Path) -> Backbone:
    return load_base(demo_base, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def sets(root: Path) -> dict[str, Dataset]:
    return {name: load_dataset(root / "assets" / "datasets" / name) for name in ("fox", "riso")}


def suspected(base: Backbone, dataset: Dataset, cache: Path) -> set[str]:
    encoded = finish(encode(base, dataset, base.info.resolution, TensorCache(cache), embed=True))
    predictor = Predictor(backbone=base, batch=8, guidance=1.0)
    return {fit.name for fit in suspects(finish(caption_fits(predictor, encoded, dataset.records, seed=0)))}


def test_pictures_of_other_things_are_named_and_no_right_one(
    base: Backbone, sets: dict[str, Dataset], tmp_path: Path
) -> None:
    others = [record for record in sets["riso"] if record.name in ("owl.jpg", "car.webp", "tulip.png", "banana.jpg")]
    planted = [replace(record, caption=fox.caption) for record, fox in zip(others, sets["fox"].records, strict=False)]
    mixed = replace(sets["fox"], records=(*sets["fox"].records, *planted))
    found = suspected(base, apply_trigger(mixed, FOX, "prepend"), tmp_path)
    assert found == {record.name for record in planted}


@pytest.mark.slow
def test_swapped_captions_are_named(base: Backbone, sets: dict[str, Dataset], tmp_path: Path) -> None:
    """Beside them two of 28 right ones, a red apple and a red heart, which captions make harder to predict."""
    records = list(sets["riso"].records)
    places = [3, 9, 17, 25]
    for place, other in zip(places, [*places[1:], places[0]], strict=True):
        records[place] = replace(records[place], caption=sets["riso"].records[other].caption)
    mixed = replace(sets["riso"], records=tuple(records))
    found = suspected(base, apply_trigger(mixed, RISO, "prepend"), tmp_path)
    planted = {records[place].name for place in places}
    assert planted <= found and len(found - planted) <= 2


def test_the_worst_come_first() -> None:
    fits = [CaptionFit(name=f"{harm}", content_hash="", harm=harm) for harm in (0.1, 0.2, -0.3, 0.9)]
    assert [fit.name for fit in suspects(fits)] == ["0.9", "0.2"]
