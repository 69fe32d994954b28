"""Spectra of updates of all kinds, compared with the singular values of the whole change by numpy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from kind_samples import SAMPLES, Values
from lora_workbench.engine.adapters.kinds import Decomposed, Difference, LowRank, read_update
from lora_workbench.engine.adapters.names import parse
from lora_workbench.engine.adapters.spectra import Spectrum, spectrum, without_weight

if TYPE_CHECKING:
    from lora_workbench.engine.adapters.kinds import Update

SHAPES = {"linear": (24, 36), "kernel": (24, 12, 3, 3)}


def update_of(sample: str, shape: tuple[int, ...]) -> Update:
    tensors = {f"lora_unet_m.{name}": value for name, value in SAMPLES[sample](Values(), *shape).items()}
    parts = {key.part: value for name, value in tensors.items() if (key := parse(name))}
    return read_update(parts, "m")


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_singular_values_are_those_of_the_whole_change(sample: str, layer: str) -> None:
    shape = SHAPES[layer]
    if layer == "kernel" and sample.startswith("oft_of"):
        pytest.skip("rotations of inputs don't fit kernels")
    update = update_of(sample, shape)
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = spectrum(update, weight)
    assert found is not None
    change = update.delta(weight).flatten(1).double().numpy()
    expected = np.linalg.svd(change, compute_uv=False)
    count = min(len(found.values), len(expected))
    np.testing.assert_allclose(found.values[:count], expected[:count], rtol=1e-3, atol=1e-4 * expected[0])
    assert np.allclose(expected[count:], 0, atol=1e-4 * expected[0])
    assert found.norm == pytest.approx(np.linalg.norm(change), rel=1e-4)
    assert found.rank == update.rank
    energy = expected**2 / (expected**2).sum()
    entropy = -(energy * np.log(np.maximum(energy, 1e-300))).sum()
    assert found.effective_rank == pytest.approx(math.exp(entropy), rel=1e-2)


@pytest.mark.parametrize(("sample", "known"), [("lora", True), ("full", True), ("dora", False), ("oft", False)])
def test_only_kinds_that_depend_on_the_weight_need_it(sample: str, known: bool) -> None:
    assert (spectrum(update_of(sample, SHAPES["linear"])) is not None) == known


def test_of_dora_what_turns_the_weight_needs_none() -> None:
    update = update_of("dora", SHAPES["linear"])
    assert isinstance(update, Decomposed)
    assert spectrum(without_weight(update)) == spectrum(update.turn)


def test_effective_rank_counts_equal_values_and_leaves_small_ones_out() -> None:
    assert Spectrum((2.0, 2.0, 2.0), 0, 3).effective_rank == pytest.approx(3)
    assert Spectrum((1.0, 1e-6, 0.0), 0, 3).effective_rank == pytest.approx(1, abs=1e-6)
    assert Spectrum((), 0, 3).effective_rank == 0
    assert Spectrum((0.0, 0.0), 0, 2).effective_rank == 0


def test_how_many_values_are_enough() -> None:
    found = Spectrum((3.0, 4 / 3, 1.0), 0, 3)
    energy = 9 + 16 / 9 + 1
    assert [found.enough(share) for share in (0.5, 10.7 / energy, 0.95, 1.0)] == [1, 2, 3, 3]
    assert Spectrum((), 0, 1).enough(0.99) == 0


def test_a_change_of_nothing_and_of_a_norm() -> None:
    zero = spectrum(LowRank(torch.zeros(2, 4), torch.zeros(3, 2), 1.0))
    assert zero is not None
    assert (zero.norm, zero.effective_rank) == (0.0, 0.0)
    vector = spectrum(Difference(torch.tensor([3.0, 4.0])))
    assert vector is not None
    assert vector.values == (5.0,)


def test_more_ranks_than_the_matrix_has() -> None:
    generator = torch.Generator().manual_seed(0)
    update = LowRank(torch.randn(9, 4, generator=generator), torch.randn(5, 9, generator=generator), 9.0)
    found = spectrum(update)
    assert found is not None
    np.testing.assert_allclose(found.values, np.linalg.svd(update.delta().numpy(), compute_uv=False), rtol=1e-4)
