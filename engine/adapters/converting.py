"""Adapters in the form that some program reads: ComfyUI's, that of the others, or a plain LoRA, which all read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import AdapterError
from ..core.events import Event, Progress
from ..core.words import counted
from .adapter import Adapter
from .binding import HasComponents
from .extraction import Wanted, low_rank
from .fused import base_weights, bind_to
from .kinds import KINDS, LowRank, Update
from .kinds.dora import Decomposed

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["as it is", "ComfyUI", "other programs", "plain LoRA"]
FORMS: Mapping[Form, str] = {
    "as it is": "as it was trained or loaded",
    "ComfyUI": "right in ComfyUI's own loaders",
    "other programs": "as LyCORIS, sd-scripts, A1111 and peft compute it",
    "plain LoRA": "a LoRA, which all programs read, diffusers too",
}
"""Form of a saved adapter -> in words."""
_EXACT = 1e-5
"""Relative error up to which a LoRA counts as the same change: that of rounding to float32."""
_NEGLIGIBLE = 1e-6
"""Singular values up to this share of the largest are nothing but rounding."""


@dataclass(frozen=True)
class Misfit:
    """How far a LoRA is from the change of a layer's weight that it stands for."""

    missed: float
    """Frobenius norm of the difference."""
    whole: float
    """Frobenius norm of the change."""

    @property
    def error(self) -> float:
        """Relative; 0 where nothing changes."""
        return self.missed / self.whole if self.whole else 0.0


@dataclass(frozen=True, kw_only=True)
class Converted:
    """An adapter in another form."""

    adapter: Adapter
    misfits: Mapping[str, Misfit] = field(default_factory=dict)
    """Module key -> how far its LoRA is from it, for all modules that became LoRAs."""

    @property
    def error(self) -> float:
        """Relative Frobenius error of all these modules together."""
        missed, whole = (sum(getattr(m, part) ** 2 for m in self.misfits.values()) for part in ("missed", "whole"))
        return (missed / whole) ** 0.5 if whole else 0.0

    @property
    def worst(self) -> str:
        """Key of the module with the largest error."""
        return max(self.misfits, key=lambda key: self.misfits[key].error)

    def report(self) -> dict[str, Any]:
        """As plain values."""
        if not self.misfits:
            return {}
        worst = {"layer": self.worst, "error": float(f"{self.misfits[self.worst].error:.3g}")}
        return {"as_lora": len(self.misfits), "error": float(f"{self.error:.3g}"), "worst": worst}

    def __str__(self) -> str:
        """What became LoRAs, and how exactly; empty if nothing did."""
        if not self.misfits:
            return ""
        ranks = max(self.adapter.modules[key].rank for key in self.misfits)
        told = f"{counted(len(self.misfits), 'layer')} turned into LoRAs of rank up to {ranks}, "
        if max(misfit.error for misfit in self.misfits.values()) <= _EXACT:
            return f"{told}exactly."
        worst = self.misfits[self.worst].error
        return f"{told}with an error of {self.error:.2%}; the worst is {self.worst}, {worst:.2%}."


def converted(
    adapter: Adapter, form: Form, *, base: HasComponents | None = None, rank: int = 64
) -> Generator[Event, None, Converted]:
    """An adapter in another form.

    Args:
        adapter: of any kind.
        form: any of :data:`FORMS`.
        base: the base model that it is for; needed only where the form depends on its weights.
        rank: of what becomes a LoRA, at most. LoHa and LoKr are of low rank themselves, and exact with enough; DoRA and
            rotations change the whole weight.

    Raises:
        AdapterError: the base model is needed and missing, or the adapter doesn't fit it.
    """
    if form == "as it is":
        return Converted(adapter=adapter)
    adapter = bind_to(base, adapter) if base else adapter
    weights = _weights(base, adapter)
    modules: dict[str, Update] = {}
    misfits: dict[str, Misfit] = {}
    for done, (key, update) in enumerate(adapter.modules.items()):
        yield Progress(done=done, total=len(adapter.modules), label="converting layers")
        found = _in_form(update, form, partial(weights, key))
        if found is None:
            found, misfits[key] = _as_lora(update, partial(weights, key), rank)
        modules[key] = found
    changed = replace(adapter, modules=modules, path=None)
    return Converted(adapter=replace(changed, metadata=_metadata(changed)), misfits=misfits)


