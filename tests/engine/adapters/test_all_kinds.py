"""What every kind of adapter does that is read from a file."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kind_samples import SAMPLES, Net, Values
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.binding import bind
from lora_workbench.engine.adapters.files import adapter_from_tensors, load_adapter, save_adapter
from lora_workbench.engine.adapters.kinds import KINDS, TRAINED, read_update, unreadable
from lora_workbench.engine.adapters.kinds.summing import updated
from lora_workbench.engine.adapters.names import parse
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError, WorkbenchError
from lora_workbench.engine.training.recipe import Recipe
from tiny import Parts
from torch import Tensor, nn

LAYERS = ("linear", "point", "kernel")


def made(kind: str, net: nn.Module, seed: int = 0, layers: tuple[str, ...] = LAYERS) -> Adapter:
    of = Values(seed)
    return adapter_from_tensors(
        {
            f"lora_unet_{layer}.{suffix}": tensor
            for layer in layers
            for suffix, tensor in SAMPLES[kind](of, *net.get_submodule(layer).weight.shape).items()
        },
        kind,
    )


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in net.named_parameters()}


def expected(net: nn.Module, entries: list[tuple[Adapter, float]]) -> dict[str, Tensor]:
    """Weights and biases, one adapter after the other."""
    found = weights(net)
    for adapter, share in entries:
        for key, update in adapter.modules.items():
            name = key.removeprefix("denoiser.")
            found[f"{name}.weight"] += update.change(found[f"{name}.weight"], share)
            if update.bias is not None:
                found[f"{name}.bias"] += share * update.bias
    return found


def close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return all(torch.allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5) for name in wanted)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_stack_changes_every_weight_and_gives_it_back(kind: str) -> None:
    net = Net()
    before, adapter = weights(net), made(kind, net)
    for share in (1.0, 0.4):
        with applied(Parts(denoiser=net), Stack((StackEntry(adapter, share),))):
            after = weights(net)
        assert close(after, expected(net, [(adapter, share)]))
        assert not any(torch.equal(after[f"{layer}.weight"], before[f"{layer}.weight"]) for layer in LAYERS)
    assert all(torch.equal(value, before[name]) for name, value in weights(net).items())


@pytest.mark.parametrize("kind", SAMPLES)
def test_no_weight_is_no_change_and_half_of_it_lies_between(kind: str) -> None:
    weight = Net().kernel.weight.detach()
    update = made(kind, Net()).modules["denoiser.kernel"]
    whole, half = update.change(weight, 1.0), update.change(weight, 0.5)
    torch.testing.assert_close(update.delta(weight), whole)
    torch.testing.assert_close(update.change(weight, 0.0), torch.zeros_like(weight), rtol=0, atol=1e-6)
    assert 0 < half.norm() < whole.norm()
    assert weight.equal(Net().kernel.weight)


@pytest.mark.parametrize("style", ["kohya", "transformer"])
@pytest.mark.parametrize("kind", SAMPLES)
def test_files_bring_it_back(kind: str, style: str, tmp_path: Path) -> None:
    net = Net()
    adapter = bind(made(kind, net), Parts(denoiser=net).module_shapes())
    save_adapter(adapter, tmp_path / "a.safetensors", key_style=style, dtype="float32")
    read = bind(load_adapter(tmp_path / "a.safetensors"), Parts(denoiser=net).module_shapes())
    for key, update in adapter.modules.items():
        weight = net.get_submodule(key.removeprefix("denoiser.")).weight.detach()
        torch.testing.assert_close(read.modules[key].delta(weight), update.delta(weight))
        assert (update.bias is None) == (read.modules[key].bias is None)


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_hash_is_of_values(kind: str) -> None:
    net = Net()
    adapter = made(kind, net)
    bound = bind(adapter, Parts(denoiser=net).module_shapes())
    assert adapter.content_hash == made(kind, net).content_hash == bound.content_hash
    assert adapter.content_hash != made(kind, net, seed=1).content_hash
    update = adapter.modules["denoiser.linear"]
    biased = replace(adapter, modules={**adapter.modules, "denoiser.linear": update.with_bias(torch.ones(8))})
    assert biased.content_hash != adapter.content_hash


@pytest.mark.parametrize("kind", SAMPLES)
def test_layers_of_other_shapes_are_named(kind: str) -> None:
    adapter = made(kind, Net(), layers=("linear",))
    for shape in ((9, 13), (9, 13, 3, 3), (8,), (9, 9, 1, 1)):
        with pytest.raises(AdapterError, match=r"Wrong shape: denoiser.linear has shape .*, the adapter was made for"):
            bind(adapter, {"denoiser.linear": shape})


def test_a_kernel_of_one_may_be_there_or_not() -> None:
    for kind in sorted(SAMPLES.keys() - {"oft_rescaled"}):
        linear, point = (
            made(kind, Net(), layers=(layer,)).modules[f"denoiser.{layer}"] for layer in ("linear", "point")
        )
        assert linear.fits((8, 12, 1, 1)), kind
        assert point.fits((12, 8)), kind
        weight = Net().linear.weight.detach()
        torch.testing.assert_close(linear.delta(weight[..., None, None])[..., 0, 0], linear.delta(weight))


def test_stacks_apply_kinds_in_turn() -> None:
    net = Net()
    order = ["lora", "loha", "dora", "lokr", "lora_with_bias", "oft", "full", "lora", "boft"]
    entries = [(made(kind, net, seed), share) for seed, (kind, share) in enumerate(zip(order, [0.3, -0.4, 0.5] * 3))]  # noqa: B905
    for given in (entries, entries[::-1]):
        with applied(Parts(denoiser=net), Stack(tuple(StackEntry(*entry) for entry in given))):
            after = weights(net)
        assert close(after, expected(net, given))


def test_norms_change_too() -> None:
    net, change = Net(), torch.arange(8.0)
    for names in (("w_norm", "b_norm"), ("diff", "diff_b")):
        adapter = adapter_from_tensors({f"lora_unet_norm.{name}": change for name in names}, "norms")
        with applied(Parts(denoiser=net), Stack((StackEntry(adapter, 0.5),))):
            assert torch.equal(net.norm.weight, 1 + 0.5 * change)
            assert torch.equal(net.norm.bias, 0.5 * change)
        assert torch.equal(net.norm.bias, torch.zeros(8))


def test_a_bias_alone_changes_no_weight_and_one_of_zeros_nothing() -> None:
    net = Net()
    alone = adapter_from_tensors({"lora_unet_linear.diff_b": torch.ones(8)}, "bias")
    before = weights(net)
    with applied(Parts(denoiser=net), Stack((StackEntry(alone),))):
        assert torch.equal(net.linear.weight, before["linear.weight"])
        assert torch.equal(net.linear.bias, before["linear.bias"] + 1)
    zero = made("lora", net, layers=("bare",)).modules["denoiser.bare"].parts(alpha_apart=True)
    assert read_update({**zero, "bias": torch.zeros(8)}, "bare").bias is None


def test_a_bias_that_is_not_there_is_told_and_nothing_is_changed() -> None:
    net = Net()
    before = weights(net)
    stack = Stack((StackEntry(made("lora", net)), StackEntry(made("lora_with_bias", net, layers=("bare",)))))
    with (
        pytest.raises(AdapterError, match=r"bias of denoiser.bare, which has none"),
        applied(Parts(denoiser=net), stack),
    ):
        pass
    assert all(torch.equal(value, before[name]) for name, value in weights(net).items())


def test_half_precision_weights_are_computed_in_float32() -> None:
    net = Net().to(torch.bfloat16)
    adapter = made("dora", net)
    single = copy.deepcopy(net).float()
    with applied(Parts(denoiser=net), Stack((StackEntry(adapter),))):
        wanted = updated(single.kernel.weight.detach(), [(adapter.modules["denoiser.kernel"], 1.0)])
        assert net.kernel.weight.equal(wanted.to(torch.bfloat16))


def test_the_rank_is_that_of_the_factors() -> None:
    net = Net()
    mixed = {**made("lora", net, layers=("linear",)).modules, **made("full", net, layers=("kernel",)).modules}
    adapter = replace(made("lora", net), modules=mixed)
    assert (adapter.rank, adapter.description) == (2, "lora and full, rank 2, alpha 3, 2 modules")


def test_rows_of_zeros_stay_zero_under_dora() -> None:
    update = made("dora", Net(), layers=("linear",)).modules["denoiser.linear"]
    flat = replace(update, turn=replace(update.turn, up=torch.zeros(8, 2)))
    assert torch.equal(flat.delta(torch.zeros(8, 12)), torch.zeros(8, 12))


def test_kinds_that_are_not_trained_yet_are_refused_by_name() -> None:
    for kind in {kind.name for kind in KINDS} - {*TRAINED.names()}:
        with pytest.raises(WorkbenchError, match=kind) as told:
            Recipe.of(kind=kind)
        assert "lora" in str(told.value)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"magnitude": (8, 1)}, "has magnitude, which"),
        ({"down": (2, 12), "up": (8, 2), "magnitude": (7, 1)}, r"magnitudes of shape \(7, 1\)"),
        ({"down": (2, 12), "up": (8, 2), "difference": (8, 12)}, "don't belong to one kind"),
        ({"down": (2, 12), "up": (8, 2), "mid": (3, 2, 3, 3)}, r"between them \(3, 2, 3, 3\)"),
        ({"down": (2, 12), "up": (8, 2), "bias": (8, 1)}, r"biases of shape \(8, 1\)"),
        ({"hada_w1_a": (8, 2), "hada_w1_b": (2, 12), "hada_w2_a": (8, 2)}, "has no hada_w2_b"),
        ({"hada_w1_a": (8, 2), "hada_w1_b": (3, 12), "hada_w2_a": (8, 2), "hada_w2_b": (3, 12)}, "one product"),
        ({"lokr_w1": (2, 2)}, "has no lokr_w2"),
        ({"lokr_w1": (2, 2), "lokr_w2_a": (4, 2), "lokr_w2_b": (3, 6)}, "one product"),
        ({"lokr_w1": (2,), "lokr_w2": (4, 6)}, "one product"),
        ({"oft_blocks": (4, 2, 3)}, "aren't square"),
        ({"oft_blocks": (5, 4, 2, 2)}, "butterfly"),
        ({"oft_blocks": (4, 2, 2), "rescale": (7, 1)}, "7 factors for 8 rows"),
        ({"oft_r": (4, 5)}, "square blocks"),
        ({"difference": ()}, "without a shape"),
        ({"down": (2, 12), "up": (8, 2), "alpha": (2,)}, r"alpha of shape \(2,\)"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_named(parts: dict[str, tuple[int, ...]], told: str) -> None:
    with pytest.raises(ValueError, match=f"block.to_q .*{told}"):
        read_update({part: torch.ones(shape) for part, shape in parts.items()}, "block.to_q")


def test_what_no_kind_reads_has_a_name() -> None:
    for name, what in {"a1.weight": "GLoRA", "on_input": "IA3", "lambda_layer": "T-LoRA", "boft_R": "BOFT"}.items():
        assert what in (unreadable(f"lora_unet_mid.{name}") or "")
        assert parse(f"lora_unet_mid.{name}") is None
    assert unreadable("lora_unet_mid.lora_up.weight") is None
