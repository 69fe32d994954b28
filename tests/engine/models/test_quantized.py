"""Base models with weights in 8 bits and less: how near they are to the whole ones, what they weigh, how they train."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from kind_samples import SAMPLES, Values
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.files import adapter_from_tensors
from lora_workbench.engine.adapters.frozen import Frozen
from lora_workbench.engine.adapters.fused import bind_to
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.core.precision import QUANTIZED, Precision, pick_precision
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.models import FAMILIES as REGISTERED
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.flow_backbone import folder_parts
from lora_workbench.engine.models.formats import FORMATS
from lora_workbench.engine.models.quantized import place, size_in, weight_shape
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.nodes.kit.base_models import in_words
from PIL import Image
from tiny import TINY
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FAMILIES = ("sd1", "sdxl", "flux2", "z-image")
ROUNDING = {"fp8": 0.03, "int8": 0.011, "nf4": 0.1}
"""Format -> bound of the error of a normal weight, relative to the weight."""
PREDICTION = {"fp8": 0.12, "int8": 0.025, "nf4": 0.15}
"""Format -> bound of the error of a prediction of a tiny model; bf16 has 0.014."""
LOSSES = {"fp8": 0.04, "int8": 0.01, "nf4": 0.05}
"""Format -> bound of the relative difference of each of 10 losses."""
RECIPE = Recipe.of(
    steps=10, learning_rate=3e-3, rank=4, alpha=4, batch_size=2, schedule="constant", warmup_steps=0,
    targets="all_layers",
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TINY[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return load_base(folder, device="cpu", precision="fp32")


@pytest.fixture(scope="module", params=QUANTIZED)
def format_(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def quantized(folder: Path, format_: str) -> Backbone:
    return load_base(folder, device="cpu", precision=format_)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    pictures = [Image.effect_mandelbrot((32, 32), (-2, -1.5, 1, 1.5), 9 + i).convert("RGB") for i in range(2)]
    return dataset_from_images(pictures, ["a zwx thing"] * 2, "two")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def prediction(base: Backbone) -> Tensor:
    side = base.info.resolution // base.info.latent_factor
    t = base.timesteps(torch.tensor([0.1, 0.4, 0.7, 0.95])).t
    with torch.no_grad():
        conditioning = base.encode_prompts(["a fox"]).pick(torch.zeros(4, dtype=torch.long))
        return base.predict(random(4, base.info.latent_channels, side, side), t, conditioning)


def packed(base: Backbone) -> dict[str, nn.Module]:
    return {name: module for name, module in base.denoiser.named_modules() if "values" in module._buffers}


def error(found: Tensor, expected: Tensor) -> float:
    return ((found.float() - expected).norm() / expected.norm()).item()


def with_rounded_weights(folder: Path, quantized: Backbone) -> Backbone:
    """The base model in float32, with the weights that the quantized one unpacks."""
    base = load_base(folder, device="cpu", precision="fp32")
    with torch.no_grad():
        for name, layer in packed(quantized).items():
            base.denoiser.get_submodule(name).weight.copy_(layer.weight)
    return base


def train(base: Backbone, dataset: Dataset, store: Path, stop_after: int = 0) -> TrainedAdapter | None:
    """The trained adapter, or ``None`` if the run was to stop before its end."""
    with contextlib.closing(train_adapter(base, dataset, RECIPE, seed=7, store=RunStore(store), name="thing")) as run:
        while True:
            try:
                event = next(run)
            except StopIteration as done:
                return done.value
            if isinstance(event, StepDone) and event.step == stop_after:
                return None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", [(96, 80), (64, 16, 3, 3)], ids=str)
def test_a_weight_comes_back_within_the_error_of_its_format(format_: str, shape: tuple[int, ...], dtype: torch.dtype):
    weight = random(*shape) * torch.logspace(-3, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    values, scale = FORMATS[format_].pack(weight)
    found = FORMATS[format_].unpack(values, scale, shape, dtype)
    assert found.dtype == dtype
    assert found.shape == shape
    errors = [error(row, expected) for row, expected in zip(found, weight, strict=True)]
    assert sum(errors) / len(errors) < ROUNDING[format_]
    of_scales = 32 * scale.numel() / weight.numel()
    bits = 8 * (values.nbytes + scale.nbytes) / weight.numel()
    assert bits == pytest.approx(QUANTIZED[format_] if format_ == "nf4" else 8 + of_scales)


def test_rows_of_zeros_and_of_the_largest_numbers_stay_finite(format_: str):
    weight = torch.stack([torch.zeros(64), torch.full((64,), 1e30), random(64)])
    found = FORMATS[format_].unpack(*FORMATS[format_].pack(weight), weight.shape, torch.float32)
    assert found.isfinite().all()
    assert not found[0].any()
    assert found[1].tolist() == pytest.approx([1e30] * 64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_gradients_are_those_of_the_unpacked_weight_and_nothing_is_kept_for_them(
    format_: str, kind: str, dtype: torch.dtype
):
    layer = nn.Linear(64, 48) if kind == "linear" else nn.Conv2d(32, 48, 3, stride=2, padding=1)
    x = random(3, 5, 64) if kind == "linear" else random(2, 32, 9, 9)
    root = nn.ModuleList([layer]).requires_grad_(False)
    place(root, CPU, Precision(dtype, format_))
    plain = nn.Linear(64, 48) if kind == "linear" else nn.Conv2d(32, 48, 3, stride=2, padding=1)
    plain.requires_grad_(False).to(dtype)
    plain.weight.copy_(layer.weight)
    plain.bias.copy_(layer.bias)
    kept: list[Tensor] = []
    ours, theirs = (x.to(dtype).requires_grad_() for _ in range(2))
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        out = layer(ours)
    assert not kept
    expected = plain(theirs)
    assert torch.equal(out, expected)
    gradient = random(*out.shape).to(dtype)
    out.backward(gradient)
    expected.backward(gradient)
    assert ours.grad is not None
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_predictions_are_near_those_of_the_whole_model(base: Backbone, quantized: Backbone, format_: str):
    assert packed(quantized)
    found, whole = prediction(quantized), prediction(base)
    assert not torch.equal(found, whole)
    assert error(found, whole) < PREDICTION[format_]


def test_predictions_are_those_of_the_rounded_weights(folder: Path, quantized: Backbone):
    torch.testing.assert_close(prediction(quantized), prediction(with_rounded_weights(folder, quantized)))


def test_it_describes_the_same_layers(base: Backbone, quantized: Backbone):
    assert quantized.module_shapes() == base.module_shapes()
    assert quantized.info.target_presets == base.info.target_presets


def test_the_first_and_last_layers_norms_and_biases_keep_their_values(base: Backbone, quantized: Backbone):
    theirs = dict(base.denoiser.named_parameters())
    kept = dict(quantized.denoiser.named_parameters())
    assert {name for name in theirs if name.endswith(".bias")} <= kept.keys()
    ends = {name for name in theirs if name.split(".")[0] in ("conv_in", "conv_out", "x_embedder", "proj_out")}
    assert ends <= kept.keys()
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in kept.items())


def test_another_format_is_another_base_model(folder: Path, base: Backbone):
    hashes = {name: load_base(folder, device="cpu", precision=name).info.content_hash for name in ("bf16", *QUANTIZED)}
    assert hashes.pop("bf16") == base.info.content_hash
    assert len({base.info.content_hash, *hashes.values()}) == 1 + len(QUANTIZED)


def test_finding_blocks_unpacks_nothing(
    base: Backbone, quantized: Backbone, format_: str, monkeypatch: pytest.MonkeyPatch
):
    for name in (format_, "int8"):
        monkeypatch.setitem(
            FORMATS, name, FORMATS[name]._replace(unpack=lambda *_: pytest.fail("a weight is unpacked"))
        )
    assert blocks_of(quantized.denoiser).keys() == blocks_of(base.denoiser).keys()


def test_unpacking_leaves_logging_alone(monkeypatch: pytest.MonkeyPatch):
    """A level that is set empties the caches of all loggers, which takes longer than to unpack a weight."""
    packed = FORMATS["nf4"].pack(random(64, 64))
    monkeypatch.setattr(logging.Logger, "setLevel", lambda *_: pytest.fail("a level is set"))
    FORMATS["nf4"].unpack(*packed, (64, 64), torch.float32)


def test_people_are_told_of_the_format(quantized: Backbone, format_: str):
    assert in_words(quantized).endswith(f"on cpu in float32, its weights in {format_}")


def test_stacks_and_companions_go_beside_the_rounded_weights(folder: Path, quantized: Backbone, format_: str):
    """Adapters of three kinds, each of which meets every family and every format."""
    kind = ("lora", "dora", "loha")[(FAMILIES.index(quantized.info.family) + [*FORMATS].index(format_)) % 3]
    values, tensors = Values(), {}
    keys = [f"denoiser.{name}" for name in packed(quantized)][:6]
    keys += [key for key, shape in quantized.module_shapes().items() if "out" in key.split(".")[1] and len(shape) > 1]
    for key in keys:
        prefix = f"lora_unet_{key.removeprefix('denoiser.').replace('.', '_')}"
        sample = SAMPLES[kind](values, *quantized.module_shapes()[key])
        tensors |= {f"{prefix}.{part}": tensor for part, tensor in sample.items()}
    adapter = bind_to(quantized, adapter_from_tensors(tensors, name="any"))
    stack = Stack((StackEntry(adapter, 0.7),))
    plain, before = with_rounded_weights(folder, quantized), prediction(quantized)
    with applied(plain, stack):
        expected = prediction(plain)
    with applied(quantized, stack):
        found = prediction(quantized)
    assert error(expected, before) > 1e-3
    assert error(found, expected) < 1e-4
    assert torch.equal(prediction(quantized), before)
    companion = Frozen(quantized, stack, {"denoiser": quantized.denoiser}, quantized.dtype)
    found = prediction(quantized)
    companion.remove()
    assert error(found, expected) < 1e-4
    assert torch.equal(prediction(quantized), before)


@pytest.fixture(scope="module")
def whole(base: Backbone, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> TrainedAdapter:
    """What the model learns with the weights that it has."""
    trained = train(base, dataset, tmp_path_factory.mktemp("whole"))
    assert trained is not None
    return trained


@pytest.mark.parametrize("folder", ["sd1", "z-image"], indirect=True)
def test_it_learns_as_the_whole_model_does_and_goes_on_to_the_same_bits(
    whole: TrainedAdapter, base: Backbone, quantized: Backbone, format_: str, dataset: Dataset, tmp_path: Path
):
    found = train(quantized, dataset, tmp_path / "quantized")
    assert found is not None
    assert len(found.losses) == RECIPE.schedule.steps
    torch.testing.assert_close(torch.tensor(found.losses), torch.tensor(whole.losses), rtol=LOSSES[format_], atol=0)
    before = prediction(base)
    with applied(base, Stack((StackEntry(found.adapter),))):
        assert not torch.equal(prediction(base), before)
    assert train(quantized, dataset, tmp_path / "stopped", stop_after=4) is None
    resumed = train(quantized, dataset, tmp_path / "stopped")
    assert resumed is not None
    assert resumed.resumed_at == 4
    assert resumed.losses == found.losses


class Watched(TorchDispatchMode):
    """Counts the memory of the tensors that computations make while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                storage = StorageWeakRef(tensor.untyped_storage())
                self._made[storage.cdata] = (storage, tensor.untyped_storage().nbytes())
        self._made = {key: made for key, made in self._made.items() if not made[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._made.values()))
        return found


