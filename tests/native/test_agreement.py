"""ComfyUI's models and diffusers' with the same weights predict and train alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside

pytestmark = pytest.mark.comfyui
HERE = Path(__file__).parent
FAMILIES = ("sdxl", "qwen_image", "flux2_klein", "z_image", "krea2", "anima")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("agreement")
    return run_inside(HERE / "inside_agreement.py", "every", folder=folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_and_losses_agree(found: dict[str, Any], family: str) -> None:
    result = found[family]
    assert "error" not in result, result["error"]
    assert result["apart"] < 1e-3 * result["size"]
    assert result["layers"] > 2
    native, diffusers = result["losses"]
    assert native[-1] != native[0]
    assert max(abs(one - other) for one, other in zip(native, diffusers, strict=True)) < 1e-3


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "flux2_klein"])
def test_files_of_diffusers_backbones_have_names_that_comfyui_knows(found: dict[str, Any], family: str) -> None:
    """Of all layers; ComfyUI has no table of those that modulate FLUX.2."""
    assert not found[family]["strange"]
