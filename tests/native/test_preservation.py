"""Preservation with the base model as the teacher, on ComfyUI's models as on diffusers' ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_both_backbones_hold_an_adapter_alike(tmp_path: Path) -> None:
    found = run_inside(Path(__file__).resolve().parent / "inside_preservation.py", "trained", folder=tmp_path)
    assert len(found["apart"]) == 8
    assert max(found["apart"].values()) < 1e-3, found["apart"]
    assert max(found["first"]) < 1e-9, "a new adapter is what it is held to"
    assert not found["changed"], "the model that came in is another one afterwards"