@pytest.mark.parametrize("precision", QUANTIZED)
def test_loading_makes_no_second_copy(precision: str, tmp_path: Path):
    """The weights stay in their file until their layer is packed, and a layer is packed in pieces."""
    folder = TINY["flux1"](tmp_path / "flux1")
    FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=64, num_attention_heads=8,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(16, 24, 24),
    ).to(torch.bfloat16).save_pretrained(folder / "transformer")  # fmt: skip
    model = folder_parts(folder, REGISTERED.get("flux1")).load("transformer")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    [file] = (folder / "transformer").glob("*.safetensors")
    places = [parameter.data_ptr() for parameter in model.parameters()]
    assert max(places) - min(places) < file.stat().st_size, "they lie as in the file, which is mapped into memory"
    with Watched() as watched:
        place(model, CPU, Precision(torch.float16, precision))
    layers = [module for module in model.modules() if "values" in module._buffers]
    weights = sum(torch.Size(weight_shape(layer)).numel() for layer in layers)
    assert weights > 10_000_000
    packed = sum(buffer.nbytes for layer in layers for buffer in layer.buffers())
    assert packed == pytest.approx(weights * QUANTIZED[precision] / 8, rel=0.01)
    whole = packed + sum(parameter.nbytes for parameter in model.parameters())
    widest = 2 * max(torch.Size(weight_shape(layer)).numel() for layer in layers)
    assert whole <= watched.peak < whole + 2 * widest


