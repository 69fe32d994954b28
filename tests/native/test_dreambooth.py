"""Trained models and extracted adapters in ComfyUI's stock loaders do what they do here."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_process import run_inside

pytestmark = pytest.mark.comfyui
INSIDE = Path(__file__).resolve().parent / "inside_dreambooth.py"


@pytest.mark.slow
def test_the_stock_loader_gives_the_same_predictions(tmp_path: Path) -> None:
    found = run_inside(INSIDE, "trained", tmp_path, folder=tmp_path)
    assert found["messages"] == []
    assert found["states"] < 1e-4
    assert found["predict"] < 1e-4 < found["moved"]
    assert found["decode"] < 1e-2


def test_an_adapter_on_a_model_is_taken_out_again(tmp_path: Path) -> None:
    found = run_inside(INSIDE, "extracted", tmp_path, folder=tmp_path)
    assert found["messages"] == []
    assert found["layers"] == 3 and found["components"] == ["denoiser", "text_encoder"]
    assert found["energy"] > 0.9999
    assert found["apart"] < 1e-3 * found["moved"]
    assert "LW_LoadBase" in found["refused"]


def test_a_graph_goes_on_with_the_trained_model(tmp_path: Path) -> None:
    found = run_inside(INSIDE, "handed_over", tmp_path, folder=tmp_path)
    assert found["messages"] == []
    assert found["predict"] < 1e-4 < 1e-3 < found["moved"]
    assert found["states"] < 2e-3, "ComfyUI keeps text encoders in 16 bits"
    assert found["decode"] < 1e-3
    assert found["drawn"] > 1e-2, "another picture than the base model's"
    assert found["made anew"]
    assert (found["family"], found["predicts"]) == ("sd1", "v_prediction")


def test_models_of_a_family_go_through_comfyuis_loader(tmp_path: Path) -> None:
    found = run_inside(INSIDE, "handed_over_by_loader", tmp_path, folder=tmp_path)
    for name, parts in found.items():
        assert max(parts[part] for part in ("states", "predict")) < 1e-4, name
        assert parts["decode"] < 1e-2
        assert ("V_PREDICTION" in parts["kinds"]) == (name == "v_prediction")
        assert parts["alphas"] < 1e-5
        assert "can't be handed over as MODEL, CLIP and VAE: Its unet has other sizes" in parts["blocked"]
