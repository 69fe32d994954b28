"""From the parts of a module in a file to its update, and what can't be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .contract import KINDS, Update

if TYPE_CHECKING:
    from torch import Tensor

UNREADABLE = {
    ".a1.weight": "GLoRA",
    ".a2.weight": "GLoRA",
    ".b1.weight": "GLoRA",
    ".b2.weight": "GLoRA",
    ".bm.weight": "GLoRA",
    ".on_input": "IA3",
    ".ia3_l": "IA3",
    ".boft_R": "peft's BOFT",
    ".boft_s": "peft's BOFT",
    ".lambda_layer": "T-LoRA",
    ".p_layer.weight": "T-LoRA",
    ".q_layer.weight": "T-LoRA",
    ".vera_lambda_b": "VeRA",
    ".vera_lambda_d": "VeRA",
    ".set_weight": "replaced weights",
    ".reshape_weight": "weights of another shape",
}
"""End of a tensor's name -> what it belongs to, for what no kind of ours reads."""


def unreadable(name: str) -> str | None:
    """What a tensor belongs to by its name, such as ``GLoRA``, if it is known and no kind reads it."""
    return next((what for end, what in UNREADABLE.items() if name.endswith(end)), None)


def read_update(
    parts: Mapping[str, Tensor], module: str, *, scale: float | None = None, settings: Mapping[str, Any] | None = None
) -> Update:
    """The update of a module, of whichever kind has its parts.

    Args:
        parts: part -> tensor, with the names of the kinds' ``suffixes`` and ``aliases``.
        module: its name, for messages.
        scale: alpha / rank as the file's settings have it, for files without tensors for alpha.
        settings: peft's, ``adapter_config.json``; they say how some kinds are to be computed.

    Raises:
        ValueError: the parts belong to no kind, or don't fit each other; the message names ``module`` and says why.
    """
    kind = next((kind for kind in KINDS if kind.claims(parts.keys())), None)
    if kind is None:
        raise ValueError(_no_kind(module, parts))
    update = kind.from_parts(parts, module).with_settings(settings or {})
    if scale is not None:
        update = update.with_scale(scale)
    return update.with_bias(_bias(parts, update, module))


def _bias(parts: Mapping[str, Tensor], update: Update, module: str) -> Tensor | None:
    """The change of the bias: a difference, and that of peft's factor B, which is scaled as the factors are."""
    shares = {"bias": 1.0, "up_bias": update.alpha / update.rank}
    found = [share * parts[part].float() for part, share in shares.items() if part in parts]
    if any(bias.ndim != 1 for bias in found) or len({len(bias) for bias in found}) > 1:
        raise ValueError(f"{module} has biases of shape {', '.join(str(tuple(bias.shape)) for bias in found)}")
    total = sum(found[1:], found[0]) if found else None
    return total if total is not None and total.any() else None


def _no_kind(module: str, parts: Mapping[str, Tensor]) -> str:
    likely = max(KINDS, key=lambda kind: len(kind.needs & parts.keys()))
    if missing := sorted(likely.needs - parts.keys()):
        return f"{module} has no {' and no '.join(missing)}"
    return f"{module} has {', '.join(sorted(parts))}, which don't belong to one kind of adapter"
