"""Metadata of adapter files, for other programs, for people and for reproducing the run.

There are three vocabularies: ``modelspec.*`` (Stability's model metadata standard 1.0.1), ``ss_*``, the fields of
kohya's trainer that other tools show, and our own ``lw.*``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from ..core.paths import portable

VERDICT = "lw.verdict"
"""The verdict on the snapshots of the run that an adapter was picked from, in words."""
_LOSS_POINTS = 200
_COMPANIONS = "lw.companions"
_EMBEDDINGS = "lw.embeddings"
_PREDICTION_TYPES = {"epsilon": "epsilon", "v_prediction": "v"}
_SS_BASE_VERSIONS = {
    "stable-diffusion-v1": "sd_v1",
    "stable-diffusion-v2-512": "sd_v2",
    "stable-diffusion-v2-768-v": "sd_v2",
    "stable-diffusion-xl-v1-base": "sdxl_base_v1-0",
}


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Facts about a finished run, as plain values."""

    name: str
    """Title of the adapter; its file's stem."""
    family: str
    architecture: str
    """modelspec name of the base's architecture without ``/lora``, for example ``stable-diffusion-v1``."""
    prediction_type: str
    """``epsilon``, ``v_prediction`` or ``flow``."""
    resolution: int
    """Side of the training pictures in pixels."""
    base_name: str
    base_hash: str
    dataset_name: str
    dataset_hash: str
    dataset: Sequence[Mapping[str, Any]]
    """The data set's manifest: ``name``, ``sha256``, ``caption`` and ``repeats`` of each picture."""
    lineage: str = ""
    """What the run store keeps the run under."""
    recipe: Mapping[str, Any]
    """All settings of the run by name, including rank, alpha, steps, batch size and learning rates."""
    rate_search: Mapping[str, Any] | None = None
    """How the learning rate was found, if it was searched for."""
    network_module: str = "networks.lora"
    """Kohya's name for the kind of adapter."""
    seed: int
    losses: Sequence[float]
    """One per step."""
    trigger: str = ""
    """The trigger phrase, for example ``ohwx fox``."""
    companions: Sequence[Mapping[str, Any]] = ()
    """The adapters that were on while it was trained: ``name``, ``role``, ``weight`` and ``hash`` of each."""
    embeddings: Mapping[str, str] = field(default_factory=dict)
    """Words that the base model had vectors of their own for -> content hashes of these."""
    suggested_weight: float = 1.0
    slider: Mapping[str, Any] | None = None
    """If the adapter is a slider: what it was trained on, and its ``range`` of weights."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Library name -> version."""
    date: str = ""
    """End of the run, ISO 8601."""
    workflow: str | None = None
    """The graph in the format of the canvas, JSON; ``None`` to leave it out."""
    prompt: str | None = None
    """The graph in the format of the server, JSON."""


def training_metadata(facts: RunFacts) -> dict[str, str]:
    """The metadata of the adapter's file. No value holds an absolute path."""
    metadata = {**_modelspec(facts), **_kohya(facts), **_own(facts)}
    for name, graph in (("workflow", facts.workflow), ("prompt", facts.prompt)):
        if graph:
            metadata[name] = json.dumps(portable(json.loads(graph)), ensure_ascii=False)
    return metadata


def _modelspec(facts: RunFacts) -> dict[str, str]:
    optional = {
        "modelspec.date": facts.date,
        "modelspec.prediction_type": _PREDICTION_TYPES.get(facts.prediction_type, ""),
        "modelspec.trigger_phrase": facts.trigger,
    }
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{facts.architecture}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": facts.name,
        "modelspec.resolution": f"{facts.resolution}x{facts.resolution}",
        **{key: value for key, value in optional.items() if value},
    }


