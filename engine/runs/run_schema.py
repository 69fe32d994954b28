"""The JSON Schema of run files, made from their declarations, for editors and programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from ..core.fields import Setting, Settings, defaults_of, settings_of
from ..training.recipe import GROUPS
from .run_file import OPTIONAL, REQUIRED, SECTIONS, RunSection

_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


def run_schema() -> dict[str, Any]:
    """The schema of a whole file, in the draft 2020-12 of JSON Schema."""
    sections = {name: _table(section) for name, section in SECTIONS.items()}
    for name, required in REQUIRED.items():
        sections[name]["required"] = list(required)
    groups = {name: _table(group) for name, group in GROUPS.items()}
    for group in list(groups.values()):  # defaults of recipes are suggested for the base model and the pictures
        for own in group["properties"].values():
            del own["default"]
    by_name = {name: own for group in groups.values() for name, own in group["properties"].items()}
    both = {name: {"anyOf": [by_name[name], groups[name]]} for name in by_name.keys() & groups.keys()}
    sections["recipe"]["properties"] |= by_name | groups | both
    whole = _table(RunSection)
    whole["properties"] |= sections
    required = [name for name in REQUIRED if name not in OPTIONAL]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A training of LoRA Workbench",
        **whole,
        "required": required,
    }


def _table(group: type[Settings]) -> dict[str, Any]:
    hints, defaults = get_type_hints(group), defaults_of(group)
    return {
        "type": "object",
        "description": " ".join((group.__doc__ or "").split()),
        "properties": {
            name: _setting(hints[name], declared, defaults[name]) for name, declared in settings_of(group).items()
        },
        "additionalProperties": False,
    }


def _setting(hint: Any, declared: Setting, default: Any) -> dict[str, Any]:
    unit = f" In {declared.unit}." if declared.unit else ""
    about: dict[str, Any] = {"description": declared.tooltip + unit}
    about["default"] = list(default) if isinstance(default, tuple) else default
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _value(get_args(hint)[0], declared), **about}
    if declared.words:
        return {"anyOf": [_value(hint, declared), {"enum": list(declared.words)}], **about}
    return {**_value(hint, declared), **about}


def _value(kind: Any, declared: Setting) -> dict[str, Any]:
    """The schema of a single value."""
    options: Mapping[str, Any] = {"enum": declared.options()} if declared.choices else {}
    bounds = {"minimum": declared.minimum, "exclusiveMinimum": declared.above, "maximum": declared.maximum}
    return {"type": _TYPES[kind], **options, **{name: bound for name, bound in bounds.items() if bound is not None}}
