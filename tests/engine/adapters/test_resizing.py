"""Other ranks, by the rules of sd-scripts too, and the difference of two adapters."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from generators import result
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.merges.merging import Merge, Merged
from lora_workbench.engine.adapters.merges.resizing import Size, difference, resized
from lora_workbench.engine.core.errors import ConfigError

VALUES = (8.0, 4.0, 2.0, 1.0, 0.5, 0.1)
"""Singular values of the layer."""


@pytest.fixture
def fox() -> Adapter:
    u, _ = torch.linalg.qr(torch.randn(12, 6, generator=torch.Generator().manual_seed(1)))
    v, _ = torch.linalg.qr(torch.randn(10, 6, generator=torch.Generator().manual_seed(2)))
    update = LowRank(v.T.contiguous(), u * torch.tensor(VALUES) * 3, alpha=2.0)
    metadata = {"modelspec.trigger_phrase": "ohwx fox", "ss_network_dim": "6", "ss_network_alpha": "2.0"}
    return Adapter(name="fox", family="sd1", modules={"denoiser.layer": update}, metadata=metadata)


def resize(adapter: Adapter, **size: Any) -> Merged:
    return result(resized(adapter, Size(**size)))


def as_sd_scripts(rule: str, threshold: float) -> int:
    """``index_sv_fro`` and ``index_sv_ratio`` of its ``resize_lora.py``."""
    s = torch.tensor(VALUES)
    if rule == "sv_ratio":
        return int((s > s[0] / threshold).sum())
    shares = s.square().cumsum(0) / s.square().sum()
    return min(int(torch.searchsorted(shares, threshold**2)) + 1, len(s))


@pytest.mark.parametrize("rule", ["sv_fro", "sv_ratio"])
@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.97, 0.999, 3.0, 5.0, 30.0])
def test_rules_of_sd_scripts_choose_as_many_ranks_as_there(fox: Adapter, rule: Any, threshold: float) -> None:
    if (threshold > 1) != (rule == "sv_ratio"):
        return
    found = resize(fox, rank=6, rule=rule, threshold=threshold)
    assert found.adapter.rank == as_sd_scripts(rule, threshold)


def test_energy_is_the_share_of_the_squares(fox: Adapter) -> None:
    squares = [value**2 for value in VALUES]
    for rank in range(1, 6):
        share = sum(squares[:rank]) / sum(squares)
        found = resize(fox, rank=6, rule="energy", threshold=share - 1e-5)
        assert found.adapter.rank == rank
        assert found.share.error == pytest.approx((1 - share) ** 0.5, rel=1e-3)
        assert resize(fox, rank=1, rule="energy", threshold=share - 1e-5).adapter.rank == 1, "the rank is the most"


def test_what_a_file_says_stays_but_for_its_size(fox: Adapter) -> None:
    found = resize(fox, rank=2).adapter
    assert (found.name, found.trigger) == ("fox", "ohwx fox")
    assert (found.metadata["ss_network_dim"], found.metadata["ss_network_alpha"]) == ("2", "2.0")
    told = json.loads(found.metadata["lw.resized"])
    assert (told["hash"], told["rule"], told["rank"]) == (fox.content_hash, "rank", 2)
    assert "lw.merged" not in found.metadata


def test_a_rank_above_what_there_is_changes_nothing_and_says_so(fox: Adapter) -> None:
    found = resize(fox, rank=64)
    shape = torch.zeros(12, 10)
    assert torch.allclose(
        found.adapter.modules["denoiser.layer"].delta(shape), fox.modules["denoiser.layer"].delta(shape), atol=1e-5
    )
    assert "Rank 64 isn't reached" in str(found)


@pytest.mark.parametrize(("rule", "threshold"), [("energy", 0.0), ("sv_fro", 1.5), ("sv_ratio", 1.0)])
def test_thresholds_out_of_range_are_refused(fox: Adapter, rule: Any, threshold: float) -> None:
    with pytest.raises(ConfigError, match=f"can't be one of {rule}"):
        resize(fox, rank=2, rule=rule, threshold=threshold)


def test_the_difference_added_again_is_the_first_adapter(fox: Adapter) -> None:
    other = LowRank(torch.randn(3, 10), torch.randn(12, 3), 3.0)
    style = Adapter(
        name="style", family="sd1", modules={"denoiser.layer": other}, metadata={"modelspec.trigger_phrase": "zwx"}
    )
    found = result(difference(fox, style, Merge(), weight=0.5, name="less"))
    shape = torch.zeros(12, 10)
    own, less = fox.modules["denoiser.layer"].delta(shape), 0.5 * other.delta(shape)
    assert torch.allclose(found.adapter.modules["denoiser.layer"].delta(shape), own - less, atol=1e-4)
    assert found.adapter.triggers == ("ohwx fox",)
    assert [part["weight"] for part in json.loads(found.adapter.metadata["lw.merged"])["parts"]] == [1.0, -0.5]
