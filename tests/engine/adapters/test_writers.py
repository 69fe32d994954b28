"""Adapters as other programs compute them: the outputs of lycoris' and peft's own layers, from what they save."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.files import adapter_from_tensors
from lora_workbench.engine.adapters.kinds import Update, read_update
from lora_workbench.engine.adapters.names import parse
from lora_workbench.engine.core.errors import AdapterError
from torch import Tensor, nn

RANK, ALPHA = 2, 3.0
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(12, 8),
    "point": lambda: nn.Conv2d(12, 8, 1),
    "kernel": lambda: nn.Conv2d(12, 8, 3, stride=2, padding=1),
    "layer_norm": lambda: nn.LayerNorm(12),
    "group_norm": lambda: nn.GroupNorm(3, 12),
}
WEIGHTED = ("linear", "point", "kernel")
LYCORIS: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("LoConModule", {}),
    "locon-tucker": ("LoConModule", {"use_tucker": True}),
    "lora-rs": ("LoConModule", {"rs_lora": True}),
    "dora-rows": ("LoConModule", {"weight_decompose": True, "wd_on_out": True}),
    "dora-columns": ("LoConModule", {"weight_decompose": True, "wd_on_out": False}),
    "loha": ("LohaModule", {}),
    "loha-tucker": ("LohaModule", {"use_tucker": True}),
    "loha-dora": ("LohaModule", {"weight_decompose": True}),
    "lokr": ("LokrModule", {"lora_dim": 1}),
    "lokr-both": ("LokrModule", {"lora_dim": 1, "decompose_both": True, "factor": 4}),
    "lokr-tucker": ("LokrModule", {"lora_dim": 1, "use_tucker": True}),
    "lokr-full": ("LokrModule", {"full_matrix": True}),
    "lokr-dora": ("LokrModule", {"lora_dim": 1, "weight_decompose": True}),
    "dylora": ("LoConModule", {"lora_dim": 1, "alpha": 0.5}),
    "oft": ("DiagOFTModule", {}),
    "oft-constrained": ("DiagOFTModule", {"constraint": 0.01}),
    "oft-rescaled": ("DiagOFTModule", {"rescaled": True}),
    "boft": ("ButterflyOFTModule", {}),
    "boft-constrained": ("ButterflyOFTModule", {"constraint": 0.01}),
    "full": ("FullModule", {}),
}
PEFT: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "lora": ("LoraConfig", {"r": RANK, "lora_alpha": ALPHA}, {"scale": ALPHA / RANK}),
    "lora-rs": ("LoraConfig", {"r": 4, "lora_alpha": ALPHA, "use_rslora": True}, {"scale": ALPHA / 2}),
    "lora-bias": ("LoraConfig", {"r": RANK, "lora_alpha": ALPHA, "lora_bias": True}, {"scale": ALPHA / RANK}),
    "dora": ("LoraConfig", {"r": RANK, "lora_alpha": ALPHA, "use_dora": True}, {"scale": ALPHA / RANK}),
    "loha": ("LoHaConfig", {"r": RANK, "alpha": ALPHA}, {"scale": ALPHA / RANK}),
    "loha-kernel": ("LoHaConfig", {"r": RANK, "alpha": ALPHA, "use_effective_conv2d": True}, {"scale": ALPHA / RANK}),
    "lokr": ("LoKrConfig", {"r": 1, "alpha": ALPHA}, {"scale": ALPHA}),
    "lokr-kernel": ("LoKrConfig", {"r": 1, "alpha": ALPHA, "use_effective_conv2d": True}, {"scale": ALPHA}),
    "lokr-both": ("LoKrConfig", {"r": 1, "alpha": ALPHA, "decompose_both": True}, {"scale": ALPHA}),
    "lokr-full": ("LoKrConfig", {"r": 8, "alpha": ALPHA}, {"scale": ALPHA / 8}),
    "oft": ("OFTConfig", {"oft_block_size": 4}, {}),
    "oft-exact": ("OFTConfig", {"oft_block_size": 4, "use_cayley_neumann": False}, {}),
    **{f"oft-{n}": ("OFTConfig", {"oft_block_size": 4, "num_cayley_neumann_terms": n}, {}) for n in (1, 2, 3, 4, 7)},
    "oft-shared": ("OFTConfig", {"oft_block_size": 4, "block_share": True}, {}),
}

PEFT_LAYERS = [(name, layer) for name in PEFT for layer in WEIGHTED if "oft" not in name or layer != "kernel"]
"""Without OFT on kernels, where peft turns patches of pictures: no change of the weight does that."""


def inputs(layer: nn.Module) -> Tensor:
    shape = (5, 12) if isinstance(layer, (nn.Linear, nn.LayerNorm)) else (2, 12, 6, 6)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def trained(module: nn.Module) -> None:
    """Values that no tensor begins with."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)


def read(tensors: Mapping[str, Tensor], **options: Any) -> Update:
    """The update of the one module in a file."""
    keys = {name: parse(name) for name in tensors}
    assert all(keys.values()), [name for name, key in keys.items() if key is None]
    assert len({key.module for key in keys.values() if key}) == 1
    parts = {key.part: tensors[name].detach().clone() for name, key in keys.items() if key}
    return read_update(parts, "module", **options)


def changed(layer: nn.Module, update: Update, share: float = 1.0) -> nn.Module:
    """The layer with its weight and bias changed."""
    layer = copy.deepcopy(layer)
    assert update.fits(tuple(layer.weight.shape))
    with torch.no_grad():
        layer.weight += update.change(layer.weight, share)
        if update.bias is not None:
            layer.bias += share * update.bias
    return layer


