"""Adapters of all kinds on ComfyUI's models: the same weights as headless, and as ComfyUI's where it computes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

CLOSE = 1e-5
"""Largest difference, relative to the weight's largest value."""
ALWAYS, BELOW_ONE = {"1.0", "0.6"}, {"0.6"}
OTHERWISE = {
    "dora": ALWAYS,  # divides by the norms of the weight before the change
    "dora_of_peft": ALWAYS,  # knows no magnitude by this name
    "loha_decomposed": ALWAYS,
    "lokr_with_core": ALWAYS,  # fails, and leaves the weight as it is
    "oft": ALWAYS,  # takes alpha for the bound itself
    "oft_rescaled": ALWAYS,  # leaves rescale out
    "oft_of_inputs": ALWAYS,  # knows no rotation of inputs
    "oft_of_onetrainer": ALWAYS,
    "boft": BELOW_ONE,  # multiplies by the weight in the stack twice
}
"""Kind -> weights in the stack at which ComfyUI's adapters differ from the programs that wrote the files."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = Path(__file__).with_name("inside_kinds.py")
    return run_inside(script, "everything", folder=tmp_path_factory.mktemp("comfyui"))


def test_both_hosts_compute_the_same_weights(found: dict[str, Any]) -> None:
    apart = {kind: {share: at["headless"] for share, at in shares.items()} for kind, shares in found["kinds"].items()}
    assert max(value for shares in apart.values() for value in shares.values()) < CLOSE, apart


def test_comfyui_computes_the_same_weights_but_for_known_faults(found: dict[str, Any]) -> None:
    differing = {
        kind: {share for share, apart in shares.items() if apart["stock"] > CLOSE}
        for kind, shares in found["kinds"].items()
    }
    assert {kind: shares for kind, shares in differing.items() if shares} == OTHERWISE


def test_files_of_trained_adapters_have_their_strength_in_the_stock_loader(found: dict[str, Any]) -> None:
    apart = found["trained"]
    assert {"lora", "dora", "loha", "lokr", "oft", "gralora"} < apart.keys()
    assert max(at["1"] for at in apart.values()) < CLOSE, apart
    below = {kind: at["0.5"] for kind, at in apart.items() if at["0.5"] > CLOSE}
    assert below.keys() == {"oft"}, "whose weight in the stack ComfyUI multiplies by itself"


def test_files_saved_for_comfyui_make_the_same_change_there(found: dict[str, Any]) -> None:
    assert max(found["saved_for_comfyui"].values()) < 1e-4, found["saved_for_comfyui"]


def test_stacks_of_several_kinds_are_a_chain_of_loaders(found: dict[str, Any]) -> None:
    mixed = found["mixed"]
    assert max(mixed[order][host] for order in ("first", "last") for host in ("stock", "headless")) < CLOSE
    assert mixed["order"] > 0.01, "the place of DoRA and OFT in a stack counts"


def test_slices_of_fused_weights_are_changed_alone(found: dict[str, Any]) -> None:
    assert max(found["slices"].values()) < CLOSE, found["slices"]


def test_norms_and_biases_are_changed_and_missing_biases_told(found: dict[str, Any]) -> None:
    assert found["biases"]["stock"] < CLOSE
    assert found["biases"]["changed"] == 6
    assert "nowhere changes 1 biases that this model doesn't have; they are left out." in found["biases"]["nowhere"]


def test_models_with_other_adapters_are_told_apart(found: dict[str, Any]) -> None:
    assert found["identities"] == {"same": True, "told apart": True}
