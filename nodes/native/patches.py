"""Our stacks on ComfyUI's models: as its own patches, one a weight however many LoRAs there are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from ...engine.adapters.kinds.summing import Part
from ...engine.adapters.names import KeyStyle, stems
from ...engine.adapters.stack import Stack, StackEntry, WeightedFile
from ...engine.core.errors import AdapterError
from .seam import CLIP, COMFY, BaseModel, ModelPatcher, TextEncoder
from .update_patches import Target, bias_of, bias_patch, patches_of

if TYPE_CHECKING:
    from torch import Tensor

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
    """One adapter by the names that this model has for modules."""

    name: str
    updates: Mapping[str, Part]
    """Module name -> update and its weight, which isn't 0, of an adapter of ours."""
    tensors: Mapping[str, Tensor]
    """Tensors as ComfyUI reads them, of a file that none of our kinds reads."""
    weight: float = 0.0
    """Of the tensors; so is the next one."""
    text_encoder_weight: float = 0.0

    def modules(self) -> set[str]:
        """Names of the modules that it changes."""
        return {*self.updates} | {_PART.sub("", name) for name in self.tensors}

    def has_text(self) -> bool:
        """Whether it changes text encoders."""
        counts = not self.tensors or self.text_encoder_weight
        return bool(counts) and any(name.startswith(_TEXT_ENCODER) for name in self.modules())


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
    parts: dict[Target, list[Part]] = field(default_factory=lambda: defaultdict(list))
    """Updates of our kinds by target, in the order of the stack."""
    others: list[tuple[dict[Target, Any], float]] = field(default_factory=list)
    """Patches that ComfyUI made of files, with their weight, in order."""
    lost_biases: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Adapter -> number of biases that it changes and that aren't there."""

    def weight_of(self, layer: _Layer) -> float:
        """Of the tensors of a file."""
        return layer.text_encoder_weight if self.takes_text else layer.weight

    def wanted(self, layer: _Layer) -> set[str]:
        """The modules of an adapter that have a weight here."""
        if layer.tensors and not self.weight_of(layer):
            return set()
        return {name for name in layer.modules() if name.startswith(_TEXT_ENCODER) == self.takes_text}

    def take(self, layer: _Layer, modules: set[str]) -> int:
        """Collect what these modules of an adapter change; gives how many of them have a place here."""
        wanted = {name: self.names[name] for name in modules & self.names.keys()}
        if layer.tensors:
            return self._take_patches(layer, wanted)
        taken = [name for name, target in wanted.items() if self._take_update(layer, name, target)]
        return len(taken)

    def _take_update(self, layer: _Layer, name: str, target: Target) -> bool:
        (update, weight), shape = layer.updates[name], self.shape(target)
        if not shape or not update.fits(shape):
            return False
        if update.bias is not None and self.shape(bias_of(target)) != tuple(update.bias.shape):
            self.lost_biases[layer.name] += 1
            update = update.with_bias(None)
        self.parts[target].append((update, weight))
        return True

    def _take_patches(self, layer: _Layer, wanted: dict[str, Target]) -> int:
        found = COMFY.load_lora(dict(layer.tensors), wanted, log_missing=False)
        if found:
            self.others.append((found, self.weight_of(layer)))
        taken = {_module(target) for target in found}
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
        """Add the patches to the clone, those of our kinds first; gives how many weights they change."""
        ours = {target: list(patches_of(target, parts)) for target, parts in self.parts.items()}
        for target, parts in self.parts.items():
            if (patch := bias_patch(parts)) is not None:
                ours[bias_of(target)] = [patch]
        rounds = [dict(zip(ours, column, strict=True)) for column in zip_longest(*ours.values())]
        changed = set()
        for patches, weight in [*((patches, 1.0) for patches in rounds), *self.others]:
            there = {target: patch for target, patch in patches.items() if patch is not None}
            changed |= set(self.patcher.add_patches(there, weight))
        return len(changed)


def with_stack(
    model: ModelPatcher | None, clip: CLIP | None, stack: Stack, files: Sequence[WeightedFile] = ()
) -> tuple[Any, Any, Report]:
    """Clones of a model and a text encoder that carry a stack.

    All LoRAs together become one patch for each weight that they change, computed in float32 like everything that
    ComfyUI patches. Other kinds have a patch each, in the order of the stack; files that none of our kinds reads follow
    as ComfyUI applies them. Nothing is read or written.

    Args:
        model: the denoiser, if there is one.
        clip: the text encoders, if there are any.
        stack: may be empty.
        files: further adapters, which ComfyUI reads.

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
    warnings += [
        f"{name} changes {count} biases that this model doesn't have; they are left out."
        for side in sides
        for name, count in side.lost_biases.items()
    ]
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
        yield _Layer(entry.adapter.name, _named(entry, known), {})
    for file in files:
        tensors = COMFY.convert_lora(dict(file.file.tensors))
        yield _Layer(file.file.path.stem, {}, tensors, file.weight, file.text_encoder_weight)


def _named(entry: StackEntry, known: set[str]) -> dict[str, Part]:
    """The updates that count, with their weights, by module name in the style of which this model knows most names."""
    adapter = entry.adapter
    styles: list[KeyStyle] = [adapter.key_style, *get_args(KeyStyle)]
    names = max((stems(adapter.modules, style) for style in styles), key=lambda found: len(known & {*found.values()}))
    # Files of Wan Fun have an underscore too many, as ComfyUI knows.
    return {
        name.replace("lora_unet__", "lora_unet_", 1): (adapter.modules[key], weight)
        for key, name in names.items()
        if (weight := entry.weight_for(key))
    }


def _take(layer: _Layer, sides: Sequence[_Side]) -> tuple[Fit, list[str]]:
    """Spread an adapter over the sides; gives what was left out, too."""
    total = fitting = 0
    for side in sides:
        wanted = side.wanted(layer)
        total += len(wanted)
        fitting += side.take(layer, wanted)
    if total and not fitting:
        raise _does_not_fit(layer, total, sides)
    warnings = []
    if fitting < total:
        warnings.append(f"{layer.name}: only {fitting} of its {total} modules fit this model; the rest is left out.")
    if layer.has_text() and not any(side.takes_text for side in sides):
        warnings.append(f"{layer.name} has a text-encoder part, left out since no CLIP is linked.")
    return Fit(layer.name, total, fitting), warnings


def _module(target: Target) -> Target:
    """What the patches of a weight and of its bias have in common."""
    return target.removesuffix(".weight").removesuffix(".bias") if isinstance(target, str) else target


def _does_not_fit(layer: _Layer, total: int, sides: Sequence[_Side]) -> AdapterError:
    known = [name for side in sides for name in side.names if name.startswith("lora_")]
    return AdapterError(
        f"The adapter {layer.name} doesn't fit this model: none of its {total} modules is there in the same shape.",
        expected=f"modules of this model, such as {', '.join(known[:2])}",
        hint="use the adapter with the family of base model that it was trained on.",
    )
