"""Companions on ComfyUI's models: as on diffusers' ones, on fused layers too, and off in pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

SCRIPT = Path(__file__).resolve().parent / "inside_companions.py"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.mark.parametrize("action", ["with_text_encoder", "without_text_encoder"])
def test_both_backbones_train_alike_beside_companions(action: str, tmp_path: Path) -> None:
    found = run_inside(SCRIPT, action, folder=tmp_path)
    assert found["moved"] > 1e-3, "companions change every step"
    assert found["losses_apart"] < 1e-4
    assert found["factors_apart"] < 1e-2
    assert not found["names_differ"]
    assert not found["changed"], "the model that came in is another one afterwards"


def test_sample_pictures_have_what_was_learned_and_the_context_alone(tmp_path: Path) -> None:
    found = run_inside(SCRIPT, "samples", folder=tmp_path)
    for text_encoder in ("frozen", "trained"):
        alone, beside, within = (found[f"{text_encoder} {role}".strip()] for role in ("", "training_only", "context"))
        assert alone["alone"] <= 1
        assert beside["alone"] <= 1 < beside["with"]
        assert within["with"] <= 1 < within["alone"]
    assert min(found[name]["not learned"] for name in ("trained", "trained context")) > 5
    assert found["frozen"]["base"] <= 1


@pytest.mark.parametrize("family", ["sd15", "flux_dev"])
def test_a_companion_computes_as_comfyui_patches(family: str, checkpoints: Path, tmp_path: Path) -> None:
    found = run_inside(SCRIPT, "fused", family, checkpoints, folder=tmp_path)
    for kind in ("files", "own"):
        assert found[kind]["modules"] > 1
        assert found[kind]["moved"] > 0.02
        assert found[kind]["apart"] < 1e-4
        assert found[kind]["off"] < 1e-6
