"""Stacks on ComfyUI's own models: the weights of a chain of its loaders, by one patch each and one read a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

CLOSE = 1e-5
"""Largest difference to ComfyUI's own loaders, relative to the weight's largest value."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = Path(__file__).with_name("inside_patches.py")
    return run_inside(script, "everything", folder=tmp_path_factory.mktemp("comfyui"))


def test_the_weights_are_those_of_a_chain_of_loaders(found: dict[str, Any]) -> None:
    assert max(found["stack"][part] for part in ("model", "clip", "halved")) < CLOSE
    assert found["stack"]["base"] == [0, 0], "the models that came in stay as they are"


def test_the_pictures_are_those_of_a_chain_of_loaders(found: dict[str, Any]) -> None:
    assert found["pictures"]["stock"] < 1
    assert found["pictures"]["plain"] > 10


def test_each_weight_has_one_patch_however_many_adapters(found: dict[str, Any]) -> None:
    assert found["stack"]["patches"] == [1, 3]
    assert "3 adapters on 8 weights" in found["stack"]["text"]


def test_a_file_is_read_once_and_again_when_it_has_changed(found: dict[str, Any]) -> None:
    assert found["stack"]["reads"] == [3, 0, 1]
    assert found["stack"]["triggers"] == ["ohwx fox, qvk owl", "new fox, qvk owl"]


def test_blocks_have_the_weights_of_a_chain_of_their_files(found: dict[str, Any]) -> None:
    assert max(found["block_weights"][part] for part in ("model", "clip")) < CLOSE
    assert "1 adapter on 6 weights" in found["block_weights"]["text"]


def test_slices_of_fused_weights_are_told_apart(found: dict[str, Any]) -> None:
    assert found["slices"]["difference"] < CLOSE
    assert found["slices"]["patches"] == [1, 2]


def test_other_kinds_follow_as_comfyui_applies_them(found: dict[str, Any]) -> None:
    assert found["other_kinds"]["difference"] < CLOSE
    assert found["other_kinds"]["triggers"] == "rows"
    assert "2 adapters on 6 weights" in found["other_kinds"]["text"]


def test_adapters_in_memory_never_touch_the_disk(found: dict[str, Any]) -> None:
    assert found["in_memory"]["difference"] < CLOSE
    assert (found["in_memory"]["patches"], found["in_memory"]["reads"]) == (1, 0)
    assert not found["in_memory"]["written"]


def test_what_does_not_fit_is_told(found: dict[str, Any]) -> None:
    told = found["misfits"]
    assert "half: only 2 of its 5 modules fit this model" in told["partly"]
    assert "both has a text-encoder part, left out since no CLIP is linked" in told["no clip"]
    assert told["nothing"] == "no adapters: nothing is changed"
    assert told["foreign"].startswith("AdapterError: The adapter giant doesn't fit this model")
    assert told["missing"].startswith("AdapterError: No adapter at")
    assert "leads out of the folders" in told["outside"]
    assert "('half.safetensors', 1.0)" in told["malformed"]


def test_saved_files_are_in_the_loaders_lists_at_once(found: dict[str, Any]) -> None:
    assert found["lists"] == {
        "before": [],
        "saved": ["deep/new.safetensors"],
        "unlinked": ["deep/new.safetensors"],
        "named": [["new.safetensors", 0.5, 1.0]],
        "linked": ["deep/new.safetensors", "new.safetensors"],
    }


def test_files_of_other_programs_have_their_own_strength(found: dict[str, Any]) -> None:
    assert {name: off for name, off in found["writers"].items() if off > CLOSE} == {}


def test_ldms_names_are_those_of_comfyuis_table(found: dict[str, Any]) -> None:
    assert found["tables"] == {"SD1.5": [], "SDXL": [], "SDXL refiner": [], "a small one": []}
