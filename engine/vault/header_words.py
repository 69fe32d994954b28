"""What the header of an adapter's file says for people, by whichever program wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ..adapters.metadata import VERDICT
from ..adapters.triggers import trigger_sets
from .families import family_called
from .likely import likely_triggers
from .said import Said, first, phrases
from .values import mapping, number, text

_TRIGGERS = ("trigger_word", "trigger_words", "trigger", "activation_text", "activation text", "instance_prompt")
"""Fields that programs without a vocabulary of their own write."""
_FACTS = {
    "steps": ("ss_steps", "ss_max_train_steps", "step"),
    "epochs": ("ss_epoch", "ss_num_epochs", "epoch", "epochs"),
    "pictures": ("ss_num_train_images",),
    "learning rate": ("ss_unet_lr", "ss_learning_rate", "learning_rate"),
    "batch size": ("ss_total_batch_size", "ss_batch_size_per_device", "batch_size"),
    "resolution": ("ss_resolution", "modelspec.resolution", "resolution"),
    "optimizer": ("ss_optimizer",),
    "seed": ("ss_seed", "lw.seed"),
    "date": ("modelspec.date",),
    "comment": ("ss_training_comment",),
}
"""Fact of a training -> the fields that tell it, of which the first counts."""
_HASHES = ("modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash")


def said_in_header(metadata: Mapping[str, str], configs: Mapping[str, Mapping[str, Any]]) -> Said:
    """What a header says.

    Args:
        metadata: of the header.
        configs: peft's configurations beside the file.
    """
    settings = _settings(metadata)
    triggers = phrases(trigger_sets(metadata)) or phrases(settings.get(name) for name in _TRIGGERS)
    return Said(
        source="the header",
        triggers=triggers,
        likely=() if triggers or "lw.slider" in metadata else likely_triggers(metadata),
        family=_family(metadata, settings),
        base=_base(metadata, settings, configs),
        trained={
            fact: told for fact, names in _FACTS.items() if (told := first(text(settings.get(name)) for name in names))
        },
        verdict=text(metadata.get(VERDICT)),
        weight=number(metadata.get("lw.suggested_weight")),
        notes=first(text(metadata.get(f"modelspec.{name}")) for name in ("usage_hint", "description")),
        prompts=phrases(mapping(settings.get("lw.recipe")).get("sample_prompts") or ()),
        hashes={name: value.lower().removeprefix("0x") for name in _HASHES if (value := text(metadata.get(name)))},
    )


def _settings(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The metadata, and what OneTrainer and ai-toolkit keep in one field of them."""
    return {**mapping(metadata.get("ot_config")), **mapping(metadata.get("training_info")), **metadata}


def _family(metadata: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    def called() -> Iterator[str]:
        for name in ("modelspec.architecture", "ss_base_model_version", "model_type"):
            yield family_called(text(settings.get(name)))
        yield family_called(text(metadata.get("ss_network_module")).partition("networks.lora_")[2])

    return metadata.get("lw.family") or first(called())


def _base(metadata: Mapping[str, str], settings: Mapping[str, Any], configs: Mapping[str, Mapping[str, Any]]) -> str:
    told = [metadata.get("ss_sd_model_name"), settings.get("base_model_name"), settings.get("base_model")]
    named = first(map(text, [*told, *(config.get("base_model_name_or_path") for config in configs.values())]))
    path = PurePosixPath(named.replace("\\", "/"))
    known = path.suffix in (".safetensors", ".ckpt")
    return path.stem if known else named if len(path.parts) <= 2 else path.name
