"""Adapters of all kinds in the forms that programs read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import result
from kind_samples import SAMPLES, Net, Values
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.binding import bind
from lora_workbench.engine.adapters.converting import Converted, Form, converted, remarks
from lora_workbench.engine.adapters.files import adapter_from_tensors, load_adapter, read_metadata, save_adapter
from lora_workbench.engine.adapters.kinds import LowRank, read_update
from lora_workbench.engine.adapters.kinds.dora import NORMS
from lora_workbench.engine.core.errors import AdapterError
from tiny import Parts
from torch import Tensor

LAYERS = ("linear", "point", "kernel")


def net() -> Parts:
    return Parts(denoiser=Net())


def of(kind: str) -> Adapter:
    values, modules = Values(), {}
    for layer in LAYERS:
        weight = net()["denoiser"].get_submodule(layer).weight
        names = {f"denoiser.{layer}.{end}": value for end, value in SAMPLES[kind](values, *weight.shape).items()}
        modules |= load(names)
    return Adapter(name=kind, family="sd1", modules=modules)


def load(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """As programs wrote them, not as ComfyUI would compute them."""
    from lora_workbench.engine.adapters.reading import contents

    return contents({f"lora_unet_{n.removeprefix('denoiser.')}": t for n, t in tensors.items()}, "file").updates


def changes(adapter: Adapter) -> dict[str, Tensor]:
    return {key: update.delta(weight(key)) for key, update in adapter.modules.items()}


def weight(key: str) -> Tensor:
    return net()["denoiser"].get_submodule(key.removeprefix("denoiser.")).weight.detach()


def convert(adapter: Adapter, form: Form, rank: int = 64, base: bool = True) -> Converted:
    return result(converted(adapter, form, base=net() if base else None, rank=rank))


def same(found: Adapter, wanted: Adapter, tolerance: float = 1e-5) -> bool:
    deltas = changes(wanted)
    return all(torch.allclose(change, deltas[key], rtol=0, atol=tolerance) for key, change in changes(found).items())


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_forms_of_comfyui_and_of_others_make_the_same_change(kind: str) -> None:
    adapter = of(kind)
    there = convert(adapter, "ComfyUI")
    assert there.error < 1 and {*there.misfits} <= {*adapter.modules}
    if not there.misfits:
        assert same(there.adapter, adapter)
        assert same(convert(there.adapter, "other programs").adapter, adapter)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_lora_of_enough_rank_makes_the_same_change(kind: str) -> None:
    adapter = of(kind)
    found = convert(adapter, "plain LoRA", rank=200)
    assert all(isinstance(update, LowRank) for update in found.adapter.modules.values())
    assert same(found.adapter, adapter, 1e-4)
    assert found.error < 1e-5
    for key, update in adapter.modules.items():
        assert (update.bias is None) == (found.adapter.modules[key].bias is None)


def test_kinds_of_low_rank_get_no_higher_one_than_they_need() -> None:
    ranks = {kind: convert(of(kind), "plain LoRA").adapter.modules["denoiser.kernel"].rank for kind in ("loha", "lokr")}
    assert ranks == {"loha": 4, "lokr": 4}  # of rank 2: its square, and times the 2 columns of the first matrix


def test_the_error_is_told_where_the_rank_does_not_do() -> None:
    adapter = of("oft")
    found = convert(adapter, "plain LoRA", rank=1)
    key = "denoiser.kernel"
    change, near = (made.modules[key].delta(weight(key)) for made in (adapter, found.adapter))
    assert found.misfits[key].error == pytest.approx(float((change - near).norm() / change.norm()), rel=1e-4)
    assert 0 < found.error <= found.misfits[found.worst].error < 1
    assert f"the worst is {found.worst}" in str(found)
    assert found.report()["worst"]["layer"] == found.worst
    nearer = convert(adapter, "plain LoRA", rank=4)
    assert nearer.error < found.error


def test_what_comfyui_has_no_form_of_becomes_a_lora_for_it() -> None:
    for kind in ("oft_of_inputs", "oft_rescaled", "lokr_with_core"):
        found = convert(of(kind), "ComfyUI", rank=200)
        assert found.misfits and found.error < 1e-5
        assert same(found.adapter, of(kind), 1e-4)
        assert "leave out or change" in " ".join(remarks(of(kind)))
    assert remarks(of("loha")) == remarks(of("boft")) == []


def test_files_say_in_which_form_a_dora_is(tmp_path: Path) -> None:
    adapter = bind(of("dora"), net().module_shapes())
    for form, mark in (("ComfyUI", "unchanged"), ("other programs", None)):
        made = convert(adapter, form).adapter
        path = tmp_path / f"{form}.safetensors"
        stored = save_adapter(made, path, key_style="kohya", dtype="float32")
        assert read_metadata(path).get(NORMS) == mark
        read = bind(load_adapter(path), net().module_shapes())
        assert same(read, adapter) and same(stored, adapter)
        assert read.content_hash == stored.content_hash == made.content_hash
    assert convert(adapter, "ComfyUI").adapter.content_hash != adapter.content_hash
    assert len(remarks(adapter)) == len(remarks(convert(adapter, "ComfyUI").adapter)) == 1


def test_both_forms_in_one_file_are_refused(tmp_path: Path) -> None:
    adapter = of("dora")
    there = convert(adapter, "ComfyUI").adapter
    mixed = replace(there, modules={**there.modules, "denoiser.linear": adapter.modules["denoiser.linear"]})
    with pytest.raises(AdapterError, match="DoRAs of two forms"):
        save_adapter(mixed, tmp_path / "mixed.safetensors", key_style="kohya")


def test_tensors_without_a_header_are_as_comfyui_computes_them() -> None:
    """``weight_decompose`` of comfy/weight_adapter/base.py: m (W + alpha / r B A) / |W|."""
    before = torch.randn(8, 12)
    parts = SAMPLES["dora"](Values(), 8, 12)
    [update] = adapter_from_tensors({f"lora_unet_m.{end}": t for end, t in parts.items()}, "m").modules.values()
    turned = before + 1.5 * parts["lora_up.weight"] @ parts["lora_down.weight"]
    wanted = parts["dora_scale"] / before.norm(dim=1, keepdim=True) * turned
    torch.testing.assert_close(before + update.delta(before), wanted)
    columns = SAMPLES["dora_of_columns"](Values(), 8, 12)
    parts = {("magnitude" if end == "dora_scale" else end): t for end, t in columns.items()}
    assert not read_update(
        {"down": parts["lora_down.weight"], "up": parts["lora_up.weight"], "magnitude": parts["magnitude"]},
        "m", settings={NORMS: "unchanged"},
    ).by_unchanged  # type: ignore[attr-defined]  # fmt: skip


def test_a_base_model_is_asked_for_only_where_weights_count() -> None:
    assert convert(of("loha"), "plain LoRA", rank=9, base=False).error < 1e-5
    assert convert(of("lora"), "ComfyUI", base=False).misfits == {}
    for kind, form in (("dora", "ComfyUI"), ("oft", "plain LoRA")):
        with pytest.raises(AdapterError, match="depends on the weights of its base model") as told:
            convert(of(kind), form, base=False)  # type: ignore[arg-type]
        assert "link it to the input base" in str(told.value)


def test_norms_and_biases_stay_as_they_are() -> None:
    adapter = adapter_from_tensors({f"lora_unet_norm.{name}": torch.ones(8) for name in ("diff", "diff_b")}, "norms")
    assert convert(adapter, "plain LoRA").adapter.modules == adapter.modules
