"""Families of base models, one file each."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from ..traits import Traits


def all_traits() -> list[Traits]:
    """The traits of every family and variant, by title."""
    modules = [import_module(f".{found.name}", __name__) for found in pkgutil.iter_modules(__path__)]
    found = {id(own): own for module in modules for own in vars(module).values() if isinstance(own, Traits)}
    return sorted(found.values(), key=lambda traits: traits.title.lower())
