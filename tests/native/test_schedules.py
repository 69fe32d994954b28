"""Weights by sampling step in ComfyUI: by its hooks for its samplers, and in our own sampler on its models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

CLOSE = 1e-3
"""Relative difference of latents that another order of the same sums makes over eight steps."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = Path(__file__).with_name("inside_schedules.py")
    return run_inside(script, "everything", folder=tmp_path_factory.mktemp("comfyui"))


@pytest.mark.parametrize(
    "pair",
    [
        "hooks beside our own sampler",
        "hooks beside a chain of samplers",
        "a factor of 1 beside patches",
        "patches beside our own sampler",
        "masks beside our own sampler",
        "a mask of everything",
    ],
)
def test_each_step_has_its_weight_however_it_is_sampled(found: dict[str, Any], pair: str) -> None:
    assert found[pair] < CLOSE


def test_the_schedule_shows_and_leaves_the_model_as_it_was(found: dict[str, Any]) -> None:
    assert found["masked and none"] > 0.02
    assert found["scheduled and constant"] > 0.02 and found["scheduled and none"] > 0.02
    assert found["none again"] == 0


def test_prompts_have_to_be_encoded_with_the_clip(found: dict[str, Any]) -> None:
    assert "encode all of them, the negative too, with this CLIP" in found["text"]
    assert "no CLIP is linked" in found["without a clip"]
