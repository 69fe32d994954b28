"""Snapshots compared on ComfyUI's models: as on diffusers' ones, and by its vision models."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_both_backbones_draw_and_measure_alike(tmp_path: Path) -> None:
    found = run_inside(Path(__file__).with_name("inside_comparisons.py"), "compared", folder=tmp_path)
    assert found["steps"] == [4, 8]
    assert found["moved"] > 1 > found["apart"], "snapshots draw something else, and both backbones the same, of 255"
    assert found["by_looks"] == pytest.approx(found["by_looks_too"], abs=0.02)
    assert found["redrawn"], "the model that came in draws as before, though snapshots were on it"
    by_looks, by_vision = found["by_looks"], found["by_vision"]
    assert found["same_pictures"] and by_vision["novelty"] == by_looks["novelty"], "copies are told by looks"
    assert all(by_vision[name] != by_looks[name] for name in ("likeness", "adherence", "drift"))
    assert found["lengths"] == pytest.approx([1, 1], abs=1e-5) and found["different"] < 0.999
