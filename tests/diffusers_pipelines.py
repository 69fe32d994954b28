"""diffusers' own pipelines, beside which backbones and adapter files of their families are held."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import KINDS
from lora_workbench.engine.models import FAMILIES
from lora_workbench.engine.models.diffusers_parts import FolderParts

if TYPE_CHECKING:
    from lora_workbench.engine.models.contract import Backbone
    from torch import Tensor

PROMPTS = ["a photo of a fox", "a drawing of a red bus on a blue background"]


def pipeline_of(folder: Path, family: str) -> Any:
    """diffusers' pipeline of a family, from the parts of a folder, because some processors need torchvision."""
    import diffusers

    known = FAMILIES.get(family)
    parts = FolderParts(folder, known.parts)
    kind = getattr(diffusers, known.pipeline)
    if issubclass(kind, diffusers.ModularPipeline):
        return modular(kind, {name: parts.load(name) for name in known.parts})
    if "processor" not in known.parts:
        return kind.from_pretrained(folder, local_files_only=True)
    loaded = {name: parts.load(name) for name in known.parts}
    return kind(**loaded, **parts.settings())


def modular(kind: Any, parts: Mapping[str, Any]) -> Any:
    """A modular pipeline for text and edits that takes prompts as they are written."""
    import diffusers

    blocks = getattr(diffusers, kind.default_blocks_name)()
    blocks.sub_blocks.pop("prompt_upsampler", None)
    pipeline = blocks.init_pipeline()
    pipeline.update_components(**parts)
    if "text_conditioner" in parts:
        resize_padding_without_torchvision(pipeline.transformer)
    return pipeline


def resize_padding_without_torchvision(transformer: Any) -> None:
    """Resize the mask of padding of Anima's pipeline before its transformer does so, which needs torchvision."""
    from torch.nn.functional import interpolate

    def resized(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if (mask := named.pop("padding_mask", None)) is not None:
            latents = named["hidden_states"]
            mask = interpolate(mask, latents.shape[-2:]).unsqueeze(2)
            named["condition_mask"] = mask.expand(len(latents), -1, -1, -1, -1)  # joined in the same place
        return arguments, named

    transformer.register_to_config(concat_padding_mask=False)
    transformer.register_forward_pre_hook(resized, with_kwargs=True)


def noise_for(base: Backbone, count: int, height: int, width: int) -> Tensor:
    """Noise (B, C, h, w) for pictures of so many pixels."""
    import torch

    factor = base.info.latent_factor
    shape = (count, base.info.latent_channels, height // factor, width // factor)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def generated(
    base: Backbone, noise: Tensor, prompts: list[str], negatives: list[str] | None, *, steps: int, guidance: float
) -> Tensor:
    """Pictures (B, H, W, 3) by our backbone, as pipelines give them with ``output_type="np"``."""
    import torch

    with torch.no_grad():
        states = base.encode_prompts(prompts)
        negative = base.encode_prompts(negatives) if negatives else None
    *_, latents = base.sample(noise, states, negative, steps=steps, guidance=guidance)
    return base.decode(latents).permute(0, 2, 3, 1)


def random_adapter(base: Backbone, path: Path) -> Adapter:
    """An adapter of all layers with random values, saved in the style of the base model's family."""
    import torch

    targets = {"denoiser": base.info.target_presets["all_layers"]}
    with injected(KINDS.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=1, seed=0) as injection:
        for name, parameter in injection.parameters.items():
            parameter.data.normal_(std=0.1, generator=torch.Generator().manual_seed(len(name)))
        updates = injection.result()
    modules = {part: update.rows(rows) for key, update in updates.items() for part, rows in base.file_parts(key)}
    adapter = Adapter(name=path.stem, family=base.info.family, modules=modules)
    return save_adapter(adapter, path, key_style=base.info.key_style, dtype="float32")


def lora_layers(module: Any) -> int:
    """Number of layers of a module that have a LoRA of peft."""
    from peft.tuners.lora import LoraLayer

    return sum(isinstance(layer, LoraLayer) for layer in module.modules())
