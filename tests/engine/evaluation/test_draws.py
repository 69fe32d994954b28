"""The noise of measures: fixed by the picture and the seed, balanced, and spread over all levels."""

from __future__ import annotations

import torch
from lora_workbench.engine.evaluation.draws import BANDS, SIGNS, Draws, by_band

SHAPE = (4, 3, 5)


def test_noise_follows_from_picture_and_seed_alone() -> None:
    one = Draws.of(SHAPE, "a", seed=1, count=2)
    torch.manual_seed(99)
    assert torch.equal(one.noise, Draws.of(SHAPE, "a", seed=1, count=2).noise)
    for other in (Draws.of(SHAPE, "b", seed=1, count=2), Draws.of(SHAPE, "a", seed=2, count=2)):
        assert not torch.equal(one.noise, other.noise)
        assert torch.equal(one.levels, other.levels), "no picture has easier levels"


def test_drawing_leaves_the_generator_of_others_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    Draws.of(SHAPE, "a", seed=1, count=1)
    assert torch.equal(before, torch.get_rng_state())


def test_every_noise_is_there_negated_at_the_same_level() -> None:
    draws = Draws.of(SHAPE, "a", seed=1, count=3)
    assert draws.noise.shape == (BANDS * 3 * SIGNS, *SHAPE)
    assert torch.equal(draws.noise[::2], -draws.noise[1::2])
    assert torch.equal(draws.levels[::2], draws.levels[1::2])


def test_each_band_has_levels_of_its_own() -> None:
    levels = Draws.of(SHAPE, "a", seed=1, count=3).levels
    bands = (levels * BANDS).long()
    assert bands.tolist() == sorted(bands.tolist()) and bands.bincount().tolist() == [6] * BANDS
    assert by_band(bands.float()) == [0, 1, 2, 3]
