"""The schemas of known nodes, each made once: some list folders."""

from __future__ import annotations

from .io import Schema
from .workflow import Registry


class Schemas:
    """Schemas by class.

    Args:
        registry: the known nodes.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[str, Schema] = {}

    def get(self, class_type: str) -> Schema | None:
        """The schema of a class, or ``None`` if it isn't known."""
        if class_type not in self._made and class_type in self._registry:
            self._made[class_type] = self._registry[class_type].GET_SCHEMA()
        return self._made.get(class_type)