def lycoris_layer(name: str, layer: str) -> tuple[nn.Module, nn.Module, dict[str, Tensor]]:
    """A layer, a copy that lycoris has changed, and what it saves."""
    modules = pytest.importorskip("lycoris.modules")
    classes = {cls.__name__: cls for cls in vars(modules).values() if isinstance(cls, type)}
    kind, options = LYCORIS[name]
    torch.manual_seed(0)
    plain = LAYERS[layer]()
    theirs = copy.deepcopy(plain)
    module = classes[kind]("m", theirs, 1.0, **{"lora_dim": RANK, "alpha": ALPHA, **options})
    module.apply_to()
    trained(module)
    theirs.adapter = module
    return plain, theirs, {f"lora_unet_m.{key}": value for key, value in module.state_dict().items()}


@pytest.mark.parametrize("layer", WEIGHTED)
@pytest.mark.parametrize("name", LYCORIS)
def test_lycoris_computes_the_same(name: str, layer: str) -> None:
    plain, theirs, tensors = lycoris_layer(name, layer)
    update = read(tensors)
    torch.testing.assert_close(changed(plain, update)(inputs(plain)), theirs(inputs(plain)), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(plain(inputs(plain)), theirs(inputs(plain)), atol=1e-2)


@pytest.mark.parametrize("share", [0.5, -0.7])
@pytest.mark.parametrize("name", [name for name in LYCORIS if "dora" not in name and "rescaled" not in name])
def test_lycoris_multiplies_the_same(name: str, share: float) -> None:
    """At other weights than 1, too; but for DoRA, which it scales in a way of its own."""
    plain, theirs, tensors = lycoris_layer(name, "linear")
    theirs.adapter.multiplier = share
    expected = theirs(inputs(plain))
    torch.testing.assert_close(changed(plain, read(tensors), share)(inputs(plain)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", ["layer_norm", "group_norm"])
def test_lycoris_changes_norms_the_same(layer: str) -> None:
    modules = pytest.importorskip("lycoris.modules.norms")
    plain = LAYERS[layer]()
    theirs = copy.deepcopy(plain)
    module = modules.NormModule("m", theirs)
    module.apply_to()
    trained(module)
    update = read({f"lora_unet_m.{key}": value for key, value in module.state_dict().items()})
    torch.testing.assert_close(changed(plain, update)(inputs(plain)), theirs(inputs(plain)), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*lora_B.bias:peft.utils.warning.PeftWarning")
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        (name, layer)
        for name in PEFT
        for layer in ("linear", "point", "kernel")
        if "oft" not in name or layer != "kernel"
    ],
)
def test_peft_computes_the_same(name: str, layer: str) -> None:
    import peft

    kind, options, told = PEFT[name]
    torch.manual_seed(0)
    plain = LAYERS[layer]()
    net = nn.ModuleDict({"m": copy.deepcopy(plain)})
    config = getattr(peft, kind)(target_modules=["m"], **options)
    peft.inject_adapter_in_model(config, net)
    base = {id(parameter) for parameter in net.m.get_base_layer().parameters()}
    trained(nn.ParameterList(p for p in net.m.parameters() if id(p) not in base))
    tensors = peft.get_peft_model_state_dict(net)
    update = read({f"unet.{key}": value for key, value in tensors.items()}, settings=config.to_dict(), **told)
    net.eval()
    expected = net.m(inputs(plain))
    torch.testing.assert_close(changed(plain, update)(inputs(plain)), expected, rtol=1e-5, atol=1e-5)
    assert name == "oft-1" or not torch.allclose(plain(inputs(plain)), expected, atol=1e-2)


def test_peft_oft_on_kernels_and_with_a_constraint_is_refused() -> None:
    tensors = {"unet.m.oft_R.weight": torch.zeros(3, 6)}
    assert not read(tensors).fits((8, 12, 3, 3))
    with pytest.raises(AdapterError, match="coft"):
        read(tensors, settings={"coft": True})


def test_magnitudes_have_several_names() -> None:
    lora = {"lora_unet_m.lora_down.weight": torch.ones(2, 12), "lora_unet_m.lora_up.weight": torch.ones(8, 2)}
    weight, magnitude = torch.randn(8, 12), torch.arange(1.0, 9.0)
    names = ("dora_scale", "lora_magnitude_vector", "lora_magnitude_vector.default.weight", "magnitude")
    changes = [read({**lora, f"lora_unet_m.{name}": magnitude}).delta(weight) for name in names]
    assert all(torch.equal(change, changes[0]) for change in changes)


def test_the_marked_angles_of_onetrainer_are_divided_by_the_root_of_their_number() -> None:
    angles, weight = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)), torch.randn(8, 12)
    marked = read({"lora_unet_m.oft_R.weight": angles, "lora_unet_m.oft_R.scaled_oft": torch.tensor(1)})
    plain = read({"lora_unet_m.oft_R.weight": angles / 6**0.5})
    torch.testing.assert_close(marked.delta(weight), plain.delta(weight))


def test_alpha_bounds_the_angles_of_oft_as_the_writer_means_it() -> None:
    """A share of the number of rows in kohya's trainer and lycoris, the bound itself in ComfyUI's trainer."""
    blocks, weight = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(0)), torch.randn(8, 12)
    norm = float((blocks - blocks.mT).norm())
    found = {}
    for name in ("lora_unet_m", "diffusion_model.m"):
        for bound in (norm / 2, norm / 16):
            tensors = {f"{name}.oft_blocks": blocks, f"{name}.alpha": torch.tensor(bound)}
            found[name, bound] = adapter_from_tensors(tensors, "oft").modules["denoiser.m"].delta(weight)
    torch.testing.assert_close(found["lora_unet_m", norm / 16], found["diffusion_model.m", norm / 2])
    assert not torch.allclose(found["lora_unet_m", norm / 2], found["diffusion_model.m", norm / 2])
