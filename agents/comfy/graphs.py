"""What people wire by hand to draw and to train, as graphs in API format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..backend import DrawRequest, TrainRequest
from .bases import Base
from .server import Graph

PICTURES_AT_ONCE = 8
BASE, STACK, PROMPT, DRAWN, SAVED = "base model", "stack", "prompt", "pictures", "save"
DATASET, CAPTIONS, RECIPE, REASON = "data set", "captions", "recipe", "reason"
TRAINING, PICKED, ADAPTER = "agent's training", "snapshot", "save adapter"
"""Ids of nodes, which are their titles too."""


def drawing(request: DrawRequest, base: Base, folder: str) -> Graph:
    """Base model, *Stack*, *Prompt* with the trigger words, *Generate*, *Save Images*.

    Args:
        request: what to draw; its scene is one line.
        base: that it is drawn with.
        folder: below the output folder, for the pictures.
    """
    return {
        **_loaded(base),
        STACK: _node("LW_Stack", STACK, rows=request.rows),
        PROMPT: _node("LW_Prompt", PROMPT, prompt=request.scene, placement="start", stack=[STACK, 0]),
        DRAWN: _node(
            "LW_Generate", DRAWN, base=_link(base), stack=[PROMPT, 1], prompts=[PROMPT, 0], seed=request.seed,
            seeds_per_prompt=request.count, steps=request.steps or base.steps,
            guidance=request.guidance or base.guidance, negative_prompt=request.negative, width=request.width,
            height=request.height, batch_size=PICTURES_AT_ONCE,
        ),
        SAVED: _node("LW_SaveImages", SAVED, filename_prefix=f"{folder}/picture", batch=[DRAWN, 1]),
    }  # fmt: skip


def suggesting(request: TrainRequest, base: Base, dataset: str, settings: Mapping[str, Any]) -> Graph:
    """The graph of :func:`training` up to its recipe, which is shown.

    Args:
        request: what to train.
        base: that it is trained on.
        dataset: path of the pictures below ComfyUI's input folder.
        settings: of the recipe, that are chosen.
    """
    return {
        **_prepared(request, base, dataset, settings),
        REASON: _node("PreviewAny", REASON, source=[RECIPE, 1]),
    }


def training(request: TrainRequest, base: Base, dataset: str, settings: Mapping[str, Any]) -> Graph:
    """Data set, captions with the trigger word if there is one, recipe, training, pick of a snapshot, saved adapter.

    The arguments are those of :func:`suggesting`.
    """
    return {
        **_prepared(request, base, dataset, settings),
        TRAINING: _node(
            "LW_TrainLoRA", TRAINING, base=_link(base), dataset=_captioned(request), recipe=[RECIPE, 0],
            seed=request.seed, name=request.name,
        ),
        PICKED: _node("LW_PickSnapshot", PICKED, snapshots=[TRAINING, 4], by=request.keep, step=1),
        ADAPTER: _node("LW_SaveAdapter", ADAPTER, adapter=[PICKED, 0], filename=request.name, dtype="float16"),
    }  # fmt: skip


def _prepared(request: TrainRequest, base: Base, dataset: str, settings: Mapping[str, Any]) -> Graph:
    made: Graph = {
        **_loaded(base),
        DATASET: _node("LW_LoadDataset", DATASET, path=dataset, on_unreadable="skip"),
    }
    if request.trigger:
        made[CAPTIONS] = _node(
            "LW_TriggerCaptions", CAPTIONS, dataset=[DATASET, 0], trigger_word=request.trigger,
            class_word=request.class_word, template="a photo of {trigger} {class}", mode="prepend",
        )  # fmt: skip
    made[RECIPE] = _node(
        "LW_Recipe", RECIPE, dataset=_captioned(request), base=_link(base), goal=request.goal, quality=request.quality,
        settings="\n".join(f"{name} = {_written(value)}" for name, value in settings.items()),
    )  # fmt: skip
    return made


def _captioned(request: TrainRequest) -> list[Any]:
    return [CAPTIONS if request.trigger else DATASET, 0]


def _loaded(base: Base) -> Graph:
    if base.checkpoint is None:
        return {BASE: _node("LW_DemoCheckpoint", BASE)}
    loader = "checkpoint"
    return {
        loader: _node("CheckpointLoaderSimple", loader, ckpt_name=base.checkpoint),
        BASE: _node(
            "LW_BaseFromComfy", BASE, model=[loader, 0], clip=[loader, 1], vae=[loader, 2], precision="auto"
        ),
    }  # fmt: skip


def _link(base: Base) -> list[Any]:
    return [BASE, 3 if base.checkpoint is None else 0]


def _written(value: Any) -> str:
    """A setting's value as people write it into *Recipe*."""
    if isinstance(value, str):
        return "; ".join(value.splitlines())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_written, value))
    return json.dumps(value)


def _node(kind: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}