def test_sizes_are_known_before_anything_is_stored_so(base: Backbone, quantized: Backbone, format_: str):
    layers = packed(quantized).values()
    inside = {id(tensor) for layer in layers for tensor in (layer.values, layer.scale)}
    others = sum(t.numel() for t in tensors_of(quantized.denoiser) if id(t) not in inside)
    of_layers = sum(layer.values.nbytes + (layer.scale.nbytes if layer.format == "nf4" else 0) for layer in layers)
    assert size_in(base.denoiser, format_) == pytest.approx(of_layers + 2 * others, rel=0.01)
    assert size_in(quantized.denoiser, format_) == size_in(base.denoiser, format_)
    whole = 2 * sum(tensor.numel() for tensor in tensors_of(base.denoiser))
    assert size_in(quantized.denoiser, "") == size_in(base.denoiser, "") == whole


def tensors_of(root: nn.Module) -> list[Tensor]:
    return [*root.parameters(), *root.buffers()]


def test_a_missing_library_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(BaseModelError, match=r"(?s)nf4 need bitsandbytes.*lora-workbench\[quantized\]"):
        load_base(folder, device="cpu", precision="nf4")


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system doesn't tell its memory")
def test_auto_quantizes_only_what_does_not_fit():
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    fits, half, none = (pick_precision("auto", CPU, int(share * memory)) for share in (0.2, 0.7, 10))
    assert (fits.format, fits.in_words) == ("", "")
    assert half.format == "int8"
    assert "are more than the computer's" in half.in_words
    assert none.format == "nf4"
    assert "in int8" in none.in_words
    assert pick_precision("fp32", CPU, 10 * memory).format == ""


def test_unknown_precisions_are_refused(folder: Path):
    with pytest.raises(BaseModelError, match="Unknown precision 'int3'"):
        load_base(folder, device="cpu", precision="int3")


@pytest.mark.parametrize("name", ["", "int8"])
def test_weights_that_don_t_fit_are_told_with_what_would(name: str):
    """The allocator itself refuses them: a weight of which one value is in memory, and its copy isn't."""
    blocks = nn.ModuleList([nn.Linear(1, 1)])
    blocks[0].weight = nn.Parameter(torch.zeros(1, 1).expand(2**23, 2**23), requires_grad=False)
    with pytest.raises(BaseModelError, match=r"don't fit on cpu: they take .* GB.*\n.*\n.*fewer bits"):
        place(nn.Sequential(blocks), torch.device("cpu"), Precision(torch.bfloat16, name))
