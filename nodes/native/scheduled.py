"""Stacks with weights by sampling step on ComfyUI's models: by its hooks, which its samplers follow.

Hooks travel with prompts: a CLIP puts them on all that it encodes, as the node *Set CLIP Hooks* does. An adapter with a
schedule is a hook on the denoiser's weights, with a keyframe for each factor; all others are patches as ever. They come
after these, whatever their place in the stack, which matters only among kinds that aren't additive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...engine.adapters.stack import Stack, StackEntry, WeightedFile
from ...engine.core.errors import AdapterError
from .patches import Report, with_stack
from .seam import CLIP, COMFY, ModelPatcher

if TYPE_CHECKING:
    from ...engine.adapters.schedules import Schedule


def with_schedules(
    model: ModelPatcher, clip: CLIP | None, stack: Stack, files: Sequence[WeightedFile] = ()
) -> tuple[Any, Any, Report]:
    """Clones of a model and a text encoder that carry a stack, as ``with_stack``; its scheduled part goes with prompts.

    Args:
        model: the denoiser.
        clip: the text encoders, which all prompts are to be encoded with.
        stack: with schedules.
        files: further adapters, which ComfyUI reads.

    Raises:
        AdapterError: there is no text encoder, or nothing of an adapter fits.
    """
    if clip is None:
        raise AdapterError(
            "The stack has weights by sampling step, which ComfyUI knows from prompts, and no CLIP is linked.",
            expected="a CLIP, which all prompts are encoded with",
            hint="link clip, and encode all prompts with the clip that comes out.",
        )
    constant = Stack(tuple(replace(e, weight=0.0, steps=()) if e.steps else e for e in stack.entries))
    patched, clip, report = with_stack(model, clip, constant, files)
    hooks = COMFY.HookGroup()
    weights = report.weights
    for entry in stack.active():
        if entry.steps and entry.weight:
            hook = _hook(model, entry)
            weights += len(hook.weights)
            hooks.add(hook)
    clip.apply_hooks_to_conds = hooks.clone_and_combine(clip.apply_hooks_to_conds)  # type: ignore[union-attr]
    told = "Weights by sampling step go with prompts: encode all of them, the negative too, with this CLIP."
    return patched, clip, replace(report, weights=weights, warnings=(*report.warnings, told))


def _hook(model: ModelPatcher, entry: StackEntry) -> Any:
    """The hook of one adapter on the denoiser.

    Raises:
        AdapterError: nothing of it fits.
    """
    alone = replace(entry, steps=(), text_encoder_weight=0.0)
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
    for start, factor in steps if steps[0][0] == 0 else ((0.0, 1.0), *steps):
        group.add(COMFY.HookKeyframe(strength=factor, start_percent=start, guarantee_steps=0))
    return group