def remarks(adapter: Adapter) -> list[str]:
    """Where an adapter would have another strength than it was trained at, one sentence each."""
    updates = adapter.modules.values()
    decomposed = [update for update in updates if isinstance(update, Decomposed) and update.per_row]
    found = []
    if any(not update.by_unchanged for update in decomposed):
        found.append(
            "ComfyUI's own loaders make this DoRA weaker or stronger than it was trained; Apply Stack is right. "
            "For them, save it with save_as = ComfyUI, with its base model."
        )
    if any(update.by_unchanged for update in decomposed):
        found.append(
            "This DoRA is for ComfyUI and LoRA Workbench. For other programs, save it with save_as = other programs, "
            "with its base model."
        )
    if kinds := _unknown_to_comfyui(updates):
        found.append(f"ComfyUI's own loaders leave out or change {kinds}. For them, save it with save_as = ComfyUI.")
    return found


def _unknown_to_comfyui(updates: Iterable[Update]) -> str:
    """The kinds of those updates that it has no form of, in words."""

    def needless() -> Tensor:
        raise AssertionError("only DoRA's form depends on the weight")

    others = (update for update in updates if not isinstance(update, Decomposed))
    return " and ".join(sorted({update.kind for update in others if update.for_comfyui(needless) is None}))


def _in_form(update: Update, form: Form, weight: Callable[[], Tensor]) -> Update | None:
    """The update in a form; ``None`` if it has to become a LoRA for that."""
    if form == "ComfyUI":
        return update.for_comfyui(weight)
    if form == "other programs":
        return update.for_others(weight)
    vector = update.only_bias or (len(update.weight_shape) < 2 and update.kind == "full")
    return update if vector or isinstance(update, LowRank) else None


def _as_lora(update: Update, weight: Callable[[], Tensor], rank: int) -> tuple[LowRank, Misfit]:
    """The nearest LoRA of some rank, on the CPU, and how near it is."""
    import torch

    before = torch.zeros(update.weight_shape) if update.additive else weight()
    change = update.delta(before)
    nearest, _ = low_rank(change, Wanted(rank, negligible=_NEGLIGIBLE))
    missed = (change - nearest.delta(change)).norm().item()
    down, up = nearest.down.cpu(), nearest.up.cpu()
    return replace(nearest, down=down, up=up, bias=update.bias), Misfit(missed, change.norm().item())


def _weights(base: HasComponents | None, adapter: Adapter) -> Callable[[str], Tensor]:
    """A function from a module key to the base model's weight, or its part of a fused layer's."""
    if base is None:
        return partial(_missing, adapter)
    return base_weights(base, adapter.modules)


def _missing(adapter: Adapter, key: str) -> Tensor:
    raise AdapterError(
        f"The form of {adapter.name} ({adapter.modules[key].kind}) depends on the weights of its base model.",
        expected="the base model that it was trained on",
        hint="link it to the input base, or choose save_as = as it is.",
    )


def _metadata(adapter: Adapter) -> dict[str, str]:
    """The header, with kohya's name of the kind and the largest rank as they are now."""
    kinds = {update.kind for update in adapter.modules.values()}
    if kinds != {"lora"} or "ss_network_module" not in adapter.metadata:
        return dict(adapter.metadata)
    told = {"ss_network_module": KINDS.get("lora").network_module, "ss_network_dim": str(adapter.rank)}
    return {**adapter.metadata, **told, "ss_network_alpha": str(float(adapter.rank))}
