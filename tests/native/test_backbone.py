"""The native backbone in a real ComfyUI: beside the diffusers backbone, and on small checkpoints of its families."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

HERE = Path(__file__).resolve().parent
FAMILIES = {
    "sd15": ("epsilon", "kohya"),
    "sdxl": ("epsilon", "kohya"),
    "sd3": ("flow", "transformer"),
    "flux_dev": ("flow", "transformer"),
    "flux_schnell": ("flow", "transformer"),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def on_demo_base(action: str, folder: Path) -> dict[str, Any]:
    return run_inside(HERE / "inside_backbone.py", action, folder=folder)


def on_family(action: str, family: str, checkpoints: Path, folder: Path) -> dict[str, Any]:
    return run_inside(HERE / "inside_families.py", action, family, checkpoints, folder=folder)


def test_it_agrees_with_the_diffusers_backbone(tmp_path: Path) -> None:
    found = on_demo_base("agree", tmp_path)
    assert not found.pop("infos_differ")
    assert not found.pop("capabilities")
    assert not found.pop("modules")
    ours, theirs = found.pop("pieces")
    assert ours == theirs
    assert found.pop("chunks") == [[30], [30]]
    # ComfyUI has 4.9e-8 where diffusers has no signal at all, and its autoencoder computes another softmax.
    assert found.pop("alpha") < 3e-4
    assert found.pop("pictures") < 1e-3
    assert all(apart < 1e-5 for apart in found.values()), found


def test_both_backbones_train_alike(tmp_path: Path) -> None:
    found = on_demo_base("train", tmp_path)
    assert found["losses_apart"] < 1e-4
    assert found["factors_apart"] < 1e-2
    ours, theirs = found["text"]
    assert abs(ours / theirs - 1) < 1e-2 and theirs > 0
    assert not found["names_differ"]
    assert found["cached"]
    assert not found["changed"], "the model that came in is another one afterwards"
    assert found["inference"] == [True]


@every_family
def test_an_adapter_is_the_same_in_the_mirror_and_as_patches(family: str, checkpoints: Path, tmp_path: Path) -> None:
    found = on_family("carried", family, checkpoints, tmp_path)
    assert found["moved"] > 0.05
    assert found["apart"] < 1e-4
    assert found["restored"] == 0
    assert found["parts"] >= found["layers"] > 30


def test_weights_in_eight_bits_have_the_gradients_of_whole_ones(checkpoints: Path, tmp_path: Path) -> None:
    found = run_inside(HERE / "inside_families.py", "eight_bits", checkpoints, folder=tmp_path)
    assert found["stored"] == "torch.float8_e4m3fn"
    assert found["predictions"] < 1e-5
    assert found["gradients"] < 1e-4


def test_a_lora_on_the_model_belongs_to_the_base(checkpoints: Path, tmp_path: Path) -> None:
    found = run_inside(HERE / "inside_families.py", "on_a_style", checkpoints, folder=tmp_path)
    assert found["moved"] > 1e-3
    assert found["apart"] < 1e-4
    assert found["plain_again"] == 0
    assert found["told_apart"]
    assert found["recognized"]


@every_family
def test_a_family_is_trained_and_its_file_loads_in_the_stock_loader(
    family: str, checkpoints: Path, tmp_path: Path
) -> None:
    found = on_family("trained", family, checkpoints, tmp_path)
    assert (found["prediction_type"], found["style"]) == FAMILIES[family]
    first, last = found["losses"]
    assert last < 0.97 * first
    assert not found["unmatched"]
    assert found["text"], "the text encoder was not trained"
    assert all(patches > 0 for patches in found["patched"])
    assert not found["changed"]


@pytest.mark.parametrize(
    ("family", "factor", "patch"), [("sd3", 3.0, 2), ("flux_dev", math.exp(1.15), 2), ("flux_schnell", 1.0, 2)]
)
def test_flow_models_are_trained_at_the_levels_that_the_recipe_draws(
    family: str, factor: float, patch: int, checkpoints: Path, tmp_path: Path
) -> None:
    """Not at those that ComfyUI's sampling shift makes of them, which a recipe can ask for."""
    found = on_family("levels", family, checkpoints, tmp_path)
    assert found["flow"]
    assert max(found["sigma"], found["alpha"], found["told"]) < 1e-6
    assert found["shift"] < 1e-5
    assert found["factor"] == pytest.approx(factor, rel=1e-4)
    assert found["patch"] == patch