def _kohya(facts: RunFacts) -> dict[str, str]:
    recipe = facts.recipe
    fields = {
        "ss_network_module": facts.network_module,
        "ss_network_dim": recipe["rank"],
        "ss_network_alpha": recipe["alpha"] * (sqrt(recipe["rank"]) if recipe.get("rank_stabilized") else 1),
        "ss_base_model_version": _SS_BASE_VERSIONS.get(facts.architecture, facts.architecture),
        "ss_sd_model_name": facts.base_name,
        "ss_learning_rate": recipe["learning_rate"],
        "ss_unet_lr": recipe["learning_rate"],
        "ss_max_train_steps": recipe["steps"],
        "ss_steps": len(facts.losses),
        "ss_batch_size_per_device": recipe["batch_size"],
        "ss_num_train_images": sum(int(record["repeats"]) for record in facts.dataset),
        "ss_resolution": f"({facts.resolution}, {facts.resolution})",
        "ss_seed": facts.seed,
        "ss_output_name": facts.name,
        "ss_tag_frequency": _json({facts.dataset_name: _tag_counts(facts.dataset)}),
    }
    if buckets := _buckets(facts.dataset):
        fields |= {"ss_enable_bucket": True, "ss_bucket_info": _json({"buckets": buckets})}
    if recipe.get("train_text_encoder"):
        fields["ss_text_encoder_lr"] = recipe["text_encoder_learning_rate"]
    return {key: str(value) for key, value in fields.items()}


def contexts(metadata: Mapping[str, str]) -> list[dict[str, Any]]:
    """The adapters that belong to the base model of this one, as in ``RunFacts.companions``; names may be missing."""
    try:
        companions = json.loads(metadata.get(_COMPANIONS, "[]"))
        return [
            {"name": str(found.get("name", "another adapter")), "weight": float(found["weight"]), "hash": found["hash"]}
            for found in companions
            if found["role"] == "context"
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []  # written by somebody else


def embeddings(metadata: Mapping[str, str]) -> dict[str, str]:
    """The words that belong to the prompts of an adapter, as in ``RunFacts.embeddings``."""
    try:
        found = json.loads(metadata.get(_EMBEDDINGS, "{}"))
        return {str(word): str(vectors) for word, vectors in found.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}  # written by somebody else


def families_of(family: str, metadata: Mapping[str, str]) -> set[str]:
    """All names that an adapter's family has in its metadata, in the vocabularies of several programs.

    Two adapters that have none in common are for different families.

    Args:
        family: of the adapter; may be empty.
        metadata: its header.
    """
    architecture = metadata.get("modelspec.architecture", "").removesuffix("/lora")
    version = metadata.get("ss_base_model_version", "")
    names = {family, metadata.get("lw.family", ""), architecture, version}
    names |= {_SS_BASE_VERSIONS[name] for name in names & _SS_BASE_VERSIONS.keys()}
    return names - {""}


def _own(facts: RunFacts) -> dict[str, str]:
    companions = {_COMPANIONS: _json(list(facts.companions))} if facts.companions else {}
    return {
        "lw.version": "1",
        "lw.family": facts.family,
        "lw.prediction_type": facts.prediction_type,
        "lw.recipe": _json(facts.recipe),
        "lw.dataset": _json(list(facts.dataset)),
        "lw.dataset_hash": facts.dataset_hash,
        "lw.base_hash": facts.base_hash,
        "lw.seed": str(facts.seed),
        "lw.losses": _json(thinned(facts.losses)),
        "lw.suggested_weight": str(facts.suggested_weight),
        "lw.versions": _json(facts.versions),
        **companions,
        **({"lw.lineage": facts.lineage} if facts.lineage else {}),
        **({_EMBEDDINGS: _json(facts.embeddings)} if facts.embeddings else {}),
        **({"lw.rate_search": _json(facts.rate_search)} if facts.rate_search else {}),
        **({"lw.slider": _json(facts.slider)} if facts.slider else {}),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=list)


def _tag_counts(dataset: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Number of occurrences of each comma-separated tag, as kohya counts them; most common first."""
    captions = (record.get("caption") or "" for record in dataset)
    tags = Counter(tag.strip() for caption in captions for tag in caption.split(",") if tag.strip())
    return dict(tags.most_common())


def _buckets(dataset: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sizes of the crops and their counts per epoch, in kohya's format; empty without crops."""
    counts: Counter[tuple[int, int]] = Counter()
    for record in dataset:
        for width, height in record.get("sizes", ()):
            counts[width, height] += int(record["repeats"])
    return {
        str(number): {"resolution": list(size), "count": count}
        for number, (size, count) in enumerate(sorted(counts.items()))
    }


def thinned(losses: Sequence[float], points: int = _LOSS_POINTS) -> list[list[float]]:
    """At most ``points`` pairs of step (from 1) and mean loss since the previous pair."""
    stretch = max(1, -(-len(losses) // points))
    ends = [*range(stretch, len(losses), stretch), len(losses)] if losses else []
    starts = [0, *ends]
    return [
        [end, float(f"{sum(losses[start:end]) / (end - start):.5g}")] for start, end in zip(starts, ends, strict=False)
    ]
