"""The metadata of an adapter file without what tells about its data set or its owner."""

from __future__ import annotations

import json
from collections.abc import Mapping

_KEPT = (
    *(f"lw.{key}" for key in ("version", "family", "prediction_type", "dataset_hash", "base_hash", "seed", "losses")),
    *(f"lw.{key}" for key in ("suggested_weight", "versions", "recipe", "dora_norms", "triggers", "verdict")),
    *(f"ss_{key}" for key in ("network_module", "network_dim", "network_alpha", "base_model_version", "learning_rate")),
    *(f"ss_{key}" for key in ("unet_lr", "text_encoder_lr", "max_train_steps", "steps", "epoch", "num_epochs")),
    *(f"ss_{key}" for key in ("batch_size_per_device", "num_train_images", "resolution", "seed", "output_name")),
    *(f"ss_{key}" for key in ("enable_bucket", "bucket_info", "clip_skip", "v2", "optimizer", "lr_scheduler")),
)
"""Numbers and kinds. Whatever isn't known to be one is left out: captions, names of files and folders, comments."""
_LEFT_OUT = ("modelspec.thumbnail", "modelspec.merged_from")
_OF_PARTS = ("hash", "file_hash", "weight", "text_encoder_weight", "kind")
_PROMPTS = "sample_prompts"
"""The setting of ``lw.recipe`` that has prompts."""


def private(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata without captions, names of pictures, folders and base models, prompts, pictures and workflows.

    What *modelspec* has is kept, since it is there to be published: title, trigger phrase, architecture.
    """
    found = {
        key: value
        for key, value in metadata.items()
        if key in _KEPT or (key.startswith("modelspec.") and key not in _LEFT_OUT)
    }
    if "lw.companions" in metadata:
        found["lw.companions"] = _without_names(metadata["lw.companions"])
    if "lw.merged" in metadata:
        found["lw.merged"] = _unnamed_parts(metadata["lw.merged"])
    if "lw.slider" in metadata:
        found["lw.slider"] = _range_alone(metadata["lw.slider"])
    if "lw.recipe" in found:
        found["lw.recipe"] = _without_prompts(found["lw.recipe"])
    return found


def _without_names(companions: str) -> str:
    try:
        return json.dumps([{key: one[key] for key in ("role", "weight", "hash")} for one in json.loads(companions)])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "[]"


def _unnamed_parts(merged: str) -> str:
    """How it was merged, and the hashes and weights of its parts."""
    try:
        facts = json.loads(merged)
        parts = [{key: part[key] for key in _OF_PARTS if key in part} for part in facts["parts"]]
        settings = {key: value for key, value in facts.items() if isinstance(value, (int, float))}
        return json.dumps({"method": str(facts["method"]), **settings, "parts": parts})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "{}"


def _range_alone(slider: str) -> str:
    """Sliders are known by this entry, so something of it stays."""
    try:
        return json.dumps({"range": json.loads(slider)["range"]})
    except (ValueError, TypeError, KeyError, RecursionError):
        return "{}"


def _without_prompts(recipe: str) -> str:
    try:
        settings = json.loads(recipe)
    except (ValueError, RecursionError):
        return "{}"
    kept = {name: value for name, value in settings.items() if name != _PROMPTS} if isinstance(settings, dict) else {}
    return json.dumps(kept, ensure_ascii=False)
