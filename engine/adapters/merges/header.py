"""What the file of an adapter made of others says: what it was made of, and what calls it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import AdapterError
from ..adapter import Adapter
from ..files import HASH
from ..kinds import KINDS
from ..stack import StackEntry
from ..triggers import OWN

if TYPE_CHECKING:
    from torch import Tensor

MERGED = "lw.merged"
"""Metadata: JSON, the method, its settings and the parts with names, hashes and weights."""
_COMMON = (
    "modelspec.architecture",
    "modelspec.prediction_type",
    "modelspec.resolution",
    "ss_base_model_version",
    "ss_sd_model_name",
    "ss_sd_model_hash",
    "ss_v2",
    "lw.prediction_type",
    "lw.base_hash",
)
"""Facts that the whole has where no part says otherwise."""
_TAGS = "ss_tag_frequency"
_UNITED = ("lw.companions", "lw.embeddings")
"""JSON lists and objects: what belongs to one part belongs to the whole."""


class Made(NamedTuple):
    """How it was made."""

    method: str
    settings: Mapping[str, Any]


def merged_metadata(adapter: Adapter, entries: Sequence[StackEntry], made: Made) -> dict[str, str]:
    """The header of an adapter made of these.

    Its trigger phrase is that of all parts in their order, which calls everything; the trigger sets of the parts stay
    as further ones.
    """
    parts = [entry.adapter.metadata for entry in entries]
    phrases = list(dict.fromkeys(phrase for entry in entries for phrase in entry.phrases))
    sets = list(dict.fromkeys(phrase for entry in entries for phrase in _sets(entry)))
    told = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.implementation": "diffusers",
        **{key: value for key in _COMMON if (value := _agreed(key, parts))},
        "modelspec.title": adapter.name,
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "modelspec.merged_from": ", ".join(entry.adapter.name for entry in entries),
        "modelspec.trigger_phrase": ", ".join(phrases),
        "ss_output_name": adapter.name,
        _TAGS: _tags(parts),
        "lw.version": "1",
        "lw.family": adapter.family,
        "lw.suggested_weight": "1.0",
        **{key: value for key in _UNITED if (value := _united(key, parts))},
        OWN: _json(sets) if len(sets) > 1 else "",
        MERGED: _json({"method": made.method, **made.settings, "parts": [_part(entry) for entry in entries]}),
    }
    return {key: value for key, value in (told | network(adapter)).items() if value}


def network(adapter: Adapter) -> dict[str, str]:
    """Kohya's fields for the kind, the largest rank and alpha, as other programs show them; none without modules."""
    if not adapter.modules:
        return {}
    kinds = dict.fromkeys(update.kind for update in adapter.modules.values())
    kind = next((kind for kind in kinds if kind != "lora"), "lora")
    return {
        "ss_network_module": KINDS.get(kind).network_module,
        "ss_network_dim": str(adapter.rank),
        "ss_network_alpha": str(float(adapter.rank)),
    }


def words_of(entries: Iterable[StackEntry]) -> dict[str, Tensor]:
    """The trained words that the parts bring, which the whole brings too.

    Raises:
        AdapterError: two bring other vectors for one word.
    """
    found: dict[str, Tensor] = {}
    owner: dict[str, str] = {}
    for entry in entries:
        for name, tensor in entry.adapter.embeddings.items():
            if name in found and not (found[name].shape == tensor.shape and bool((found[name] == tensor).all())):
                raise AdapterError(
                    f"{owner[name]} and {entry.adapter.name} both bring the word {name}, with other vectors.",
                    expected="words that are the same in all adapters",
                    hint="leave one of the adapters out, or stack them without merging.",
                )
            found[name], owner[name] = tensor, entry.adapter.name
    return found


def _sets(entry: StackEntry) -> tuple[str, ...]:
    """The trigger phrases that a part brings: all of the adapter's, unless the stack says which."""
    return entry.adapter.triggers if entry.triggers is None else entry.triggers


def _part(entry: StackEntry) -> dict[str, Any]:
    adapter = entry.adapter
    told = {
        "name": adapter.name, "hash": adapter.content_hash, "file_hash": adapter.metadata.get(HASH, ""),
        "weight": entry.weight, "text_encoder_weight": entry.text_encoder_weight, "kind": adapter.description,
        "blocks": str(entry.blocks or ""), "triggers": list(_sets(entry)),
        "merged": _read(adapter.metadata.get(MERGED, "")),
    }  # fmt: skip
    return {key: value for key, value in told.items() if value not in ("", [], None)}


def _agreed(key: str, parts: Iterable[Mapping[str, str]]) -> str:
    """The value of a field that all parts have that have it at all; empty if they differ."""
    values = {part[key] for part in parts if part.get(key)}
    return values.pop() if len(values) == 1 else ""


def _tags(parts: Iterable[Mapping[str, str]]) -> str:
    """Data set -> tag -> count, of all parts."""
    found: dict[str, Counter[str]] = {}
    for part in parts:
        tables = _read(part.get(_TAGS, ""))
        for name, tags in tables.items() if isinstance(tables, dict) else ():
            if isinstance(tags, dict):
                counts = {str(tag): count for tag, count in tags.items() if isinstance(count, int)}
                found.setdefault(str(name), Counter()).update(counts)
    return _json({name: dict(tags.most_common()) for name, tags in found.items()}) if found else ""


def _united(key: str, parts: Iterable[Mapping[str, str]]) -> str:
    values = [value for part in parts if (value := _read(part.get(key, "")))]
    if all(isinstance(value, list) for value in values):
        items = [item for value in values for item in value]
        distinct = [item for place, item in enumerate(items) if item not in items[:place]]
        return _json(distinct) if distinct else ""
    if all(isinstance(value, dict) for value in values):
        return _json({name: item for value in values for name, item in value.items()})
    return ""


def _read(text: str) -> Any:
    """The JSON value of a text; ``None`` where there is none, or somebody else wrote something else."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
