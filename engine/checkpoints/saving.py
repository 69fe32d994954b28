"""Saving a base model: as one checkpoint, which ComfyUI and diffusers load, or as a diffusers folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import BaseModelError
from ..core.quiet import quiet
from ..core.storage import NameTakenError, adding, numbered, save_with
from ..models.contract import Backbone
from ..models.diffusers_parts import read_config
from ..models.from_parts import ChangedParts, PartsBackbone
from .names import in_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

Dtype = Literal["float16", "bfloat16", "float32"]
_DECLARATIONS = "lora_workbench.json"
_HASH, _DTYPE = "lw.model_hash", "lw.dtype"
"""Metadata fields by which a saved model is known again."""
_LDM = "https://github.com/Stability-AI/generative-models"
"""How modelspec calls the names that checkpoints have."""
_SIZES = (
    "block_out_channels",
    "cross_attention_dim",
    "hidden_size",
    "in_channels",
    "latent_channels",
    "num_hidden_layers",
)
"""By which one model's configuration differs from another's, so that readers who know only one can't read both."""


def checkpoint_problem(base: Backbone) -> str:
    """Why a base model can't be saved as a checkpoint; empty if it can."""
    if not isinstance(base, PartsBackbone):
        return "ComfyUI has loaded it: save it with ComfyUI's own Save Checkpoint"
    if base.family.config is None:
        return "models of its family aren't distributed as checkpoints with all parts"
    return ""


def save_checkpoint(base: Backbone, path: Path, *, dtype: Dtype, name: str) -> Path:
    """Write a base model as one file.

    Args:
        base: a base model with a UNet, not loaded by ComfyUI.
        path: of the ``.safetensors`` file. If another model has that name, a number is added; if the same one has it in
            this dtype, nothing is written.
        dtype: of the weights.
        name: title in the file.

    Returns:
        The file's path.

    Raises:
        BaseModelError: it can't be saved so, or values are too large for the dtype.
        StorageError: the file can't be written.
    """
    from safetensors.torch import save_file

    parts = _saveable(base, checkpoint_problem(base))
    identity = {_HASH: base.info.content_hash, _DTYPE: dtype}
    for place in numbered(path):
        if not place.exists():
            tensors, metadata = checkpoint_tensors(base, dtype=dtype), _metadata(parts, name) | identity
            with contextlib.suppress(NameTakenError):  # by another process, just now
                save_with(place, partial(save_file, tensors, metadata=metadata), new=True)
                return place
        if identity.items() <= _header(place).items():
            return place
    raise AssertionError("unreachable: there is always another number")


def checkpoint_tensors(base: Backbone, *, dtype: Dtype) -> dict[str, Tensor]:
    """Name -> tensor, as in a base model's checkpoint; copies on the CPU.

    Raises:
        BaseModelError: it can't be saved so, or values are too large for the dtype.
    """
    parts = _saveable(base, checkpoint_problem(base))
    tensors: dict[str, Tensor] = {}
    for part, declared in parts.family.parts.items():
        if declared.prefix:
            module = parts.from_files("denoiser" if declared.kind == "unet" else part)
            tensors |= in_checkpoint(declared, dict(module.named_parameters()))
    return {key: _stored(key, tensor, dtype) for key, tensor in tensors.items()} | _marks(parts)


def _header(file: Path) -> Mapping[str, str]:
    """The metadata of a file; empty for one that can't be read, which is another model's."""
    from safetensors import SafetensorError, safe_open

    with contextlib.suppress(OSError, SafetensorError), safe_open(str(file), "pt") as opened:
        return opened.metadata() or {}
    return {}


def folder_problem(base: Backbone) -> str:
    """Why a base model can't be saved as a diffusers folder; empty if it can."""
    import diffusers

    if not isinstance(base, PartsBackbone):
        return "ComfyUI has loaded it: save it with ComfyUI's own Save Checkpoint"
    if not hasattr(diffusers, base.family.pipeline) or any(p.kind == "processor" for p in base.family.parts.values()):
        return "diffusers has no pipeline that saves models of its family"
    return ""


