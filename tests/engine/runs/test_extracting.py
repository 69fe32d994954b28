"""An adapter out of two base models: it does what the second one does, as far as its rank goes, and says how far."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.extraction import Share, Wanted, by_block, low_rank
from lora_workbench.engine.adapters.files import load_adapter, save_adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.extracting import extract_adapter
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from tiny import save_tiny_flux1, save_tiny_sd1, save_tiny_sdxl


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def predictions(base) -> torch.Tensor:
    with torch.no_grad():
        x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        return base.predict(x, torch.tensor([200, 700]), base.encode_prompts(["a zwx thing", "another"]))


@pytest.fixture(scope="module")
def before(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


@pytest.fixture(scope="module")
def after(before, tmp_path_factory):
    """The base after a few steps with its text encoder."""
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a zwx thing"], "reds")
    recipe = Recipe.of(
        steps=5, learning_rate=1e-3, text_encoder_learning_rate=1e-3, warmup_steps=0, train_text_encoder=True
    )
    store = RunStore(tmp_path_factory.mktemp("store"))
    return finish(train_dreambooth(before, dataset, recipe, seed=1, store=store, name="reds")).base


def test_a_matrix_of_that_rank_is_kept_whole():
    generator = torch.Generator().manual_seed(0)
    for shape in ((40, 30), (24, 8, 3, 3)):
        inner = torch.Size(shape[1:]).numel()
        whole = torch.randn(shape[0], 5, generator=generator) @ torch.randn(5, inner, generator=generator)
        update, share = low_rank(whole.reshape(shape), Wanted(5))
        assert torch.allclose(update.delta(), whole.reshape(shape), atol=1e-4)
        assert share.energy == pytest.approx(1, abs=1e-6) and update.rank == 5 and update.alpha == 5


def test_the_kept_energy_is_that_of_the_largest_singular_values():
    whole = torch.randn(50, 40, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(whole).square()
    update, share = low_rank(whole, Wanted(7))
    assert share.energy == pytest.approx((values[:7].sum() / values.sum()).item(), rel=1e-5)
    left = (whole - update.delta()).square().sum().item()
    assert left == pytest.approx(values[7:].sum().item(), rel=1e-4)


def test_ranks_stop_at_the_wanted_energy():
    whole = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.0]))
    shares = [low_rank(whole, Wanted(5, energy))[1] for energy in (0.5, 0.9, 0.95, 1.0)]
    assert [share.rank for share in shares] == [1, 2, 3, 5]
    assert all(share.energy >= energy - 1e-6 for share, energy in zip(shares, (0.5, 0.9, 0.95, 1.0), strict=True))


def test_large_matrices_are_nearly_as_near(monkeypatch):
    """The randomized method, which leaves the global random state alone and gives the same bits each time."""
    generator = torch.Generator().manual_seed(2)
    whole = torch.randn(300, 200, generator=generator) * torch.linspace(1, 0.01, 200) ** 2
    _, exact = low_rank(whole, Wanted(16))
    monkeypatch.setattr("lora_workbench.engine.adapters.extraction._EXACT", 10)
    state = torch.get_rng_state()
    first, share = low_rank(whole, Wanted(16))
    again, _ = low_rank(whole, Wanted(16))
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(first.up, again.up)
    assert share.energy == pytest.approx(exact.energy, rel=2e-3)


def test_blocks_are_summed():
    keys = [
        "down_blocks.0.attentions.0.proj_in",
        "down_blocks.0.resnets.1.conv1",
        "mid_block.resnets.0.conv1",
        "conv_in",
    ]
    shares = {f"denoiser.{key}": Share(1.0, 4.0, 2) for key in keys}
    found = by_block(shares)
    assert list(found) == ["down.0", "mid", "in"]
    assert found["down.0"] == Share(2.0, 8.0, 2)


def test_at_full_rank_it_does_what_the_trained_model_does_but_for_norms_and_biases(before, after, tmp_path):
    extracted = finish(extract_adapter(before, after, Wanted(1024), name="reds"))
    assert extracted.share.energy == pytest.approx(1, abs=1e-5)
    file = save_adapter(extracted.adapter, tmp_path / "reds.safetensors", key_style="kohya", dtype="float32").path
    loaded = load_adapter(file)
    plain, wanted = predictions(before), predictions(after)
    with applied(before, Stack((StackEntry(loaded),))):
        got = predictions(before)
    assert (got - wanted).norm() < 0.25 * (plain - wanted).norm()
    assert any(key.startswith("text_encoder.") for key in extracted.adapter.modules)
    assert "biases" in extracted.report()["notes"][0]


def test_more_rank_is_nearer_and_keeps_more(before, after):
    wanted, distances, energies = predictions(after), [], []
    for rank in (1, 4, 16):
        extracted = finish(extract_adapter(before, after, Wanted(rank), name="x"))
        energies.append(extracted.share.energy)
        with applied(before, Stack((StackEntry(extracted.adapter),))):
            distances.append((predictions(before) - wanted).norm().item())
    assert distances == sorted(distances, reverse=True) and energies == sorted(energies)
    assert extracted.report()["blocks"]["mid"] > 0


def test_text_encoders_can_be_left_out(before, after):
    extracted = finish(extract_adapter(before, after, Wanted(4), name="x", text_encoders=False))
    assert all(key.startswith("denoiser.") for key in extracted.adapter.modules)


def test_the_weights_in_files_are_compared_not_what_is_computed_with(tiny_sd1, before, after):
    halves = registry.load_base(tiny_sd1, device="cpu", precision="bf16")
    exact = finish(extract_adapter(before, after, Wanted(4), name="x"))
    rounded = finish(extract_adapter(halves, after, Wanted(4), name="x"))
    assert rounded.adapter.content_hash == exact.adapter.content_hash


def test_models_that_do_not_belong_together_are_refused(before, tmp_path: Path):
    sdxl = registry.load_base(save_tiny_sdxl(tmp_path / "sdxl"), device="cpu")
    with pytest.raises(AdapterError, match="family"):
        finish(extract_adapter(before, sdxl, Wanted(4), name="x"))
    with pytest.raises(AdapterError, match="the same weights"):
        finish(extract_adapter(before, before, Wanted(4), name="x"))


def test_two_encoders_and_transformers(tmp_path: Path):
    for number, save in enumerate((save_tiny_sdxl, save_tiny_flux1, save_tiny_sd1)):
        pair = [registry.load_base(save(tmp_path / f"{number}{seed}", seed=seed), device="cpu") for seed in (0, 1)]
        extracted = finish(extract_adapter(*pair, Wanted(2), name="x"))
        components = {key.split(".", 1)[0] for key in extracted.adapter.modules}
        assert components == {"denoiser", *pair[0].text_encoder_names}
        saved = save_adapter(
            extracted.adapter, tmp_path / f"{number}.safetensors", key_style=extracted.adapter.key_style,
            dtype="float32",
        )  # fmt: skip
        with applied(pair[0], Stack((StackEntry(load_adapter(saved.path)),))):
            pass
