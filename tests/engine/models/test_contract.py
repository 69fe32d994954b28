"""What every family of base models promises in engine/models/contract.py, on a tiny real model of each.

A toy family is among them, added by one registration.
"""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lora_workbench.engine.adapters.binding import changeable
from lora_workbench.engine.adapters.binding import shapes as binding_shapes
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import KINDS
from lora_workbench.engine.models import FAMILIES, registry
from lora_workbench.engine.models.contract import CAPABILITIES, Backbone, Conditioning
from lora_workbench.engine.models.families import sd1
from lora_workbench.engine.models.families.sd1 import StableDiffusion1
from lora_workbench.engine.models.unet_backbone import load_parts
from tiny import TINY, save_tiny_sd1

if TYPE_CHECKING:
    from torch import Tensor, nn

PROMPTS = ["a photo of a fox", "a drawing of a red bus on a blue background", ""]


class Toy(StableDiffusion1):
    """A family whose prompts are read backwards."""

    def encode_prompts(self, prompts, pictures=None):
        return super().encode_prompts([prompt[::-1] for prompt in prompts])


def recognizes_toy(path: Path, names: frozenset[str]) -> bool:
    return not names


TOY = replace(
    sd1.FAMILY,
    traits=replace(sd1.TRAITS, name="toy"),
    pipeline="ToyPipeline",
    recognizes=recognizes_toy,
    load=lambda path, *, device, precision: Toy(load_parts(path, TOY), TOY, device, precision),
)


def save_toy(folder: Path, seed: int = 0) -> Path:
    save_tiny_sd1(folder, seed=seed)
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": "ToyPipeline"}))
    return folder


