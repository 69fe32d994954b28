"""The small checkpoints that other tests train on are what ComfyUI takes them for, and compute finite values."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

INSIDE = Path(__file__).resolve().parent / "inside_checkpoints.py"


@pytest.mark.parametrize(
    ("name", "config", "channels", "conditioning"),
    [
        ("sd15", "SD15", 4, [1, 77, 768]),
        ("sdxl", "SDXL", 4, [1, 77, 2048]),
        ("sd3", "SD3", 16, [1, 77, 4096]),
        ("flux_dev", "Flux", 16, [1, 256, 64]),
        ("flux_schnell", "FluxSchnell", 16, [1, 256, 64]),
    ],
)
def test_comfyui_recognizes_and_samples_it(
    name: str, config: str, channels: int, conditioning: list[int], tmp_path: Path
) -> None:
    tried = run_inside(INSIDE, "tried", name, tmp_path, folder=tmp_path)
    assert tried["config"] == config
    assert tried["messages"] == [], "weights that are missing, or that no part has a place for"
    assert tried["conditioning"] == conditioning
    assert tried["latent"] == tried["encoded"] == [1, channels, 8, 8]
    assert tried["picture"] == [1, 64, 64, 3]
    assert tried["finite"]
    assert tried["spread"] > 0.1


def test_families_are_known_by_headers(tmp_path: Path) -> None:
    names = ("sd15", "sdxl", "sd3", "flux_dev", "flux_schnell")
    assert run_inside(INSIDE, "recognized", tmp_path, *names, folder=tmp_path) == [
        "sd1", "sdxl", "sd3", "flux1", "flux1",
    ]  # fmt: skip
