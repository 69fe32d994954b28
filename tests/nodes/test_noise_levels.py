"""What nodes show of the noise levels of a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.fields import defaults_of
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.training.recipe import Recipe as Settings
from lora_workbench.engine.training.resolved import noise_levels, read_known, resolve
from lora_workbench.engine.training.settings import NoiseSettings
from lora_workbench.nodes.training.recipe import Recipe
from lora_workbench.nodes.training.recipe_groups import RECIPE_NODES
from lora_workbench.nodes.training.train_lora import TrainLoRA
from PIL import Image
from tiny import save_tiny_z_image

NOISE = next(node for node in RECIPE_NODES if node.define_schema().node_id == "LW_RecipeNoise")


@pytest.fixture(autouse=True)
def own_host(host: Any) -> None:
    """Results go to a temporary folder."""


@pytest.fixture
def pictures() -> Dataset:
    return dataset_from_images([Image.new("RGB", (32, 32), color) for color in ("red", "blue")], ["a", "b"], "colors")


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """Sampled with a shift by 6."""
    return registry.load_base(save_tiny_z_image(tmp_path_factory.mktemp("z_image")), device="cpu", precision="fp32")


def noise(recipe: Settings, **changes: Any) -> dict[str, Any]:
    """What the node of the group shows."""
    return NOISE.execute(recipe, **{**defaults_of(NoiseSettings), **changes}).ui


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Noise levels: a tenth of the steps below 0.10, half below 0.50, a tenth above 0.90"),
        ({"noise_shift": "fixed"}, "half below 0.75"),
        ({"noise_shift": "resolution"}, "Noise levels of a flow model at 1024 pixels: a tenth of the steps below 0.26"),
        ({"noise_shift": "model"}, "Noise levels before a flow model's own shift"),
        ({"sigma_max": 0.4}, "half below 0.20"),
    ],
)
def test_the_recipe_alone_has_a_plot(changes: dict[str, Any], words: str) -> None:
    ui = noise(Settings.of(resolution=1024), **changes)
    assert words in "".join(ui["text"])
    assert len(ui["images"]) == 1


def test_a_range_without_levels_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected less than sigma_max"):
        noise(Settings(), sigma_min=0.5, sigma_max=0.4)


def test_a_suggested_recipe_shows_the_levels_on_its_flow_model(flow: Backbone, pictures: Dataset) -> None:
    settings = "noise_shift = model; timestep_distribution = uniform; resolution = 32"
    ui = Recipe.execute(pictures, flow, "subject", "standard", settings).ui
    assert "half below 0.86" in "".join(ui["text"])
    [report] = ui["lw_report"]
    assert report["noise_levels"]["shift"] == pytest.approx(6)
    assert report["noise_levels"]["deciles"][4] == pytest.approx(6 / 7, abs=1e-3)
    assert len(ui["images"]) == 1


def test_the_form_learns_the_levels_of_its_last_run(flow: Backbone, pictures: Dataset) -> None:
    settings = {"noise_shift": "model", "timestep_distribution": "uniform", "resolution": 32}
    text = "; ".join(f"{name} = {value}" for name, value in settings.items())
    ui = Recipe.execute(pictures, flow, "subject", "standard", text).ui
    known = read_known(json.loads(json.dumps(ui["lw_recipe"][0])))
    told = resolve("subject", "standard", settings, known)
    levels = noise_levels(told, known)
    made = {name: value for name, value in ui["lw_report"][0]["settings"].items() if told.values[name].value != value}
    assert (known.pictures, known.flow, made) == (len(pictures), True, {})
    assert levels is not None
    assert levels["density"][-1] > 3


def test_a_training_shows_its_levels_beside_its_losses(flow: Backbone, pictures: Dataset) -> None:
    recipe = Settings.of(steps=1, batch_size=2, rank=2, alpha=2, resolution=32, sigma_max=0.4)
    made = TrainLoRA.execute(flow, pictures, recipe, 0, "fox")
    assert len(made.ui["images"]) == 2
    assert made.args[1].shape[0] == 1, "the output is the loss plot alone"
    [report] = made.ui["lw_report"]
    assert report["noise_levels"]["share_below_0.45"] == 1
    assert "noise levels: a tenth of the steps below 0.04, half below 0.20, a tenth above 0.36" in made.args[2]


def test_levels_that_are_all_trained_alike_are_not_shown(tiny_sd1: Path, pictures: Dataset) -> None:
    base = registry.load_base(tiny_sd1, device="cpu", precision="fp32")
    ui = Recipe.execute(pictures, base, "subject", "standard", "resolution = 32").ui
    assert "images" not in ui and "noise levels" not in "".join(ui["text"])
    assert ui["lw_report"][0]["noise_levels"]["deciles"][4] == 0.5
