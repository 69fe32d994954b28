"""Ranks by pattern, rsLoRA's scale, and settings of the adapter that contradict each other."""

from __future__ import annotations

from math import sqrt

import pytest
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.models import registry
from lora_workbench.engine.training.rank_patterns import parse_rank_patterns
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.settings import Circumstances
from lora_workbench.engine.training.sizes import sizes_of
from lora_workbench.engine.training.targets import chosen_layers


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


def test_patterns_are_read_as_people_write_them() -> None:
    found = parse_rank_patterns(r"ff: 8, (?:to_q|to_k)$:32/16.5; mid_block.*\.attn1 :4")
    assert found == [("ff", 8, None), ("(?:to_q|to_k)$", 32, 16.5), (r"mid_block.*\.attn1", 4, None)]
    for wrong in ("ff", "ff: 8, to_q", "(: 8", "ff: 0", "ff: 8/0"):
        with pytest.raises(ConfigError, match="rank_patterns"):
            Recipe.of(rank_patterns=wrong)


def test_the_first_pattern_of_a_layer_counts_and_the_scale_stays(base) -> None:
    settings = Recipe.of(rank=16, alpha=8, rank_patterns="attn2.*to_k$: 4, to_k$: 32/2").adapter
    size = sizes_of(base, settings)
    for layer in chosen_layers(base, settings):
        wanted = (16, 8.0)
        if layer.key.endswith("to_k"):
            wanted = (4, 2.0) if "attn2" in layer.key else (32, 2.0)
        assert size(layer.key) == wanted


@pytest.mark.parametrize("patterns", ["nowhere: 4", "to_k: 4, attn1.*to_k: 8", "ff: 4"])
def test_patterns_without_layers_are_refused(base, patterns: str) -> None:
    with pytest.raises(AdapterError, match=r"patterns without layers: .*"):
        sizes_of(base, Recipe.of(targets="attention", rank_patterns=patterns).adapter)


def test_rank_stabilized_scales_by_the_root_of_each_rank(base) -> None:
    size = sizes_of(base, Recipe.of(rank=16, alpha=8, rank_stabilized=True, rank_patterns="to_k: 4/8").adapter)
    scales = {key: alpha / rank for key in ("denoiser.x.to_q", *(k.key for k in chosen_layers(base, Recipe().adapter)))
              for rank, alpha in [size(key)]}  # fmt: skip
    assert scales["denoiser.x.to_q"] == pytest.approx(8 / sqrt(16))
    assert {round(scale, 6) for key, scale in scales.items() if key.endswith("to_k")} == {8 / sqrt(4)}


def test_contradictions_are_refused_together_with_what_to_change() -> None:
    with pytest.raises(ConfigError, match="set init to zero") as told:
        Recipe.of(kind="oft", init="pissa", rank_stabilized=True)
    assert "turn it off" in str(told.value)
    with pytest.raises(ConfigError, match="set it to 6"):
        Recipe.of(init="orthogonal", rank=5)
    with pytest.raises(ConfigError, match="set it to 8"):
        Recipe.of(init="orthogonal", rank_patterns="ff: 7")


def test_neutral_settings_leave_the_key() -> None:
    now = Circumstances(recipe=Recipe(), has_prior=False, all_cropped=False, prediction_type="epsilon")
    assert not {"init", "rank_stabilized", "rank_patterns", "lokr_factor"} & Recipe().keyed(now).keys()
