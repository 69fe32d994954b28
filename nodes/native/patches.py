"""Our stacks on ComfyUI's models: as its own patches, one a weight however many adapters there are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_args

from ...engine.adapters.adapter import Adapter
from ...engine.adapters.kinds import KINDS, LowRank
from ...engine.adapters.kinds.summing import joined
from ...engine.adapters.names import KeyStyle, stems
from ...engine.adapters.stack import Stack, WeightedFile
from ...engine.core.errors import AdapterError
from .seam import CLIP, COMFY, BaseModel, ModelPatcher, TextEncoder

if TYPE_CHECKING:
    from torch import Tensor

    Target: TypeAlias = str | tuple[Any, ...]
    """A weight's key in the model's state dict, or (key, (axis, start, length), …) for a slice of a fused weight."""

_PART = re.compile(
    r"(?:[._](?:lora|hada|lokr|oft)[._].*"
    r"|\.(?:alpha|dora_scale|diff|diff_b|set_weight|reshape_weight|w_norm|b_norm|[ab][12]\.weight))$"
)
"""What follows the module's name in a tensor's name, in any format that ComfyUI loads."""
_TEXT_ENCODER = ("lora_te", "lora_prior_te", "text_encoder")


class Fit(NamedTuple):
    """How much of an adapter found its place."""

    name: str
    modules: int
    """Modules that it changes in the parts of the model that were given."""
    fitting: int
    """How many of them are there, in the right shape."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a stack."""

    fits: tuple[Fit, ...]
    """One an adapter, in order."""
    weights: int
    """Weights, or slices of fused weights, that any of them changes."""
    warnings: tuple[str, ...]
    """What was left out, one sentence each."""

    def summary(self) -> str:
        """In words: how many adapters on how many weights."""
        adapters = f"{len(self.fits)} adapter{'s' if len(self.fits) != 1 else ''}"
        return f"{adapters} on {self.weights} weights" if self.fits else "no adapters: nothing is changed"


class _Layer(NamedTuple):
    """One adapter as ComfyUI reads it."""

    name: str
    tensors: Mapping[str, Tensor]
    weight: float
    text_encoder_weight: float


@dataclass(kw_only=True)
class _Side:
    """A model or a text encoder that takes patches."""

    patcher: ModelPatcher | CLIP
    """A clone, which the patches go onto."""
    model: BaseModel | TextEncoder
    """The module whose state dict the targets name."""
    names: Mapping[str, Target]
    """Module name in adapter files -> target."""
    takes_text: bool
    sums: dict[Target, list[tuple[LowRank, float]]] = field(default_factory=lambda: defaultdict(list))
    """Plain LoRAs by target."""
    others: list[tuple[dict[Target, Any], float]] = field(default_factory=list)
    """Patches of other kinds with their weight, in order."""

    def weight_of(self, layer: _Layer) -> float:
        return layer.text_encoder_weight if self.takes_text else layer.weight

    def take(self, layer: _Layer, modules: set[str]) -> int:
        """Collect the patches for these modules of an adapter; gives how many of them have a place here."""
        wanted = {name: self.names[name] for name in modules & self.names.keys()}
        weight = self.weight_of(layer)
        taken = set()
        for names in _each_target_once(wanted):
            others = {}
            for target, patch in COMFY.load_lora(dict(layer.tensors), names, log_missing=False).items():
                update = _low_rank(patch)
                if update is None:
                    others[target] = patch
                elif _fits(update, self.shape(target)):
                    self.sums[target].append((update, weight))
                else:
                    continue
                taken.add(_module(target))
            if others:
                self.others.append((others, weight))
        return sum(_module(target) in taken for target in wanted.values())

    def shape(self, target: Target) -> tuple[int, ...]:
        """Of the weight, or of the slice, that a target names; empty if it isn't there."""
        key, cut = (target, None) if isinstance(target, str) else target[:2]
        try:
            shape = list(COMFY.get_attr(self.model, key).shape)
        except AttributeError:
            return ()
        if cut is not None:
            shape[cut[0]] = cut[2]
        return tuple(shape)

    def patch(self) -> int:
        """Add the patches to the clone, the sums first; gives how many weights they change."""
        sums = {target: _patch(target, joined(parts, device="cpu")) for target, parts in self.sums.items()}
        changed = set()
        for patches, weight in [(sums, 1.0), *self.others]:
            if patches:
                changed |= set(self.patcher.add_patches(patches, weight))
        return len(changed)


def with_stack(
    model: ModelPatcher | None, clip: CLIP | None, stack: Stack, files: Sequence[WeightedFile] = ()
) -> tuple[Any, Any, Report]:
    """Clones of a model and a text encoder that carry a stack.

    All plain LoRAs together become one patch for each weight that they change, computed in float32 like everything that
    ComfyUI patches. Adapters of other kinds follow as ComfyUI's own patches. Nothing is read or written.

    Args:
        model: the denoiser, if there is one.
        clip: the text encoders, if there are any.
        stack: may be empty.
        files: further adapters, of any kind that ComfyUI loads.

    Returns:
        The clones, ``None`` for what wasn't given, and what became of the stack.

    Raises:
        AdapterError: nothing of an adapter fits; it is named.
    """
    sides = list(_sides(model, clip))
    fits, warnings = [], []
    for layer in _layers(stack, files, {name for side in sides for name in side.names}):
        fit, told = _take(layer, sides)
        fits.append(fit)
        warnings += told
    weights = sum(side.patch() for side in sides)
    clones = {side.takes_text: side.patcher for side in sides}
    report = Report(fits=tuple(fits), weights=weights, warnings=tuple(warnings))
    return clones.get(False), clones.get(True), report


