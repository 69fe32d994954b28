"""Stacks with weights by sampling step, or by place, on ComfyUI's models: by its hooks, which its samplers follow.

Hooks travel with prompts: a CLIP puts them on all that it encodes, as the node *Set CLIP Hooks* does. An adapter with a
schedule or a mask is a hook on the denoiser's weights, with a keyframe for each factor; all others are patches as ever.
They come after these, whatever their place in the stack, which matters only among kinds that aren't additive. Where
there are masks, the model has each prediction made once for each region, with the hooks of that region.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...engine.adapters.masks import Mask, counts, shares
from ...engine.adapters.stack import Stack, StackEntry, WeightedFile
from ...engine.core.errors import AdapterError
from .patches import Report, with_stack
from .seam import CLIP, COMFY, ModelPatcher

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.schedules import Schedule


def with_varying(
    model: ModelPatcher, clip: CLIP | None, stack: Stack, files: Sequence[WeightedFile] = ()
) -> tuple[Any, Any, Report]:
    """Clones of a model and a text encoder that carry a stack, as ``with_stack``; what varies in it goes with prompts.

    Args:
        model: the denoiser.
        clip: the text encoders, which all prompts are to be encoded with.
        stack: with schedules or masks.
        files: further adapters, which ComfyUI reads.

    Raises:
        AdapterError: there is no text encoder, or nothing of an adapter fits.
    """
    if clip is None:
        raise AdapterError(
            "The stack has schedules or masks, which go with prompts in ComfyUI, and no CLIP is linked.",
            expected="a CLIP, which all prompts are encoded with",
            hint="link clip, and encode all prompts with the clip that comes out.",
        )
    constant = Stack(tuple(_without_images(e) if e.steps or e.mask else e for e in stack.entries))
    patched, clip, report = with_stack(model, clip, constant, files)
    varying = [entry for entry in stack.active() if (entry.steps or entry.mask) and entry.weight]
    hooks = [(_hook(model, entry), entry.mask) for entry in varying]
    group = COMFY.HookGroup()
    for hook, _ in hooks:
        group.add(hook)
    clip.apply_hooks_to_conds = group.clone_and_combine(clip.apply_hooks_to_conds)  # type: ignore[union-attr]
    if stack.masks:
        patched.set_model_sampler_calc_cond_batch_function(_Regions(stack.masks, hooks))
    weights = report.weights + sum(len(hook.weights) for hook, _ in hooks)
    told = "Schedules and masks go with prompts: encode all of them, the negative too, with this CLIP."
    return patched, clip, replace(report, weights=weights, warnings=(*report.warnings, told))


def _without_images(entry: StackEntry) -> StackEntry:
    """What it does to text encoders alone."""
    return replace(entry, weight=0.0, steps=(), mask=None)


def _hook(model: ModelPatcher, entry: StackEntry) -> Any:
    """The hook of one adapter on the denoiser.

    Raises:
        AdapterError: nothing of it fits.
    """
    alone = replace(entry, steps=(), mask=None, text_encoder_weight=0.0)
    patched, _, _ = with_stack(model, None, Stack((alone,)))
    hook = COMFY.WeightHook()
    hook.weights, hook.need_weight_init = dict(_added(model, patched)), False
    hook.hook_keyframe = _keyframes(entry.steps)
    return hook


def _added(before: ModelPatcher, after: ModelPatcher) -> Iterator[tuple[Any, Any]]:
    """(target, patch) of what a clone has been given beyond the model that it is a clone of."""
    for key, patches in after.patches.items():
        for _, patch, _, offset, function in patches[len(before.patches.get(key, ())) :]:
            yield (key if offset is None and function is None else (key, offset, function)), patch


def _keyframes(steps: Schedule) -> Any:
    """A schedule as ComfyUI has it; before its first share the factor is 1.

    Keyframes needn't last a step: the one of a step's noise level counts.
    """
    group = COMFY.HookKeyframeGroup()
    for start, factor in steps if not steps or steps[0][0] == 0 else ((0.0, 1.0), *steps):
        group.add(COMFY.HookKeyframe(strength=factor, start_percent=start, guarantee_steps=0))
    return group


@dataclass
class _Regions:
    """Makes predictions of several regions one: a ``sampler_calc_cond_batch_function`` of ComfyUI."""

    masks: Sequence[Mask]
    hooks: Sequence[tuple[Any, Mask | None]]
    """Each hook with its mask; those without one, and hooks that aren't here, count everywhere."""
    _groups: dict[tuple[int, int], tuple[Any, Any]] = field(default_factory=dict)
    """(identity of a prompt's group of hooks, region) -> the group itself, and what of it counts there. ComfyUI keeps
    weights by group, so that they have to be the same ones at each step."""

    def __call__(self, arguments: Mapping[str, Any]) -> list[Tensor]:
        x = arguments["input"]
        parts: list[list[Tensor]] = []
        for region, share in enumerate(shares(self.masks, *x.shape[-2:])):
            if counts(share):
                own = self._predicted(arguments, region)
                parts.append([prediction * share.to(prediction.device) for prediction in own])
        return [_sum(regions) for regions in zip(*parts, strict=True)]

    def _predicted(self, arguments: Mapping[str, Any], region: int) -> list[Tensor]:
        conds = [own and [self._there(cond, region) for cond in own] for own in arguments["conds"]]
        names = ("model", "input", "sigma", "model_options")
        model, x, sigma, options = (arguments[name] for name in names)
        return COMFY.calc_cond_batch(model, conds, x, sigma, options)

    def _there(self, cond: Mapping[str, Any], region: int) -> dict[str, Any]:
        """A prompt with the hooks that count in a region."""
        hooks = cond.get("hooks")
        if hooks is None:
            return dict(cond)
        key = (id(hooks), region)
        if key not in self._groups:
            group = COMFY.HookGroup()
            for hook in hooks.hooks:
                mask = next((mask for known, mask in self.hooks if known == hook), None)
                if mask is None or (region and mask == self.masks[region - 1]):
                    group.add(hook)
            self._groups[key] = hooks, group
        return {**cond, "hooks": self._groups[key][1]}


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return sum(parts[1:], parts[0])
