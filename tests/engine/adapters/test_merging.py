"""A stack as one adapter: the same change, or one whose error is told."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import result
from kind_samples import SAMPLES, Net, Values
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.extraction import Wanted
from lora_workbench.engine.adapters.files import HASH, load_adapter, save_adapter
from lora_workbench.engine.adapters.kinds import Difference, LowRank
from lora_workbench.engine.adapters.kinds.summing import updated
from lora_workbench.engine.adapters.merges.merging import Merge, Merged, merged
from lora_workbench.engine.adapters.merges.methods import METHODS, Thinning, dropped, elected, trimmed
from lora_workbench.engine.adapters.reading import contents
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from tiny import Parts
from torch import Tensor

LAYERS = ("linear", "point", "kernel")
NEEDING_A_BASE = {kind for kind in SAMPLES if kind.startswith(("dora", "oft", "boft")) or kind == "loha_decomposed"}


def net() -> Parts:
    return Parts(denoiser=Net())


def weight(key: str) -> Tensor:
    return net()["denoiser"].get_submodule(key.removeprefix("denoiser.")).weight.detach()


def adapter(kind: str = "lora", seed: int = 0, name: str = "", **metadata: str) -> Adapter:
    values, tensors = Values(seed), {}
    for layer in LAYERS:
        parts = SAMPLES[kind](values, *weight(f"denoiser.{layer}").shape)
        tensors |= {f"lora_unet_{layer}.{end}": value for end, value in parts.items()}
    header = {key.replace("__", "."): value for key, value in metadata.items()}
    modules = contents(tensors, "file").updates
    return Adapter(name=name or f"{kind}{seed}", family="sd1", modules=modules, metadata=header)


def stack(*entries: tuple[Adapter, float]) -> Stack:
    return Stack(tuple(StackEntry(one, share, share) for one, share in entries))


def merge(given: Stack, method: Any = "exact", rank: int = 4, base: bool = False, **thinning: Any) -> Merged:
    how = Merge(method=method, wanted=Wanted(rank), thinning=Thinning(**thinning))
    return result(merged(given, how, name="both", base=net() if base else None))


def changes(given: Stack | Adapter) -> dict[str, Tensor]:
    """Module -> what becomes of its weight, less the weight, as stacks are applied."""
    entries = (StackEntry(given),) if isinstance(given, Adapter) else given.active()
    keys = dict.fromkeys(key for entry in entries for key in entry.adapter.modules)
    found = {}
    for key in keys:
        here = [entry for entry in entries if key in entry.adapter.modules]
        parts = [(entry.adapter.modules[key], entry.weight_for(key)) for entry in here]
        found[key] = updated(weight(key).float(), parts) - weight(key)
    return found


def close(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float = 1e-5) -> bool:
    return found.keys() == wanted.keys() and all(
        torch.allclose(change, wanted[key], rtol=0, atol=tolerance) for key, change in found.items()
    )


@pytest.mark.parametrize("kind", SAMPLES)
def test_exactly_merged_adapters_of_all_kinds_change_what_the_stack_changes(kind: str) -> None:
    given = stack((adapter("lora"), 0.8), (adapter(kind, 1), -0.6))
    found = merge(given, base=True)
    assert close(changes(found.adapter), changes(given), 2e-5)
    biases = {key: update.bias for key, update in found.adapter.modules.items() if update.bias is not None}
    theirs = {key: update.bias for key, update in adapter(kind, 1).modules.items() if update.bias is not None}
    assert biases.keys() == theirs.keys()
    assert all(torch.allclose(biases[key], -0.6 * theirs[key], atol=1e-6) for key in biases)
    assert "no error but rounding" in str(found)


@pytest.mark.parametrize("kind", sorted(NEEDING_A_BASE))
@pytest.mark.parametrize("method", METHODS)
def test_kinds_that_depend_on_the_weights_are_refused_without_a_base_model(kind: str, method: str) -> None:
    with pytest.raises(AdapterError, match=f"{kind}1 .*depends on the weights of the base model"):
        merge(stack((adapter("lora"), 1), (adapter(kind, 1), 1)), method)


def test_loras_are_joined_along_the_rank_with_alpha_equal_to_it(tmp_path: Path) -> None:
    found = merge(stack((adapter("lora"), 0.8), (adapter("lora", 1), 0.5)))
    updates = found.adapter.modules.values()
    assert all(isinstance(update, LowRank) and update.rank == update.alpha == 4 for update in updates)
    norms = [(u.down.flatten(1).norm(dim=1) / u.up.flatten(1).norm(dim=0)).log2() for u in updates]  # type: ignore[attr-defined]
    assert all(ratio.abs().max() <= 1 for ratio in norms), "one factor is much larger than the other"
    saved = save_adapter(found.adapter, tmp_path / "both.safetensors", key_style="kohya", dtype="float32")
    assert close(changes(load_adapter(tmp_path / "both.safetensors")), changes(saved), 0)


def test_a_loha_stays_of_the_square_of_its_rank_and_a_lokr_of_the_product_of_its_sides() -> None:
    loha, lokr = (merge(stack((adapter(kind), 1))).adapter for kind in ("loha", "lokr"))
    assert {update.rank for update in loha.modules.values()} == {4}
    assert {update.rank for update in lokr.modules.values()} == {4}


def test_no_layer_gets_more_ranks_than_its_weight_has() -> None:
    given = stack(*((adapter("lora", seed), 0.3) for seed in range(9)))
    found = merge(given)
    for key, update in found.adapter.modules.items():
        assert update.rank <= min(weight(key).flatten(1).shape)
    assert close(changes(found.adapter), changes(given))


def test_what_changes_in_all_ranks_becomes_a_difference_and_that_is_said() -> None:
    found = merge(stack((adapter("lokr_whole"), 0.7)))
    assert any(isinstance(update, Difference) for update in found.adapter.modules.values())
    assert "became full differences" in str(found)
    assert "became full differences" not in str(merge(stack((adapter("lokr_whole"), 0.7)), "svd"))


@pytest.mark.parametrize("kinds", [("lora", "lora"), ("lora", "full")], ids=str)
def test_the_nearest_of_a_rank_is_that_of_the_singular_values(kinds: tuple[str, str]) -> None:
    """Eckart and Young: by numpy of the full change."""
    given = stack((adapter(kinds[0]), 0.8), (adapter(kinds[1], 1), 0.5))
    found = merge(given, "svd", rank=3)
    missed, whole = 0.0, 0.0
    for key, change in changes(given).items():
        matrix = change.flatten(1).double().numpy()
        u, s, vh = np.linalg.svd(matrix, full_matrices=False)
        nearest = (u[:, :3] * s[:3]) @ vh[:3]
        own = found.adapter.modules[key].delta(weight(key)).flatten(1).double().numpy()
        assert np.allclose(own, nearest, atol=1e-5)
        error = np.linalg.norm(matrix - nearest) / np.linalg.norm(matrix)
        assert found.shares[key].error == pytest.approx(error, abs=1e-4)
        missed, whole = missed + np.sum((matrix - nearest) ** 2), whole + np.sum(matrix**2)
    assert found.share.error == pytest.approx((missed / whole) ** 0.5, abs=1e-4)
    assert found.report()["energy"] == pytest.approx(1 - missed / whole, abs=1e-4)
    assert found.report()["errors_by_layer"].keys() == found.adapter.modules.keys()


def test_a_rank_that_all_of_them_together_have_not_is_said() -> None:
    given = stack((adapter("lora"), 1), (adapter("lora", 1), 1))
    found = merge(given, "svd", rank=64)
    assert "Rank 64 isn't reached: the adapters together have no more than 4." in found.notes
    assert found.share.error < 1e-6 and close(changes(found.adapter), changes(given))


# Formulas, beside naive ones.


def naive_trim(values: np.ndarray, density: float) -> np.ndarray:
    order = sorted(range(values.size), key=lambda place: -abs(values.flat[place]))
    kept = set(order[: max(1, round(density * values.size))])
    return np.array([v if place in kept else 0.0 for place, v in enumerate(values.flat)]).reshape(values.shape)


def naive_ties(changes: list[np.ndarray]) -> np.ndarray:
    found = np.zeros(changes[0].shape)
    for place in np.ndindex(found.shape):
        values = [change[place] for change in changes]
        sign = np.sign(sum(values))
        agreeing = [value for value in values if value != 0 and np.sign(value) == sign]
        found[place] = sum(agreeing) / len(agreeing) if agreeing else 0.0
    return found


@pytest.fixture
def random_changes() -> list[Tensor]:
    values = Values(7)
    return [values(6, 5) for _ in range(3)]


@pytest.mark.parametrize("density", [0.01, 0.3, 0.5, 1.0])
def test_trimming_and_electing_are_those_of_ties(random_changes: list[Tensor], density: float) -> None:
    trimmed_ones = [trimmed(change, density) for change in random_changes]
    wanted = [naive_trim(change.numpy(), density) for change in random_changes]
    assert all(np.array_equal(own, other) for own, other in zip(trimmed_ones, wanted, strict=True))
    assert np.allclose(elected(trimmed_ones), naive_ties(wanted), atol=1e-7)


def test_opposite_values_elect_no_sign() -> None:
    assert elected([torch.tensor([1.0, 2.0]), torch.tensor([-1.0, -1.0])]).tolist() == [0.0, 2.0]


def test_dropped_values_are_made_up_for_by_the_others() -> None:
    change = torch.ones(200, 200)
    found = dropped(change, 0.7, 3)
    assert found.unique().tolist() == pytest.approx([0.0, 1 / 0.3])
    assert found.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(dropped(change, 0.0, 3), change)
    assert not torch.equal(found, dropped(change, 0.7, 4))


@pytest.mark.parametrize("method", ["ties", "magnitude", "dare", "dare_ties"])
def test_methods_combine_the_weighted_changes_of_each_layer(method: Any) -> None:
    one, other = adapter("lora"), adapter("loha", 1)
    found = merge(stack((one, 0.8), (other, -0.5)), method, rank=99, density=0.4, drop=0.3, seed=5)
    for key, update in found.adapter.modules.items():
        deltas = [share * own.modules[key].delta(weight(key)) for own, share in ((one, 0.8), (other, -0.5))]
        if method in ("ties", "magnitude"):
            parts = [torch.from_numpy(naive_trim(delta.numpy(), 0.4)).float() for delta in deltas]
        else:
            parts = _dropped_by_key(key, deltas, (one, other))
        whole = elected(parts) if "ties" in method else parts[0] + parts[1]
        assert torch.allclose(update.delta(weight(key)), whole, atol=1e-5)


def _dropped_by_key(key: str, deltas: list[Tensor], adapters: tuple[Adapter, ...]) -> list[Tensor]:
    from lora_workbench.engine.core.seeds import derived_seed

    seeds = [derived_seed("dare", 5, f"{key} {own.content_hash}") for own in adapters]
    return [dropped(delta, 0.3, seed) for delta, seed in zip(deltas, seeds, strict=True)]


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_additive_adapters_doesnt_matter(method: Any) -> None:
    entries = [(adapter("lora", seed), 0.5 + seed / 10) for seed in range(3)]
    first, *others = (changes(merge(stack(*order), method, rank=99).adapter) for order in permutations(entries))
    assert all(close(first, other) for other in others)


def test_it_doesnt_depend_on_torchs_own_random_state() -> None:
    given = stack((adapter("lora"), 1), (adapter("lora", 1), 1))
    hashes = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        hashes.add(merge(given, "dare", seed=9).adapter.content_hash)
        assert torch.initial_seed() == seed
    assert len(hashes) == 1
    assert merge(given, "dare", seed=8).adapter.content_hash not in hashes


def test_norms_and_biases_are_merged_too() -> None:
    own = Adapter(name="norm", family="sd1", modules={"denoiser.norm": Difference(torch.tensor([1.0, -2.0]))})
    other = Adapter(name="bias", family="sd1", modules={"denoiser.norm": Difference(None, torch.tensor([3.0, 4.0]))})
    found = merge(stack((own, 0.5), (other, 2.0))).adapter.modules["denoiser.norm"]
    assert isinstance(found, Difference) and found.difference is not None and found.bias is not None
    assert found.difference.tolist() == [0.5, -1.0] and found.bias.tolist() == [6.0, 8.0]
    alone = merge(stack((other, 2.0)), "ties").adapter.modules["denoiser.norm"]
    assert alone.only_bias and alone.bias is not None and alone.bias.tolist() == [6.0, 8.0]


def test_text_encoders_have_their_own_weight() -> None:
    low_rank = adapter("lora").modules["denoiser.linear"]
    own = Adapter(name="a", family="sd1", modules={"denoiser.linear": low_rank, "text_encoder.linear": low_rank})
    given = Stack((StackEntry(own, 0.5, 2.0), StackEntry(replace(own, name="b"), 1.0, 0.0)))
    found = merge(given, "svd", rank=99).adapter.modules
    shape = weight("denoiser.linear")
    assert torch.allclose(found["denoiser.linear"].delta(shape), 1.5 * low_rank.delta(shape), atol=1e-5)
    assert torch.allclose(found["text_encoder.linear"].delta(shape), 2 * low_rank.delta(shape), atol=1e-5)


# What the file says.


def test_the_header_names_the_parts_and_calls_them_all() -> None:
    common = {"modelspec__architecture": "stable-diffusion-v1/lora", "lw__base_hash": "abc"}
    tags = json.dumps({"pictures": {"ohwx fox": 3}})
    fox = adapter("lora", 0, "fox", modelspec__trigger_phrase="ohwx fox", ss_tag_frequency=tags, **common)
    fox = replace(fox, metadata={**fox.metadata, HASH: "0x12"})
    riso = adapter("loha", 1, "riso", modelspec__trigger_phrase="zwx riso", lw__triggers='["riso print"]', **common)
    found = merge(stack((fox, 0.8), (riso, 0.6)), "ties", rank=3, density=0.4).adapter
    assert found.trigger == "ohwx fox, zwx riso"
    assert found.triggers == ("ohwx fox, zwx riso", "ohwx fox", "zwx riso", "riso print")
    header = found.metadata
    assert header["modelspec.architecture"] == "stable-diffusion-v1/lora" and header["lw.base_hash"] == "abc"
    assert header["ss_network_module"] == "networks.lora"
    assert (header["ss_network_dim"], header["ss_network_alpha"]) == ("3", "3.0")
    assert header["modelspec.title"] == "both" and json.loads(header["ss_tag_frequency"]) == json.loads(tags)
    told = json.loads(header["lw.merged"])
    assert {**told, "parts": 0} == {"method": "ties", "density": 0.4, "rank": 3, "energy": 1.0, "parts": 0}
    first, second = told["parts"]
    assert (first["name"], first["weight"], first["file_hash"]) == ("fox", 0.8, "0x12")
    assert (second["hash"], second["triggers"]) == (riso.content_hash, ["zwx riso", "riso print"])


def test_trigger_phrases_that_the_stack_chose_are_those_of_the_whole() -> None:
    fox = adapter("lora", 0, "fox", modelspec__trigger_phrase="ohwx fox", lw__triggers='["ohwx cub"]')
    riso = adapter("lora", 1, "riso", modelspec__trigger_phrase="zwx riso")
    found = merge(Stack((StackEntry(fox, triggers=("ohwx cub",)), StackEntry(riso, triggers=())))).adapter
    assert found.triggers == ("ohwx cub",)


def test_facts_that_parts_dont_share_arent_claimed_of_the_whole() -> None:
    one = adapter("lora", 0, lw__base_hash="abc", lw__slider="{}")
    found = merge(stack((one, 1), (adapter("lora", 1, lw__base_hash="def"), 1))).adapter
    assert "lw.base_hash" not in found.metadata and not found.is_slider


def test_trained_words_come_along_unless_they_differ() -> None:
    word = {"bundle_emb.zwx.clip_l": torch.ones(2, 4)}
    one, same = replace(adapter("lora"), embeddings=word), replace(adapter("lora", 1), embeddings=word)
    assert merge(stack((one, 1), (same, 1))).adapter.embeddings.keys() == word.keys()
    other = replace(same, embeddings={name: 2 * tensor for name, tensor in word.items()})
    with pytest.raises(AdapterError, match="both bring the word"):
        merge(stack((one, 1), (other, 1)))


# What is refused, and what is said.


def test_mixed_families_are_refused_by_name() -> None:
    other = replace(adapter("lora", 1), family="sdxl")
    with pytest.raises(AdapterError, match=r"lora0 is for sd1, and lora1 for sdxl"):
        merge(stack((adapter("lora"), 1), (other, 1)))


def test_one_family_may_have_names_of_several_programs() -> None:
    ours = adapter("lora", modelspec__architecture="stable-diffusion-v1/lora")
    theirs = replace(adapter("lora", 1, ss_base_model_version="sd_v1"), family="")
    assert merge(stack((ours, 1), (theirs, 1))).adapter.family == "sd1"


def test_other_sizes_are_refused_with_both() -> None:
    wide = LowRank(torch.ones(2, 99), torch.ones(7, 2), 2.0)
    other = Adapter(name="wide", family="", modules={"denoiser.linear": wide})
    with pytest.raises(AdapterError, match=r"denoiser.linear has shape \(7, 99\) in wide, and .* in lora0"):
        merge(stack((adapter("lora"), 1), (other, 1)))


def test_names_of_different_code_need_the_base_model() -> None:
    update = adapter("lora").modules["denoiser.linear"]
    ldm = Adapter(name="ldm", family="", modules={"denoiser.input_blocks_1_1_proj_in": update}, bound=False)
    ours = Adapter(name="ours", family="", modules={"denoiser.down_blocks.0.attentions.0.proj_in": update})
    with pytest.raises(AdapterError, match="ldm names layers as the model's original code does, and ours as diffusers"):
        merge(stack((ldm, 1), (ours, 1)))


def test_names_with_and_without_dots_meet() -> None:
    update = adapter("lora").modules["denoiser.linear"]
    flat_one = Adapter(name="a", family="", modules={"denoiser.down_blocks_0_conv": update}, bound=False)
    dotted = Adapter(name="b", family="", modules={"denoiser.down_blocks.0.conv": update})
    found = merge(stack((flat_one, 1), (dotted, 1))).adapter
    assert [*found.modules] == ["denoiser.down_blocks.0.conv"] and not found.bound
    assert found.modules["denoiser.down_blocks.0.conv"].rank == 4


def test_an_empty_stack_is_refused() -> None:
    for empty in (Stack(), Stack((StackEntry(adapter("lora"), 0.0, 0.0),))):
        with pytest.raises(AdapterError, match="nothing to merge"):
            merge(empty)


def test_alpha_0_and_entries_that_are_off_are_said() -> None:
    none = adapter("lora", 1, "none")
    none = replace(none, modules={key: update.with_scale(0.0) for key, update in none.modules.items()})
    off = StackEntry(adapter("lora", 2, "off"), enabled=False)
    found = merge(Stack((*stack((adapter("lora"), 1), (none, 1)).entries, off)))
    assert "none changes nothing: its alpha or its factors are 0." in found.notes
    assert "Left out, as they are off or of weight 0: off." in found.notes
    assert close(changes(found.adapter), changes(adapter("lora")))


@pytest.mark.parametrize("method", METHODS)
def test_what_changes_nothing_takes_one_rank(method: Any) -> None:
    none = adapter("loha")
    none = replace(none, modules={key: update.with_scale(0.0) for key, update in none.modules.items()})
    found = merge(stack((none, 1)), method)
    assert all(not update.delta(weight(key)).any() for key, update in found.adapter.modules.items())
    assert method == "exact" or found.adapter.rank == 1


@pytest.mark.parametrize("method", METHODS)
def test_nan_is_refused_by_layer_and_adapter(method: Any) -> None:
    broken = adapter("lora", 1, "broken")
    own = broken.modules["denoiser.point"]
    assert isinstance(own, LowRank)
    modules = {**broken.modules, "denoiser.point": replace(own, up=own.up * float("nan"))}
    with pytest.raises(AdapterError, match=r"broken has NaN or infinite values in denoiser.point"):
        merge(stack((adapter("lora"), 1), (replace(broken, modules=modules), 1)), method)


def test_settings_out_of_range_are_refused_together() -> None:
    with pytest.raises(ConfigError, match=r"method 'tie'; did you mean ties\?, rank 0, density 2, drop 1"):
        merge(stack((adapter("lora"), 1)), "tie", rank=0, density=2, drop=1)


def test_a_private_file_names_no_part() -> None:
    from lora_workbench.engine.adapters.private import private

    fox = adapter("lora", 0, "secret-fox", modelspec__trigger_phrase="ohwx fox")
    found = private(merge(stack((fox, 0.8), (adapter("lora", 1), 1)), "ties", density=0.4).adapter.metadata)
    assert "secret-fox" not in json.dumps(found)
    told = json.loads(found["lw.merged"])
    assert (told["method"], told["density"], told["parts"][0]["weight"]) == ("ties", 0.4, 0.8)
    assert private({"lw.merged": "[1"}) == {"lw.merged": "{}"}
