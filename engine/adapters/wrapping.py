"""Layers whose ``forward`` is replaced for a while; replacements may be nested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Wrapped:
    """The layers that one owner has replaced the ``forward`` of."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, Any]] = []

    def put(self, layer: Any, forward: Callable[..., Any]) -> None:
        """Replace the ``forward`` of a layer."""
        self._before.append((layer, vars(layer).get("forward")))
        layer.forward = forward

    def remove(self) -> None:
        """Give every layer back the ``forward`` that it had; those who came later must have gone."""
        while self._before:
            layer, before = self._before.pop()
            if before is None:
                del layer.forward
            else:
                layer.forward = before
