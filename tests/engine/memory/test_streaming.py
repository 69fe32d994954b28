"""Streaming changes no bit, holds two blocks at most, and leaves the model as it was; on every kind of denoiser."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.inject import Injection, injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.counting import counted
from lora_workbench.engine.memory.streaming import streamed
from lora_workbench.engine.models import FAMILIES, registry
from lora_workbench.engine.models.contract import Backbone
from tiny import TINY, VARIANTS
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=[name for name in FAMILIES.names() if name not in VARIANTS])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder: Path = TINY[request.param](tmp_path_factory.mktemp(request.param))
    base = registry.load_base(folder, device="cpu", precision="fp32")
    for tensor in state(base.denoiser).values():
        tensor.data = tensor.data.clone()  # in a file, they begin at odd places, where CPU kernels give other last bits
    return base


@pytest.fixture
def blocks(base: Backbone) -> list[nn.Module]:
    return [*blocks_of(base.denoiser).values()]


@contextmanager
def adapted(base: Backbone, preset: str = "all_layers") -> Iterator[Injection]:
    """With an adapter that has an effect."""
    targets = {"denoiser": base.info.target_presets[preset]}
    with injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=2, seed=0) as injection:
        for name, parameter in injection.parameters.items():
            if name.endswith(".up"):
                parameter.data.normal_(generator=torch.Generator().manual_seed(len(name)))
        yield injection


def error_of(base: Backbone, *prompts: str) -> Callable[[], Tensor]:
    """A loss, as a function that can be computed again; prompts of several lengths may take several passes."""
    side = base.info.resolution // base.info.latent_factor
    noise = torch.randn(2, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    conditioning = base.encode_prompts(prompts or ["a photo of a fox", "a bus"])
    t = base.timesteps(torch.tensor([0.3, 0.9])).t
    return lambda: base.predict(noise, t, conditioning).square().mean()


def step(base: Backbone, error: Callable[[], Tensor], injection: Injection) -> dict[str, Tensor]:
    """The gradients of one step."""
    for parameter in injection.parameters.values():
        parameter.grad = None
    with base.gradients():
        error().backward()
    return {name: p.grad for name, p in injection.parameters.items() if p.grad is not None}


class Copies(TorchDispatchMode):
    """Watches the copies of blocks, which are made in single bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        """Storage -> bytes."""
        self.most = self.most_bytes = self.made = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.empty_like.default and result.dtype == torch.uint8:
            storage = result.untyped_storage()
            self.alive[storage._cdata] = storage.nbytes()
            weakref.finalize(storage, self.alive.pop, storage._cdata)
            self.made += 1
            self.most = max(self.most, len(self.alive))
            self.most_bytes = max(self.most_bytes, sum(self.alive.values()))
        return result


