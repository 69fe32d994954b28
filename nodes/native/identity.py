"""Content hashes of what ComfyUI has loaded, as the files that it came from may be gone or many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.adapters.kinds import KINDS, Update
from ...engine.core.hashing import bytes_hash, value_hash
from .seam import CLIP, VAE, ModelPatcher

if TYPE_CHECKING:
    from torch import Tensor

SAMPLES = 4096
"""Values read of each tensor, evenly spread: enough to tell models apart without reading them whole."""


def content_hash(model: ModelPatcher, clip: CLIP, vae: VAE) -> str:
    """Of weights, patches and settings of all three.

    Args:
        model: the adapters that it carries count too.
        clip: so do its adapters and the layer whose output is used.
        vae: the autoencoder.
    """
    sampling = model.get_model_object("model_sampling")
    settings = [type(model.model).__name__, _plain(sampling), clip.layer_idx]
    return value_hash(settings, _patcher(model), _patcher(clip.patcher), _patcher(vae.patcher))


def _patcher(patcher: ModelPatcher) -> list[Any]:
    """Every tensor as it is without patches, then the patches."""
    backup = {key: entry.weight for key, entry in patcher.backup.items()}
    state = patcher.model.state_dict()
    weights = [[key, _tensor(backup.get(key, state[key]))] for key in sorted(state)]
    patches = [[key, _plain(patcher.patches[key])] for key in sorted(patcher.patches, key=str)]
    objects = [[key, _plain(patcher.object_patches[key])] for key in sorted(patcher.object_patches)]
    return [bytes_hash(repr(weights).encode()), bytes_hash(repr(patches).encode()), bytes_hash(repr(objects).encode())]


def _tensor(tensor: Tensor) -> str:
    import torch

    flat = tensor.detach().reshape(-1)
    step = max(1, flat.numel() // SAMPLES)
    seen = flat[::step].cpu().contiguous()
    return f"{tuple(tensor.shape)} {tensor.dtype} {bytes_hash(seen.view(torch.uint8).numpy().tobytes())}"


def _plain(value: Any) -> Any:
    """A value that is equal for equal contents, and never an address in memory."""
    import torch

    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, Update):
        factors = KINDS.get(value.kind).factors(value)
        return [value.kind, repr(value.numbers), [[part, _tensor(tensor)] for part, tensor in factors.items()]]
    if isinstance(value, torch.nn.Module):
        return [type(value).__name__, [[name, _tensor(t)] for name, t in sorted(value.state_dict().items())]]
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if value is None or isinstance(value, (bool, int, float, str, torch.dtype)):
        return str(value)
    if hasattr(value, "weights"):
        return [type(value).__name__, _plain(value.weights)]
    return getattr(value, "__qualname__", type(value).__qualname__)