def save_folder(base: Backbone, path: Path, *, dtype: Dtype) -> Path:
    """Write a base model as diffusers saves it.

    Args:
        base: a base model, not loaded by ComfyUI.
        path: of the folder. Another one of that name is kept, and a number added.
        dtype: of the weights.

    Returns:
        The folder's path.

    Raises:
        BaseModelError: it can't be saved so.
        StorageError: it can't be written.
    """
    import torch

    parts = _saveable(base, folder_problem(base))
    loaded = {
        part: parts.from_files("denoiser" if part in ("unet", "transformer") else part) for part in parts.family.parts
    }
    for part, module in loaded.items():
        if isinstance(module, torch.nn.Module):
            for key, value in module.named_parameters():
                _stored(f"{part}.{key}", value, dtype)
            module.to(getattr(torch, dtype))
    with quiet():
        pipeline = _pipeline(parts)(**loaded, **_settings(parts))
        with adding(path) as draft:
            pipeline.save_pretrained(draft.temporary, safe_serialization=True)
            if parts.parts.folder and (own := parts.parts.folder / _DECLARATIONS).is_file():
                (draft.temporary / _DECLARATIONS).write_bytes(own.read_bytes())
    return draft.path


def unusual(base: Backbone) -> Iterator[str]:
    """Why programs that know only the family's usual models read a checkpoint of this one wrongly, or not at all."""
    yield from other_sizes(base)
    if base.info.prediction_type == "v_prediction" and base.info.family == "sd1":
        yield (
            "It predicts v. A checkpoint marks it by the empty tensor v_pred, which ComfyUI doesn't read for Stable "
            "Diffusion 1.x: add the node ModelSamplingDiscrete there."
        )


def other_sizes(base: Backbone) -> Iterator[str]:
    """The parts that have other sizes than their family's, which programs that read a checkpoint can't know."""
    if not isinstance(base, PartsBackbone):
        return
    config = base.family.config
    for part, declared in base.family.parts.items():
        if config is None or not declared.prefix:
            continue
        own, usual = base.parts.config(part), read_config(config, part)
        if sizes := [key for key in _SIZES if own.get(key) != usual.get(key)]:
            yield (
                f"Its {part} has other sizes than {base.info.traits.title} ({', '.join(sizes)}): a checkpoint doesn't "
                "hold sizes, so programs can't load it without its configuration. Use the diffusers folder."
            )


def _saveable(base: Backbone, problem: str) -> PartsBackbone:
    if problem or not isinstance(base, PartsBackbone):
        raise BaseModelError(
            f"{base.info.name or 'The base model'} can't be saved in this format: {problem}.",
            expected="a base model from LW_LoadBase or LW_TrainDreamBooth, of a family that has the format",
            hint="choose another format.",
        )
    return base


def _stored(key: str, tensor: Tensor, dtype: Dtype) -> Tensor:
    """A weight in the dtype of the file, on its own memory.

    Raises:
        BaseModelError: it has values beyond the dtype's range.
    """
    import torch

    stored = tensor.detach().to("cpu", getattr(torch, dtype), copy=True).contiguous()
    if not stored.isfinite().all():
        raise BaseModelError(
            f"{key} has values that {dtype} can't hold.",
            expected="finite weights of at most 65,504",
            hint="save as bfloat16 or float32.",
        )
    return stored


def _marks(base: PartsBackbone) -> dict[str, Tensor]:
    """Empty tensors by which programs know what a model predicts."""
    import torch

    scheduler = base.parts.config("scheduler")
    names = ["v_pred"] if base.info.prediction_type == "v_prediction" else []
    names += ["ztsnr"] if names and scheduler.get("rescale_betas_zero_snr") else []
    return {name: torch.tensor([]) for name in names}


def _metadata(base: PartsBackbone, name: str) -> dict[str, str]:
    """What its training says of it, or the least that describes a model."""
    info = base.info
    own: Mapping[str, str] = base.parts.metadata if isinstance(base.parts, ChangedParts) else {}
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": info.architecture,
        "modelspec.resolution": f"{info.resolution}x{info.resolution}",
        **own,
        "modelspec.implementation": _LDM,
        "modelspec.title": name,
    }


def _settings(base: PartsBackbone) -> dict[str, Any]:
    """What the pipeline takes beside the parts; those that ours don't have, such as a safety checker, are ``None``."""
    absent = dict.fromkeys(name for name in _pipeline(base)._optional_components if name not in base.family.parts)
    own = {key: value for key, value in base.parts.settings().items() if key not in absent and type(value) is not list}
    return {**absent, **own, **({"requires_safety_checker": False} if "safety_checker" in absent else {})}


def _pipeline(base: PartsBackbone) -> Any:
    import diffusers

    return getattr(diffusers, base.family.pipeline)