def state(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """A module is the same before and after: its objects, values, strides and storages of their own."""
    before = {name: (tensor, tensor.clone(), tensor.stride()) for name, tensor in state(module).items()}
    try:
        yield
    finally:
        after = state(module)
        assert after.keys() == before.keys()
        for name, (tensor, value, stride) in before.items():
            assert after[name] is tensor
            assert torch.equal(tensor, value)
            assert tensor.stride() == stride
            assert tensor.untyped_storage().nbytes() == tensor.nbytes
        assert not any("forward" in vars(own) for own in module.modules())


def test_gradients_have_the_same_bits_step_after_step(base: Backbone, blocks: list[nn.Module]):
    error = error_of(base)
    with adapted(base) as injection:
        plain = step(base, error, injection)
        with streamed(blocks, CPU):
            several = [step(base, error, injection) for _ in range(3)]
    for gradients in several:
        assert gradients.keys() == plain.keys()
        assert all(torch.equal(gradients[name], gradient) for name, gradient in plain.items())


def test_two_blocks_at_most_are_on_the_device(base: Backbone, blocks: list[nn.Module]):
    """Nothing keeps a copy between the passes; and from the second step on, each block is copied once a pass."""
    error = error_of(base, "a bus", "a bus")
    sizes = sorted(sum(t.nbytes + 256 for t in state(block).values()) + 4096 for block in blocks)
    with adapted(base) as injection, streamed(blocks, CPU):
        step(base, error, injection)
        with Copies() as copies:
            loss = error()
            assert len(copies.alive) <= 2
            loss.backward()
        assert copies.most <= 2
        assert copies.most_bytes <= sum(sizes[-2:])
        assert copies.made <= 2 * len(blocks)


def test_the_next_block_is_there_before_it_is_used(base: Backbone, blocks: list[nn.Module]):
    """No copy is made in vain, and none in the moment of its use, once the order is known."""
    error, asked = error_of(base, "a bus", "a bus"), list[bool]()
    with adapted(base) as injection, streamed(blocks, CPU) as streaming:
        for _ in range(2):
            step(base, error, injection)
        fetched = streaming._copies.fetched

        def watched(number: int, memory: Tensor) -> Tensor:
            asked.append(number in streaming._copies._copies)
            return fetched(number, memory)

        streaming._copies.fetched = watched
        step(base, error, injection)
    assert all(asked)
    assert len(asked) > 1 or len(blocks) == 1


def test_pictures_have_the_same_bits(base: Backbone, blocks: list[nn.Module]):
    side = base.info.resolution // base.info.latent_factor
    noise = torch.randn(1, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(1))
    positive, negative = (base.encode_prompts([prompt]) for prompt in ("a fox", ""))

    def latents() -> list[Tensor]:
        return [*base.sample(noise, positive, negative, steps=2, guidance=3.0)]

    with adapted(base, "attention") as injection:
        plain = latents()
        with streamed(blocks, CPU):
            step(base, error_of(base), injection)  # sample pictures come between steps
            with Copies() as copies:
                assert all(torch.equal(a, b) for a, b in zip(latents(), plain, strict=True))
            assert copies.most <= 2


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_as_it_was_afterwards(base: Backbone, blocks: list[nn.Module], fails: bool):
    """Also after an error within the backward pass, and of a run that is closed between two steps."""
    error = error_of(base)

    def stop(gradient: Tensor) -> None:
        if fails:
            raise KeyboardInterrupt

    def steps(injection: Injection) -> Generator[None]:
        with streamed(blocks, CPU):
            while True:
                step(base, error, injection)
                yield

    with unchanged(base.denoiser), adapted(base) as injection, closing(steps(injection)) as running:
        next(running)
        next(iter(injection.parameters.values())).register_hook(stop)
        with pytest.raises(KeyboardInterrupt) if fails else nullcontext():
            next(running)


def test_some_blocks_are_enough(base: Backbone, blocks: list[nn.Module]):
    error = error_of(base)
    with adapted(base) as injection:
        plain = step(base, error, injection)
        with streamed(blocks[1::2], CPU):
            several = [step(base, error, injection) for _ in range(2)]
    assert all(torch.equal(own[name], gradient) for own in several for name, gradient in plain.items())


@pytest.mark.parametrize("base", ["sd1", "flux2"], indirect=True)
def test_what_lies_on_the_device_is_counted(base: Backbone, blocks: list[nn.Module]):
    """Counting memory sees the copies: the plan of a run needs no arithmetic of its own for them."""
    error = error_of(base, "a bus", "a bus")

    def one_step(_: object) -> None:
        error().backward()

    peaks = []
    with adapted(base):
        for context in (nullcontext(), streamed(blocks, CPU)):
            manager: AbstractContextManager[Any] = context
            with manager:
                peaks.append(counted(one_step).peak)
    largest = max(sum(tensor.nbytes for tensor in state(block).values()) for block in blocks)
    assert peaks[1] < peaks[0] + 2 * (largest + 256 * 60)


class Odd(nn.Module):
    """A block with a tied weight, a half-precision buffer, an empty and a scalar one, and what is trained itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.norm = nn.LayerNorm(4)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.register_buffer("shift", torch.randn(3, dtype=torch.bfloat16))
        self.register_buffer("nothing", torch.empty(0))
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("turned", torch.randn(4, 4).t())
        self.trained = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        shift = self.get_buffer("shift").float().sum() * self.get_buffer("count") + self.get_buffer("nothing").sum()
        return self.norm(self.second(self.first(x) @ self.get_buffer("turned"))) * self.trained + shift


def test_all_kinds_of_tensors_go_with_a_block():
    torch.manual_seed(0)
    block, x = Odd(), torch.randn(2, 4, requires_grad=True)

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(block(x).square().mean(), [x, block.trained])

    plain = gradients()
    with unchanged(block), streamed([block], CPU) as streaming:
        assert block.trained.untyped_storage().nbytes() == block.trained.nbytes
        assert block.first.weight is block.second.weight
        assert streaming.host_bytes == 4096
        assert all(torch.equal(ours, own) for ours, own in zip(gradients(), plain, strict=True))


class LooksAgain(torch.autograd.Function):
    """Multiplies by a layer's weight, which it takes from the layer in both passes, as quantized layers do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Linear, seen: list[int]) -> Tensor:
        ctx.layer, ctx.seen = layer, seen
        return x @ layer.weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        ctx.seen.append(ctx.layer.weight.data_ptr())
        return gradients[0] @ ctx.layer.weight.t(), None, None


class Last(nn.Module):
    """A block that ends in such a layer: its backward pass begins before anything asks for the block again."""

    def __init__(self, seen: list[int]) -> None:
        super().__init__()
        self.layer, self.seen = nn.Linear(4, 4).requires_grad_(False), seen

    def forward(self, x: Tensor) -> Tensor:
        return LooksAgain.apply(x.sin(), self.layer, self.seen)


def test_weights_are_on_the_device_throughout_the_backward_pass():
    seen: list[int] = []
    blocks = [Last(seen) for _ in range(4)]
    model, x = nn.Sequential(*blocks), torch.randn(2, 4, requires_grad=True)
    with streamed(blocks, CPU):
        at_home = {block.layer.weight.data_ptr() for block in blocks}
        model(x).sum().backward()
    assert len(seen) == len(blocks)
    assert not at_home & set(seen)
