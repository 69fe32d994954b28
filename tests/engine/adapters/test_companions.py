"""Adapters with fixed values beside one in training, and values to start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from kind_samples import SAMPLES, Values
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.companions import Companions, beside
from lora_workbench.engine.adapters.files import adapter_from_tensors
from lora_workbench.engine.adapters.frozen import Frozen
from lora_workbench.engine.adapters.fused import bind_to, places
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import KINDS, Difference, LowRank
from lora_workbench.engine.adapters.kinds.summing import whole
from lora_workbench.engine.adapters.stack import Role, Stack, StackEntry
from lora_workbench.engine.adapters.starting import begun_with, layer_factors, refuse_higher_ranks
from lora_workbench.engine.core.errors import AdapterError
from torch import Tensor, nn

WIDTH, ROWS = 8, {"q": slice(0, 4), "k": slice(4, 8), "v": slice(8, 12)}


class Net(nn.Module):
    """A convolution, a projection that adapter files have in three parts, a norm, and a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(4, WIDTH, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 12)
        self.out = nn.Linear(12, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.qkv(self.norm(self.conv(x).mean((2, 3)))))


class Base:
    """A base model of one component whose fused layer has other names in files."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self.net = Net().requires_grad_(False).to(dtype)

    def load_component(self, name: str) -> nn.Module:
        assert name == "denoiser"
        return self.net

    def file_parts(self, key: str) -> Sequence[tuple[str, slice]]:
        if key == "denoiser.qkv":
            return [(f"denoiser.attn.{name}", rows) for name, rows in ROWS.items()]
        return [(key, slice(None))]

    def module_shapes(self) -> Mapping[str, tuple[int, ...]]:
        shapes = {f"denoiser.{path}": tuple(getattr(self.net, path).weight.shape) for path in ("conv", "norm", "out")}
        return shapes | {f"denoiser.attn.{name}": (4, WIDTH) for name in ROWS}


X = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def adapter_of(sample: str, shapes: Mapping[str, tuple[int, ...]], seed: int = 3) -> Adapter:
    values = Values(seed)
    tensors = {
        f"lora_unet_{key.removeprefix('denoiser.').replace('.', '_')}.{suffix}": tensor
        for key, (out, inner, *kernel) in shapes.items()
        for suffix, tensor in SAMPLES[sample](values, out, inner, *kernel).items()
    }
    return adapter_from_tensors(tensors, sample)


def stack_of(*adapters: Adapter, weight: float = 0.7, role: Role = "training_only") -> Stack:
    return Stack(tuple(StackEntry(adapter, weight, weight, role=role) for adapter in adapters))


def matrices(base: Base) -> dict[str, tuple[int, ...]]:
    return {key: shape for key, shape in base.module_shapes().items() if len(shape) > 1}


@pytest.fixture
def base() -> Iterator[Base]:
    made = Base()
    before = {name: value.clone() for name, value in made.net.state_dict().items()}
    plain = made.net(X)
    yield made
    assert all(torch.equal(value, before[name]) for name, value in made.net.state_dict().items())
    assert torch.equal(made.net(X), plain), "the layers compute as before"


def expected(base: Base, stack: Stack) -> Tensor:
    """The output with the weights changed as adapters change them, part by part."""
    from lora_workbench.engine.adapters.kinds.summing import bias_change, updated

    other = Net().requires_grad_(False)
    other.load_state_dict(base.net.state_dict())
    for path in ("conv", "qkv", "out"):
        layer: Any = other.get_submodule(path)
        for part, rows in base.file_parts(f"denoiser.{path}"):
            parts = [(entry.adapter.modules[part], entry.weight) for entry in stack.active()]
            layer.weight[rows] = updated(layer.weight[rows].float(), parts)
            if (change := bias_change(parts)) is not None:
                layer.bias[rows] += change
    return other(X)


@pytest.mark.parametrize("sample", [name for name in SAMPLES if name not in ("lora_with_bias", "full")])
def test_every_kind_computes_as_its_change_of_the_weights(base: Base, sample: str) -> None:
    adapter = bind_to(base, adapter_of(sample, matrices(base)))
    stack = stack_of(adapter)
    frozen = Frozen(base, stack, {"denoiser": base.net}, torch.float32)
    torch.testing.assert_close(base.net(X), expected(base, stack), rtol=1e-4, atol=1e-5)
    frozen.remove()


def test_biases_change_too(base: Base) -> None:
    shapes = {key: shape for key, shape in matrices(base).items() if key != "denoiser.out"}
    for sample in ("lora_with_bias", "full"):
        adapter = bind_to(base, adapter_of(sample, shapes))
        out = {"denoiser.out": LowRank(torch.zeros(1, 12), torch.zeros(8, 1), 1.0)}
        stack = stack_of(Adapter(name="x", family="", modules={**adapter.modules, **out}))
        frozen = Frozen(base, stack, {"denoiser": base.net}, torch.float32)
        torch.testing.assert_close(base.net(X), expected(base, stack), rtol=1e-4, atol=1e-5)
        frozen.remove()


def test_a_bias_that_is_not_there_and_a_norm_are_refused(base: Base) -> None:
    with_bias = LowRank(torch.ones(1, 12), torch.ones(8, 1), 1.0, bias=torch.ones(8))
    for modules, why in (
        ({"denoiser.out": with_bias}, "bias of denoiser.out"),
        ({"denoiser.norm": Difference(torch.ones(WIDTH))}, "denoiser.norm"),
    ):
        stack = stack_of(Adapter(name="x", family="", modules=modules))
        with pytest.raises(AdapterError, match=why):
            Frozen(base, stack, {"denoiser": base.net}, torch.float32)


def test_several_add_up_and_are_switched_off_by_role(base: Base) -> None:
    plain = base.net(X)
    first, second = (bind_to(base, adapter_of("lora", matrices(base), seed)) for seed in (3, 4))
    context = Stack((StackEntry(first, 0.5, role="context"),))
    companions = Companions(training_only=stack_of(second), context=context)
    with beside(base, companions, {"denoiser": base.net}, torch.float32) as training_only:
        both = expected(base, companions.while_training)
        torch.testing.assert_close(base.net(X), both, rtol=1e-4, atol=1e-5)
        with training_only.off():
            torch.testing.assert_close(base.net(X), expected(base, context), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(base.net(X), both, rtol=1e-4, atol=1e-5)
    assert torch.equal(base.net(X), plain)


def test_the_adapter_in_training_lies_on_top_and_gets_its_gradients(base: Base) -> None:
    stack = stack_of(bind_to(base, adapter_of("lora", matrices(base))))
    frozen = Frozen(base, stack, {"denoiser": base.net}, torch.float32)
    alone = base.net(X)
    targets = {"denoiser": ("conv", "qkv", "out")}
    with injected(KINDS.get("lora"), {"denoiser": base.net}, targets, rank=2, alpha=2, seed=0) as injection:
        torch.testing.assert_close(base.net(X), alone)
        base.net(X).square().mean().backward()
        assert all(parameter.grad is not None for parameter in injection.parameters.values())
        assert all(
            p.grad is not None and bool(p.grad.any()) for name, p in injection.parameters.items() if name.endswith("up")
        )
    assert torch.equal(base.net(X), alone), "the companion is still on"
    frozen.remove()


def test_changes_below_the_last_bit_of_the_weights_count() -> None:
    base = Base(torch.bfloat16)
    layer, signs = base.net.qkv, torch.tensor([1.0, -1.0]).repeat(WIDTH // 2)
    layer.weight.fill_(1.0)
    layer.bias.zero_()
    update = LowRank(0.0015 * signs[None], torch.ones(12, 1), 1.0)
    assert torch.equal((layer.weight.float() + update.delta()).bfloat16(), layer.weight)
    modules = {f"denoiser.attn.{name}": update.rows(rows) for name, rows in ROWS.items()}
    stack = stack_of(Adapter(name="x", family="", modules=modules), weight=1)
    frozen = Frozen(base, stack, {"denoiser": base.net}, torch.bfloat16)
    moved = layer(signs[None].bfloat16())
    frozen.remove()
    assert moved.dtype == torch.bfloat16
    torch.testing.assert_close(moved.float(), torch.full((1, 12), 0.0015 * WIDTH), rtol=0.01, atol=0)
    assert bool((layer.weight == 1).all())


def test_a_fused_layer_by_its_own_name_is_cut_into_what_files_have(base: Base) -> None:
    assert [part for part, _ in places(base)["denoiser.qkv"]] == [f"denoiser.attn.{name}" for name in ROWS]
    own = adapter_of("lora", {"denoiser.qkv": (12, WIDTH)})
    bound = bind_to(base, own)
    assert set(bound.modules) == {f"denoiser.attn.{name}" for name in ROWS}
    (fused,) = own.modules.values()
    weight = torch.zeros(4, WIDTH)
    parts = torch.cat([update.delta(weight) for update in bound.modules.values()])
    torch.testing.assert_close(parts, fused.delta(torch.zeros(12, WIDTH)))


def test_parts_with_one_down_factor_share_its_place() -> None:
    update = LowRank(torch.randn(2, WIDTH), torch.randn(12, 2), 4.0)
    down, up = whole([(rows, update.rows(rows)) for rows in ROWS.values()], 12)
    assert down.shape == (2, WIDTH)
    torch.testing.assert_close(up @ down, update.delta())
    others = [(rows, LowRank(torch.randn(2, WIDTH), torch.randn(4, 2), 4.0)) for rows in ROWS.values()]
    down, up = whole(others, 12)
    assert down.shape == (6, WIDTH)
    torch.testing.assert_close(up @ down, torch.cat([part.delta() for _, part in others]))


@pytest.mark.parametrize(("rank", "alpha"), [(6, 3.0), (8, 8.0)])
def test_training_starts_where_the_adapter_is(base: Base, rank: int, alpha: float) -> None:
    adapter = bind_to(base, adapter_of("lora", {k: s for k, s in matrices(base).items() if k != "denoiser.out"}))
    layers = {key: parts for key, parts in places(base).items() if key != "denoiser.norm"}
    rows = {key: shape[0] for key, shape in base.module_shapes().items()}
    factors = layer_factors(adapter, layers, rows, lambda key: 0.7)
    assert set(factors) == {"denoiser.conv", "denoiser.qkv"}
    modules = {**adapter.modules, "denoiser.out": LowRank(torch.zeros(1, 12), torch.zeros(8, 1), 1.0)}
    wanted = expected(base, stack_of(Adapter(name="x", family="", modules=modules)))
    targets = {"denoiser": ("conv", "qkv", "out")}
    with injected(KINDS.get("lora"), {"denoiser": base.net}, targets, rank=rank, alpha=alpha, seed=0) as injection:
        usual = {name: parameter.detach().clone() for name, parameter in injection.parameters.items()}
        injection.load(begun_with(injection.parameters, factors, rank=rank, alpha=alpha))
        torch.testing.assert_close(base.net(X), wanted, rtol=1e-4, atol=1e-5)
        for name, parameter in injection.parameters.items():
            if name.startswith("denoiser.out"):
                assert torch.equal(parameter, usual[name])
        assert torch.equal(injection.parameters["denoiser.conv.down"][2:], usual["denoiser.conv.down"][2:])
        assert not injection.parameters["denoiser.conv.up"][:, 2:].any()
    refuse_higher_ranks(adapter, factors, 6)
    with pytest.raises(AdapterError, match="set rank = 6"):
        refuse_higher_ranks(adapter, factors, 5)


def test_training_starts_from_lora_alone(base: Base) -> None:
    for sample, why in (("lokr", "it has lokr"), ("lora_with_bias", "biases")):
        adapter = bind_to(base, adapter_of(sample, {"denoiser.conv": matrices(base)["denoiser.conv"]}))
        with pytest.raises(AdapterError, match=why):
            layer_factors(adapter, places(base), {}, lambda key: 1.0)


def test_roles_are_needed_and_start_from_comes_once(base: Base) -> None:
    adapter = adapter_of("lora", matrices(base))
    assert not Companions.of(None).entries
    assert not Companions.of(stack_of(adapter, weight=0)).entries
    with pytest.raises(AdapterError, match="lora has no role"):
        Companions.of(stack_of(adapter, role=""))
    with pytest.raises(AdapterError, match="at once"):
        Companions.of(stack_of(adapter, adapter, role="start_from"))


def test_pictures_take_companions_as_adapters_and_say_so(make_adapter: Any, components: Any) -> None:
    first, second = make_adapter("first"), make_adapter("second", seed=2)
    roles = Stack((StackEntry(first, 0.8, role="training_only"), StackEntry(second)))
    plain = Stack((StackEntry(first, 0.8), StackEntry(second)))
    assert roles.content_hash == plain.content_hash
    (remark,) = roles.remarks_on_training()
    assert remark in roles.warnings() and "first has the role training_only" in remark
    assert not plain.remarks_on_training()
    with applied(components, roles):
        with_roles = components["denoiser"].state_dict()["conv_in.weight"].clone()
    with applied(components, plain):
        assert torch.equal(components["denoiser"].state_dict()["conv_in.weight"], with_roles)


def test_a_stack_tells_of_contexts_that_are_missing(make_adapter: Any) -> None:
    import json

    style = make_adapter("style", seed=2)
    facts = [{"name": "style", "role": "context", "weight": 0.8, "hash": style.content_hash},
             {"name": "other", "role": "training_only", "weight": 1, "hash": "0"}]  # fmt: skip
    fox = make_adapter("fox", **{"lw.companions": json.dumps(facts)})
    (remark,) = Stack((StackEntry(fox),)).remarks_on_training()
    assert remark.startswith("fox was trained in the context of style with weight 0.8, which isn't in the stack")
    assert not Stack((StackEntry(style, 0.8), StackEntry(fox))).remarks_on_training()
    for strange in ("[]", "{}", "7", "[7]", "not JSON", '[{"role": "context"}]'):
        other = make_adapter("fox", **{"lw.companions": strange})
        assert not Stack((StackEntry(other),)).remarks_on_training()
