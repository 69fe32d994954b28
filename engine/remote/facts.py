"""The metadata of an adapter from elsewhere: what our own adapters have, as far as it is known."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from ..adapters.adapter import Adapter
from ..adapters.kinds import KINDS
from ..adapters.metadata import RunFacts, training_metadata
from ..models import FAMILIES
from ..models.contract import BackboneInfo
from ..models.traits import Traits
from ..runs.train import versions
from .contract import PROVIDERS, Order
from .errands import Errand
from .jobs import Job

HOSTED = "lw.hosted"
"""Metadata field that says who trained it."""
_RATES = ("learning_rate", "lr")
_BATCHES = ("batch_size", "batchSize")
_UNKNOWN = ("lw.losses", "lw.base_hash", "lw.seed", "ss_seed", "ss_unet_lr", "ss_learning_rate")
"""Fields that only our own runs know; those that the order names are put back."""
_NOT_THEIRS = ("lw.", "workflow", "prompt")
"""Begins of fields that nobody else has a say in."""


def described(adapter: Adapter, errand: Errand, job: Job, info: BackboneInfo | None) -> Adapter:
    """The adapter with the metadata of one that was trained here; that of its file stays where ours says nothing.

    Args:
        adapter: as it came.
        errand: what was ordered.
        job: of the training.
        info: of the base model that it is for, if that is at hand.
    """
    order, dataset, name, graph = errand.order, errand.dataset, errand.name, errand.graph
    known = PROVIDERS.get(order.provider).trainer(order.trainer)
    traits = FAMILIES.get(known.family).traits if known.family else None
    family = known.family or (info.family if info else adapter.family)
    facts = RunFacts(
        name=name,
        family=family,
        architecture=_architecture(traits, info, adapter, family),
        prediction_type=_prediction(family, info),
        resolution=_resolution(order, traits, info),
        base_name=known.base or (info.name if info else ""),
        base_hash="",
        dataset_name=dataset.name,
        dataset_hash=dataset.content_hash,
        dataset=dataset.manifest(),
        recipe=_recipe(adapter, order, known.rate),
        network_module=KINDS.get(next(iter(adapter.modules.values())).kind).network_module,
        seed=0,
        losses=(),
        trigger=", ".join(f"{word.word} {word.class_word}".strip() for word in dataset.triggers),
        workflow=graph.workflow,
        prompt=graph.prompt,
        versions=versions(),
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    hosted = {"provider": order.provider, "trainer": order.trainer, "job": job.id, "price": job.price}
    told = {key: value for key, value in training_metadata(facts).items() if key not in _UNKNOWN}
    told |= {"ss_steps": str(order.steps), HOSTED: json.dumps(hosted), **_ordered(order, known.rate)}
    theirs = {key: value for key, value in adapter.metadata.items() if not key.startswith(_NOT_THEIRS)}
    return replace(adapter, name=name, family=family, metadata={**theirs, **told})


def _ordered(order: Order, rate: float | None) -> dict[str, str]:
    """What the order says of values that are otherwise unknown."""
    found = {}
    if (asked := _first(order, _RATES, rate)) is not None:
        found |= {"ss_learning_rate": str(asked), "ss_unet_lr": str(asked)}
    if "seed" in order.settings:
        found |= {"ss_seed": str(order.settings["seed"]), "lw.seed": str(order.settings["seed"])}
    return found


def _recipe(adapter: Adapter, order: Order, rate: float | None) -> dict[str, Any]:
    alphas = {float(update.alpha) for update in adapter.modules.values()}
    return {
        **order.settings,
        "rank": adapter.rank,
        "alpha": max(alphas),
        "steps": order.steps,
        "batch_size": _first(order, _BATCHES, 1),
        "learning_rate": _first(order, _RATES, rate),
    }


def _first(order: Order, names: tuple[str, ...], otherwise: Any) -> Any:
    return next((order.settings[name] for name in names if name in order.settings), otherwise)


def _architecture(traits: Traits | None, info: BackboneInfo | None, adapter: Adapter, family: str) -> str:
    told = adapter.metadata.get("modelspec.architecture", "").removesuffix("/lora")
    return told or (traits.architecture if traits else info.architecture if info else family)


def _prediction(family: str, info: BackboneInfo | None) -> str:
    if info:
        return info.prediction_type
    return "epsilon" if family in ("sd1", "sdxl") else "flow" if family else ""


def _resolution(order: Order, traits: Traits | None, info: BackboneInfo | None) -> int:
    """The side of training pictures, as far as one number says it."""
    asked = order.settings.get("resolution")
    if isinstance(asked, int):
        return asked
    return traits.resolution if traits else info.resolution if info else 1024
