"""Captioners and text encoders get the very inputs that their own processors, which need torchvision, would make."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_inputs_are_those_of_the_models_own_processors(tmp_path: Path) -> None:
    compared = run_inside(Path(__file__).resolve().parent / "inside_processors.py", "compared", folder=tmp_path)
    assert set(compared) == {"qwen2_vl", "qwen2_5_vl", "qwen3_vl", "florence2", "prompts_with_pictures"}
    assert {"input_ids", "pixel_values", "image_grid_thw"} <= compared["qwen2_5_vl"].keys()
    assert not [(kind, name) for kind, inputs in compared.items() for name, same in inputs.items() if not same]
