r"""How strong an adapter was trained to be, where its file says so elsewhere than in alpha tensors.

peft and diffusers keep :math:`\alpha` and r in a configuration, by patterns of modules' names; the scale is
:math:`\alpha / r`, or :math:`\alpha / \sqrt r` with *rslora* (Kalajdzievski 2023, arXiv:2312.03732).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import AdapterError

DIFFUSERS_KEY = "lora_adapter_metadata"
"""Metadata field of diffusers' files, JSON: the configurations of all components."""
_COMPONENTS = {
    "unet": "denoiser",
    "transformer": "denoiser",
    "text_encoder": "text_encoder",
    "text_encoder_2": "text_encoder_2",
}
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga", "mica")
"""Initializations of peft that also change the base model's weights."""
_LONGEST_PATTERN = 500
_EXPLOSIVE = re.compile(r"\([^()]*[+*}][^()]*\)\s*[+*{]")
"""A repeated group that repeats something: matching may take forever."""


@dataclass(frozen=True)
class Declared:
    """What a configuration says about one component."""

    config: Mapping[str, Any]
    source: str
    """Where it stands, in words."""

    @property
    def unscaled(self) -> bool:
        """Whether its kind has no scale, as rotations."""
        return self.config.get("peft_type") in ("OFT", "BOFT")

    def scale_of(self, path: str, rank: int | None) -> float:
        """The factor of one module's update.

        Args:
            path: of the module inside the component, with dots.
            rank: of its factors; ``None`` where these don't tell.

        Raises:
            AdapterError: the configuration says nothing usable, or belongs to another file.
        """
        said = self._number("rank_pattern", "r", path)
        alpha = self._number("alpha_pattern", "lora_alpha" if "lora_alpha" in self.config else "alpha", path)
        if rank is not None and rank != said:
            raise AdapterError(
                f"{self.source} says rank {said:g} for {path}, but its factors have rank {rank}.",
                expected="the configuration that was saved with this adapter",
                hint="put the adapter and its own configuration together again.",
            )
        if not (said > 0 and math.isfinite(said) and math.isfinite(alpha)):
            raise self._unusable(f"rank {said:g} and alpha {alpha:g} for {path}")
        return alpha / (math.sqrt(said) if self.config.get("use_rslora") else said)

    def _number(self, patterns: str, default: str, path: str) -> float:
        found = self.config.get(patterns) or {}
        if not isinstance(found, Mapping):
            raise self._unusable(f"{patterns}: {found!r}")
        value = next((v for pattern, v in found.items() if self._matches(pattern, path)), self.config.get(default))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._unusable(f"{default}: {value!r}")
        return float(value)

    def _matches(self, pattern: str, path: str) -> bool:
        """Whether a pattern means a module, by peft's rule: the end of its path, from any level on."""
        if len(pattern) > _LONGEST_PATTERN or _EXPLOSIVE.search(pattern):
            raise self._unusable(f"the pattern {pattern[:_LONGEST_PATTERN]!r}")
        try:
            return re.match(rf"(.*\.)?({pattern})$", path) is not None
        except re.error as error:
            raise self._unusable(f"the pattern {pattern!r} ({error})") from error

    def _unusable(self, what: str) -> AdapterError:
        return AdapterError(
            f"{self.source} has {what[:_LONGEST_PATTERN]}.",
            expected="a rank above 0 and an alpha, for all modules or by patterns of their names",
            hint="save or download the adapter again, with its configuration.",
        )


def declared_in(metadata: Mapping[str, str], configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Declared]:
    """Component -> what was declared about it; the empty component stands for all others.

    Args:
        metadata: of the file's header.
        configs: component's name in diffusers, or nothing, -> peft's configuration beside the file.

    Raises:
        AdapterError: a declaration is damaged, or the base model must be changed too.
    """
    found = {_COMPONENTS.get(name, ""): Declared(config, "adapter_config.json") for name, config in configs.items()}
    if DIFFUSERS_KEY in metadata:
        found |= _diffusers(metadata[DIFFUSERS_KEY])
    for declared in found.values():
        _refuse_changed_base(declared)
    return found


def _diffusers(text: str) -> dict[str, Declared]:
    source = f"{DIFFUSERS_KEY} in the header"
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ValueError("it isn't a JSON object")
    except (ValueError, RecursionError) as error:
        raise AdapterError(
            f"{source}, which says how strong the adapter is, can't be read: {error}.",
            expected="JSON, as diffusers writes it",
            hint="save or download the adapter again.",
        ) from error
    configs: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        prefix, dot, rest = name.partition(".")
        component, key = (_COMPONENTS[prefix], rest) if dot and prefix in _COMPONENTS else ("", name)
        configs.setdefault(component, {})[key] = value
    return {component: Declared(config, source) for component, config in configs.items()}


def _refuse_changed_base(declared: Declared) -> None:
    start = declared.config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGES_BASE):
        raise AdapterError(
            f"{declared.source} says that training began with {start}, which changes the base model's weights too.",
            expected="an adapter for the base model as it is",
            hint="convert it when saving: peft's save_pretrained with path_initial_model_for_weight_conversion.",
        )


def kohya_alpha(metadata: Mapping[str, str], ranks: Iterable[int]) -> float | None:
    """``ss_network_alpha`` of a file without alpha tensors, where all modules have the rank it was said for.

    Raises:
        AdapterError: it was said for another rank than some modules have, and differs from that.
    """
    try:
        alpha, rank = float(metadata["ss_network_alpha"]), float(metadata["ss_network_dim"])
    except (KeyError, ValueError):
        return None
    if not (math.isfinite(alpha) and math.isfinite(rank)) or alpha == rank:
        return None
    if others := sorted({own for own in ranks if own != rank}):
        raise AdapterError(
            f"The header says alpha {alpha:g} for rank {rank:g}, but there are modules of rank {others[0]}, "
            "and no alpha tensors.",
            expected="an alpha for each module",
            hint="save or resize the adapter again with a program that keeps the alphas.",
        )
    return alpha
