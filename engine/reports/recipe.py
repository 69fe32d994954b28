"""A recipe as the page shows it: by group, each setting with who suggests its value, or what it replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.fields import Setting as Declared
from ..core.fields import defaults_of, settings_of
from ..training.recipe import GROUPS
from .page import Group, Setting

Suggestions = Mapping[str, Sequence[Sequence[Any]]]
"""Name of a setting -> (value, source) of each suggestion, as ``training.suggestions.suggestions_for`` gives them."""


def recipe_groups(settings: Mapping[str, Any], suggestions: Suggestions) -> list[Group]:
    """The settings of a run by group. Those that this version doesn't know are in a group of their own.

    Args:
        settings: name -> value, as in ``lw.recipe``.
        suggestions: what is suggested for the base model; empty if that isn't known.
    """
    groups = []
    for cls in GROUPS.values():
        own, defaults = settings_of(cls), defaults_of(cls)
        shown = [
            _setting(name, settings[name], defaults[name], suggestions.get(name, ()), own[name])
            for name in own
            if name in settings
        ]
        groups.append(Group(title=cls.title, settings=shown))
    known = {name for cls in GROUPS.values() for name in settings_of(cls)}
    others = [Setting(name=name, value=_shown(settings[name])) for name in settings if name not in known]
    return [*groups, Group(title="Of another version", settings=others)] if others else groups


def _setting(name: str, value: Any, default: Any, suggested: Sequence[Sequence[Any]], declared: Declared) -> Setting:
    shown = f"{_shown(value)} {declared.unit}".strip()
    for other, source in suggested:
        if _plain(other) == _plain(value):
            return Setting(name=name, value=shown, source=source)
    if suggested:
        other, source = suggested[0]
        return Setting(name=name, value=shown, instead_of=f"{_shown(other)} suggested by {source}")
    if _plain(default) != _plain(value):
        return Setting(name=name, value=shown, instead_of=f"default {_shown(default)}")
    return Setting(name=name, value=shown)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ("\n" if value and isinstance(value[0], str) else ", ").join(map(str, value)) or "none"
    return str(value) or "none"