def _sides(model: ModelPatcher | None, clip: CLIP | None) -> Iterator[_Side]:
    if model is not None:
        names = COMFY.model_lora_keys_unet(model.model, {})
        yield _Side(patcher=model.clone(), model=model.model, names=names, takes_text=False)
    if clip is not None:
        encoder = clip.cond_stage_model
        yield _Side(patcher=clip.clone(), model=encoder, names=COMFY.model_lora_keys_clip(encoder, {}), takes_text=True)


def _layers(stack: Stack, files: Sequence[WeightedFile], known: set[str]) -> Iterator[_Layer]:
    for entry in stack.active():
        tensors = _named(entry.adapter, known)
        yield _Layer(entry.adapter.name, tensors, entry.weight, entry.text_encoder_weight)
    for file in files:
        tensors = COMFY.convert_lora(dict(file.file.tensors))
        yield _Layer(file.file.path.stem, tensors, file.weight, file.text_encoder_weight)


def _named(adapter: Adapter, known: set[str]) -> dict[str, Tensor]:
    """The adapter's own tensors, not copied, named in the style of which this model knows most names."""
    styles: list[KeyStyle] = [adapter.key_style, *get_args(KeyStyle)]
    names = max((stems(adapter.modules, style) for style in styles), key=lambda found: len(known & {*found.values()}))
    tensors = {}
    for key, name in names.items():
        update = adapter.modules[key]
        suffixes = KINDS.get(update.kind).suffixes
        parts = update.parts(alpha_apart=True)
        tensors |= {f"{name}{suffixes[part].kohya}": tensor for part, tensor in parts.items()}
    return COMFY.convert_lora(tensors)


def _take(layer: _Layer, sides: Sequence[_Side]) -> tuple[Fit, list[str]]:
    """Spread an adapter over the sides; gives what was left out, too."""
    modules = {_PART.sub("", name) for name in layer.tensors}
    text = {name for name in modules if name.startswith(_TEXT_ENCODER)}
    total = fitting = 0
    for side in sides:
        wanted = text if side.takes_text else modules - text
        if wanted and side.weight_of(layer):
            total += len(wanted)
            fitting += side.take(layer, wanted)
    if total and not fitting:
        raise _does_not_fit(layer, total, sides)
    warnings = []
    if fitting < total:
        warnings.append(f"{layer.name}: only {fitting} of its {total} modules fit this model; the rest is left out.")
    if text and layer.text_encoder_weight and not any(side.takes_text for side in sides):
        warnings.append(f"{layer.name} has a text-encoder part, left out since no CLIP is linked.")
    return Fit(layer.name, total, fitting), warnings


def _each_target_once(names: Mapping[str, Target]) -> list[dict[str, Target]]:
    """The names in as few groups as possible, since ComfyUI would keep only the last of two names for one target."""
    groups: list[dict[str, Target]] = []
    count: dict[Target, int] = defaultdict(int)
    for name, target in names.items():
        if count[target] == len(groups):
            groups.append({})
        groups[count[target]][name] = target
        count[target] += 1
    return groups


def _low_rank(patch: Any) -> LowRank | None:
    """A patch as one of our updates, if it is a plain LoRA."""
    if not isinstance(patch, COMFY.LoRAAdapter):
        return None
    up, down, alpha, *rest = patch.weights
    if any(part is not None for part in rest) or down.ndim < 2:
        return None
    return LowRank(down=down, up=up, alpha=float(down.shape[0] if alpha is None else alpha))


def _module(target: Target) -> Target:
    """What the patches of a weight and of its bias have in common."""
    return target.removesuffix(".weight").removesuffix(".bias") if isinstance(target, str) else target


def _fits(update: LowRank, shape: tuple[int, ...]) -> bool:
    """Whether the product of the factors can be added to a weight; a 1 x 1 kernel may be there or not."""
    return len(shape) > 1 and (len(update.up), update.down[0].numel()) == (shape[0], prod(shape[1:]))


def _patch(target: Target, update: LowRank) -> Any:
    """A patch of ComfyUI's. A target with more than one slice is turned before the patch is added."""
    turned = not isinstance(target, str) and len(target) > 2
    kind = COMFY.LoRAAdapter if turned else _in_place()
    return kind(set(), (update.up, update.down, update.alpha, None, None, None))


@cache
def _in_place() -> type[Any]:
    """ComfyUI's patch of a plain LoRA, without the two further tensors of the weight's size that it makes."""
    import torch

    class InPlaceLoRA(COMFY.LoRAAdapter):
        def calculate_weight(self, weight: Tensor, key: str, strength: float, *args: Any, **options: Any) -> Tensor:
            """The weight, changed in place where ComfyUI would add in the same dtype."""
            if weight.dtype != torch.float32 or not weight.is_contiguous():
                return super().calculate_weight(weight, key, strength, *args, **options)
            up, down = (COMFY.cast_to_device(p, weight.device, weight.dtype).flatten(1) for p in self.weights[:2])
            weight.flatten(1).addmm_(up, down, alpha=strength * self.weights[2] / len(down))
            return weight

    return InPlaceLoRA


def _does_not_fit(layer: _Layer, total: int, sides: Sequence[_Side]) -> AdapterError:
    known = [name for side in sides for name in side.names if name.startswith("lora_")]
    return AdapterError(
        f"The adapter {layer.name} doesn't fit this model: none of its {total} modules is there in the same shape.",
        expected=f"modules of this model, such as {', '.join(known[:2])}",
        hint="use the adapter with the family of base model that it was trained on.",
    )