@pytest.fixture(scope="module", params=[*FAMILIES.names(), "toy"])
def family(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param != "toy":
        assert request.param in TINY, f"give {request.param} a tiny configuration in tests/tiny.py, in TINY"
        yield request.param
        return
    FAMILIES.register("toy", TOY)
    TINY["toy"] = save_toy
    try:
        yield "toy"
    finally:
        FAMILIES.remove("toy")
        del TINY["toy"]


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TINY[family](tmp_path_factory.mktemp(family))


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return registry.load_base(folder, device="cpu", precision="fp32")


def random(*shape: int, seed: int = 0) -> Tensor:
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def latents(base: Backbone, count: int = 2, seed: int = 0) -> Tensor:
    side = base.info.resolution // base.info.latent_factor
    return random(count, base.info.latent_channels, side, side, seed=seed)


def conditioning(base: Backbone, prompts: list[str]) -> Conditioning:
    import torch

    with torch.no_grad():
        return base.encode_prompts(prompts)


def weights(base: Backbone) -> dict[str, Tensor]:
    return {
        f"{component}.{name}": tensor.clone()
        for component, module in base.load_components().items()
        for name, tensor in module.state_dict().items()
    }


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    import torch

    assert found.keys() == expected.keys()
    changed = [name for name, tensor in found.items() if not torch.equal(tensor, expected[name])]
    assert not changed


def test_it_describes_itself(base: Backbone, family: str):
    info = base.info
    assert info.family == FAMILIES.get(family).traits.name
    assert info.prediction_type in ("epsilon", "v_prediction", "flow")
    assert info.key_style in ("kohya", "transformer", "native")
    assert info.capabilities <= CAPABILITIES.keys()
    assert info.name
    assert info.architecture
    assert info.resolution % info.latent_factor == 0


def test_presets_name_modules_that_exist(base: Backbone):
    for component, module in base.load_components().items():
        presets = base.info.target_presets if component == "denoiser" else base.info.text_target_presets
        assert {"attention", "attention_and_feed_forward"} <= presets.keys()
        assert set(presets["attention"]) < set(presets["attention_and_feed_forward"])
        keys = [f".{component}.{name}" for name, _ in module.named_modules()]
        for suffix in presets["attention_and_feed_forward"]:
            assert any(key.endswith(f".{suffix}") for key in keys), suffix


def test_content_hash_is_that_of_the_weights(base: Backbone, family: str, folder: Path, tmp_path: Path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert registry.load_base(moved, device="cpu").info.content_hash == base.info.content_hash
    other = TINY[family](tmp_path / "other", seed=1)
    assert registry.load_base(other, device="cpu").info.content_hash != base.info.content_hash


def test_pictures_become_latents_and_pictures_again(base: Backbone):
    import torch

    side = base.info.resolution
    for height, width in [(side, side), (side, 2 * side)]:
        encoded = base.encode_images(random(2, 3, height, width).clamp(-1, 1))
        size = (height // base.info.latent_factor, width // base.info.latent_factor)
        assert encoded.shape == (2, base.info.latent_channels, *size)
        decoded = base.decode(encoded)
        assert decoded.shape == (2, 3, height, width)
        assert encoded.dtype == decoded.dtype == torch.float32
        assert 0 <= decoded.min() <= decoded.max() <= 1
        assert not encoded.requires_grad
        assert not decoded.requires_grad


def test_prompts_are_encoded_alike_in_every_batch(base: Backbone):
    import torch

    together = conditioning(base, PROMPTS)
    apart = Conditioning.join([conditioning(base, [prompt]) for prompt in PROMPTS])
    backwards = conditioning(base, PROMPTS[::-1]).pick(torch.tensor([2, 1, 0]))
    assert together.keys() == apart.keys() == backwards.keys()
    for name, tensor in together.items():
        assert len(tensor) == len(PROMPTS)
        torch.testing.assert_close(apart[name], tensor, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(backwards[name], tensor, atol=1e-5, rtol=1e-5)
    assert any((tensor[0] - tensor[1]).abs().max() > 0.01 for tensor in together.values())


def test_tokenizers_show_their_pieces(base: Backbone):
    once, twice = base.tokenize("a red fox"), base.tokenize("a red fox a red fox")
    assert once.keys() <= {*base.text_encoder_names}
    assert twice == {encoder: pieces * 2 for encoder, pieces in once.items()}
    assert all(pieces and all(pieces) for pieces in once.values())
    assert not any(base.tokenize("").values())


def test_names_of_layers_load_nothing(folder: Path):
    """Binding an adapter needs names and shapes alone."""
    base = registry.load_base(folder, device="cpu")
    parts = base._parts  # type: ignore[attr-defined]
    loaded, load = [], parts.load
    parts.load = lambda part: loaded.append(part) or load(part)
    shapes = base.module_shapes()
    assert not loaded
    assert {key.split(".", 1)[0] for key in shapes} == {"denoiser", *base.text_encoder_names}
    components = base.load_components()
    assert loaded == list(base.text_encoder_names)
    layers = binding_shapes(changeable(components))
    assert shapes == {part: shape for key, shape in layers.items() for part, _ in base.file_parts(key)}
    assert len(shapes) == len(layers)


def test_no_end_of_a_long_prompt_is_cut_off(base: Backbone):
    import torch

    long, longer = (conditioning(base, ["a fox " * 500 + end]) for end in ("", "zwx"))
    assert any(not torch.equal(long[name], longer[name]) for name in long)


def test_timesteps_go_from_clean_to_noise(base: Backbone):
    import torch

    levels = base.timesteps(torch.linspace(0, 1, 500)[:-1])
    assert levels.t.shape == levels.alpha.shape == levels.sigma.shape == (499,)
    assert levels.alpha.dtype == levels.sigma.dtype == torch.float32
    for rising in (levels.t, levels.sigma, -levels.alpha):
        assert (rising.diff() >= 0).all()
    assert levels.alpha[0] > 0.9 > 0.1 > levels.sigma[0]
    assert levels.sigma[-1] > 0.9
    if base.info.prediction_type == "flow":
        torch.testing.assert_close(levels.alpha + levels.sigma, torch.ones(499))
        torch.testing.assert_close(levels.sigma, torch.linspace(0, 1, 500)[:-1])  # no shift but the recipe's
    else:
        torch.testing.assert_close(levels.alpha**2 + levels.sigma**2, torch.ones(499))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_predictions_are_float32_at_every_precision(base: Backbone, folder: Path, precision: str):
    import torch

    base = base if precision == "fp32" else registry.load_base(folder, device="cpu", precision=precision)
    assert base.dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    assert {parameter.dtype for parameter in base.denoiser.parameters()} == {base.dtype}
    x = latents(base)
    predicted = base.predict(x, base.timesteps(torch.tensor([0.2, 0.9])).t, conditioning(base, PROMPTS[:2]))
    assert predicted.shape == x.shape
    assert predicted.dtype == torch.float32
    assert predicted.isfinite().all()


def train_once(parameters: dict[str, nn.Parameter], loss: Tensor) -> None:
    import torch

    loss.backward()
    torch.optim.AdamW(parameters.values(), lr=0.1).step()


def without_gradient(parameters: dict[str, nn.Parameter], factor: str) -> set[str]:
    """Module keys whose tensor called so got no gradient."""
    grads = {name.rpartition(".")[0]: p.grad for name, p in parameters.items() if name.endswith(f".{factor}")}
    assert grads
    return {key for key, grad in grads.items() if grad is None or not grad.abs().max() > 0}


def test_the_denoiser_teaches_injected_factors_alone(base: Backbone):
    import torch

    before = weights(base)
    targets = {"denoiser": base.info.target_presets["attention_and_feed_forward"]}
    t, states = base.timesteps(torch.tensor([0.2, 0.9])).t, conditioning(base, PROMPTS[:2])
    plain = base.predict(latents(base), t, states)
    with injected(KINDS.get("lora"), base.load_components(), targets, rank=2, alpha=2, seed=0) as injection:
        torch.testing.assert_close(base.predict(latents(base), t, states), plain)
        idle = set()
        for factor in ("up", "down"):  # down learns from the second step on, because up starts at zero
            train_once(injection.parameters, base.predict(latents(base), t, states).square().mean())
            idle = without_gradient(injection.parameters, factor)
            assert len(idle) < len(injection.parameters) / 4
        trained = {id(parameter) for parameter in injection.parameters.values()}
        frozen = [p for module in base.load_components().values() for p in module.parameters() if id(p) not in trained]
        assert not any(parameter.requires_grad or parameter.grad is not None for parameter in frozen)
        learned = base.predict(latents(base), t, states)
        assert (learned - plain).abs().max() > 1e-3
        # What the last block makes of the prompt may go nowhere; all other layers must learn.
        with torch.no_grad():
            for name, parameter in injection.parameters.items():
                if name.rpartition(".")[0] in idle:
                    parameter.normal_()
        torch.testing.assert_close(base.predict(latents(base), t, states), learned, rtol=0, atol=0)
    assert_same(weights(base), before)


def test_text_encoders_teach_injected_factors_alone(base: Backbone):
    import torch

    if "text_encoder_training" not in base.info.capabilities:
        pytest.skip(f"{base.info.family} doesn't train text encoders")
    before = weights(base)
    targets = dict.fromkeys(base.text_encoder_names, base.info.text_target_presets["attention_and_feed_forward"])
    with injected(KINDS.get("lora"), base.load_components(), targets, rank=2, alpha=2, seed=0) as injection:
        for factor in ("up", "down"):
            encoded = base.encode_prompts(PROMPTS)
            train_once(injection.parameters, sum(tensor.float().square().mean() for tensor in encoded.values()))  # type: ignore[arg-type]
            idle = without_gradient(injection.parameters, factor)
            learning = {name.rpartition(".")[0] for name in injection.parameters} - idle
            assert {key.split(".", 1)[0] for key in learning} == {*base.text_encoder_names}
        # A model that reads the hidden states before the last layer's leaves that layer out; all others must learn.
        encoded = conditioning(base, PROMPTS)
        with torch.no_grad():
            for name, parameter in injection.parameters.items():
                if name.rpartition(".")[0] in idle:
                    parameter.normal_()
        assert_same(conditioning(base, PROMPTS), encoded)
    assert_same(weights(base), before)


def test_sampling_is_deterministic(base: Backbone):
    import torch

    guided = "classifier_free_guidance" in base.info.capabilities
    states, negative = conditioning(base, PROMPTS[:2]), conditioning(base, ["", ""]) if guided else None

    def generate(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)  # a sampler that drew noise of its own would take it from here
        return list(base.sample(latents(base), states, negative, steps=3, guidance=5.0 if guided else 1.0))

    first, second = generate(1), generate(2)
    assert len(first) >= 3
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    assert {x.shape for x in first} == {latents(base).shape}
    assert first[-1].dtype == torch.float32
    assert first[-1].isfinite().all()


def test_one_step_generates(base: Backbone):
    *_, last = base.sample(latents(base), conditioning(base, PROMPTS[:2]), None, steps=1, guidance=1.0)
    assert last.isfinite().all()


def test_released_encoders_come_back(base: Backbone):
    import torch

    images = random(1, 3, base.info.resolution, base.info.resolution).clamp(-1, 1)
    encoded, states = base.encode_images(images), conditioning(base, PROMPTS[:1])
    encoders = [weakref.ref(encoder) for encoder in map(base.load_component, base.text_encoder_names)]
    base.release_encoders()
    assert not any(encoder() for encoder in encoders)
    torch.testing.assert_close(base.encode_images(images), encoded, rtol=0, atol=0)
    for name, tensor in conditioning(base, PROMPTS[:1]).items():
        torch.testing.assert_close(tensor, states[name], rtol=0, atol=0)
