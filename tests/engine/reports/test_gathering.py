"""What a report shows comes from the adapter's header, the run store, and the data set if it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.metadata import RunFacts, training_metadata
from lora_workbench.engine.core.errors import AdapterError, DatasetError
from lora_workbench.engine.core.events import SamplesGenerated
from lora_workbench.engine.core.storage import write_json
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.figures import Figures, PictureFigures
from lora_workbench.engine.reports.gathering import MOST_SAMPLES, page_of
from lora_workbench.engine.reports.page import RunPage, Setting
from lora_workbench.engine.reports.saving import SavedReport, save_report
from lora_workbench.engine.runs.sample_files import keeping_samples
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

LINEAGE = "abc" * 12
RECIPE = Recipe.of(steps=40, rank=4, alpha=4, learning_rate=1e-3)


def finish(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def images(*colors: str) -> Dataset:
    pictures = [Image.new("RGB", (40, 32), color) for color in colors]
    return dataset_from_images(pictures, ["a zwx thing"] * len(colors), "things")


@pytest.fixture
def dataset() -> Dataset:
    return images("red", "green")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """With the record and the sample pictures of a run."""
    store = RunStore(tmp_path / "run-store")
    record = {
        "losses": [0.2, 0.1] * 20, "parts": {}, "resumed_at": 10, "seconds": 60.0, "length": "40 steps",
        "notes": ["The state at /home/someone/secret/state.safetensors is damaged."], "memory": "it fits",
        "device": "cpu, float32", "reason": "Two pictures.",
        "suggestions": {"rank": [[16, "our own choice"], [32, "our own choice"]], "learning_rate": [[1e-3, "a paper"]]},
    }  # fmt: skip
    write_json(store.record(LINEAGE, 40), record)
    keep(store, 10, 20, 40)
    return store


def keep(store: RunStore, *steps: int, length: int = 40) -> None:
    def events() -> Iterator[SamplesGenerated]:
        for step in steps:
            yield SamplesGenerated(step=step, images=[Image.new("RGB", (16, 16), "red")], prompts=[f"a {step}"])

    list(keeping_samples(events(), store.samples(LINEAGE, length)))  # type: ignore[arg-type]


def adapter(dataset: Dataset, recipe: Mapping[str, Any] | None = None, **changes: Any) -> Adapter:
    values = {
        "name": "fox", "family": "sd1", "architecture": "stable-diffusion-v1", "prediction_type": "epsilon",
        "resolution": 64, "base_name": "demo_base", "base_hash": "b" * 64, "dataset_name": "things",
        "dataset_hash": "d" * 64, "dataset": dataset.manifest(), "recipe": recipe or RECIPE.flat(), "seed": 7,
        "losses": [0.5] * 40, "trigger": "zwx thing", "versions": {"torch": "2.13.0"}, "lineage": LINEAGE,
        "workflow": json.dumps({"nodes": [{"type": "LW_LoadDataset", "path": "/home/someone/secret/fox"}]}),
    } | changes  # fmt: skip
    update = LowRank(torch.ones(4, 3), torch.ones(2, 4), 4.0)
    modules = {"denoiser.mid_block.attentions.0.proj_in": update}
    metadata = training_metadata(RunFacts(**values))  # type: ignore[arg-type]
    return Adapter(name="fox", family="sd1", modules=modules, metadata=metadata)


def gathered(adapter: Adapter, store: RunStore, dataset: Dataset | None = None) -> RunPage:
    return finish(page_of(adapter, store, dataset))


def settings(page: RunPage) -> dict[str, Setting]:
    return {setting.name: setting for group in page.recipe for setting in group.settings}


def test_the_run_store_tells_what_the_file_has_no_place_for(store, dataset) -> None:
    page = gathered(adapter(dataset), store)
    assert (page.title, page.steps, page.seconds, page.resumed_at) == ("fox", 40, 60.0, 10)
    assert [value for _, value in page.losses] == [0.2, 0.1] * 20
    assert page.facts["Time"] == "2 s a step, everything included"
    assert page.facts["Device"] == "cpu, float32" and page.facts["Base model"] == "demo_base (sd1)"
    assert page.hashes["Run"] == LINEAGE and len(page.hashes["Adapter"]) == 64
    assert len(page.learning_rates) == 40
    assert page.samples is not None
    assert [(s.step, s.samples[0].prompt) for s in page.samples.steps] == [(10, "a 10"), (20, "a 20"), (40, "a 40")]


def test_measures_of_snapshots_give_a_verdict(store, dataset) -> None:
    for step, learned in ((10, 0.3), (20, 0.59), (30, 0.6), (40, 0.6)):
        shown = [
            PictureFigures(name="a", content_hash="a", held=False, adapted=(1 - learned,), base=(1.0,)),
            PictureFigures(name="b", content_hash="b", held=True, adapted=(0.7,), base=(1.0,)),
        ]
        Figures.of(step, "one", shown, 0.2).save(store.figures(LINEAGE, step, 40))
    store.figures(LINEAGE, 30, 40).write_text("damaged")
    found = gathered(adapter(dataset), store)
    assert found.verdict and found.verdict.text == "Best: step 20." and found.picked == 20
    assert any("98%" in reason for reason in found.verdict.reasons)
    assert [measure.name for measure in found.measures] == [
        "Loss of training pictures", "Loss of held-out pictures", "Drift",
    ]  # fmt: skip
    assert [step for step, _ in found.measures[0].points] == [10, 20, 40]


def test_a_file_alone_is_enough(dataset, tmp_path) -> None:
    page = gathered(adapter(dataset, lineage=""), RunStore(tmp_path / "empty"))
    assert page.samples is None and page.seconds is None and not page.notes
    assert [value for _, value in page.losses] == [0.5] * 40
    assert page.pictures is not None and [p.image for p in page.pictures.shown] == [None, None]


def test_settings_tell_who_suggests_them_or_what_they_replace(store, dataset) -> None:
    found = settings(gathered(adapter(dataset), store))
    assert found["rank"].instead_of == "16 suggested by our own choice" and not found["rank"].source
    assert found["learning_rate"].source == "a paper" and not found["learning_rate"].instead_of
    assert found["steps"].instead_of == f"default {Recipe().schedule.steps}"
    assert found["schedule"].is_usual


def test_settings_of_another_version_are_shown_too(store, dataset) -> None:
    page = gathered(adapter(dataset, {**RECIPE.flat(), "of_tomorrow": 3}), store)
    assert settings(page)["of_tomorrow"].value == "3"


def test_pictures_are_found_by_their_content(store, dataset) -> None:
    page = gathered(adapter(dataset), store, images("blue", "green"))
    assert page.pictures is not None
    lost, green = page.pictures.shown
    assert lost.image is None and green.image is not None
    assert green.image.getpixel((5, 5)) == (0, 128, 0)
    assert page.pictures.note == "1 picture of it can't be found any more."


def test_another_data_set_is_refused(store, dataset) -> None:
    with pytest.raises(DatasetError, match="None of the 2 pictures"):
        gathered(adapter(dataset), store, images("blue"))


def test_an_adapter_of_another_program_is_refused(store, dataset) -> None:
    update = LowRank(torch.ones(4, 3), torch.ones(2, 4), 4.0)
    other = Adapter(name="other", family="sd1", modules={"denoiser.a": update}, metadata={"ss_seed": "1"})
    with pytest.raises(AdapterError, match="other has no recipe"):
        gathered(other, store)


def test_no_folder_of_this_machine_is_named(store, dataset) -> None:
    page = gathered(adapter(dataset), store)
    assert "secret" not in page.graph and "LW_LoadDataset" in page.graph
    assert page.notes == ["The state at state.safetensors is damaged."]


def test_of_many_sample_pictures_some_are_shown(store, dataset) -> None:
    keep(store, *range(1, 41))
    samples = gathered(adapter(dataset), store).samples
    assert samples is not None and len(samples.steps) == MOST_SAMPLES and samples.left_out == 40 - MOST_SAMPLES


def test_other_reports_are_never_overwritten(store, dataset, tmp_path) -> None:
    def save() -> SavedReport:
        return finish(save_report(adapter(dataset), store, tmp_path / "reports" / "fox.html"))

    first, same = save(), save()
    assert first.path == same.path == tmp_path / "reports" / "fox.html"
    assert str(first).startswith("fox: 40 steps, sample pictures of 3 steps, 2 training pictures, ")
    keep(store, 30)
    assert save().path.name == "fox_00002.html"
    assert first.path.read_bytes() != save().path.read_bytes()
