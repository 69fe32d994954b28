"""What an adapter is, as plain values for programs."""

from __future__ import annotations

from typing import Any

from .adapter import Adapter


def described(adapter: Adapter) -> dict[str, Any]:
    """Name, family, writer, kinds, ranks, alphas, trigger, content hash and metadata of an adapter, and more.

    Args:
        adapter: read from a file.
    """
    updates = adapter.modules.values()
    assert adapter.origin is not None
    return {
        "name": adapter.name,
        "family": adapter.family,
        "writer": adapter.origin.writer,
        "kinds": sorted({update.kind for update in updates}),
        "rank": adapter.rank,
        "ranks": sorted({update.rank for update in updates}),
        "alphas": sorted({float(update.alpha) for update in updates}),
        "scale": adapter.origin.scale,
        "notes": list(adapter.origin.notes),
        "modules": len(adapter.modules),
        "trigger": adapter.trigger,
        "content_hash": adapter.content_hash,
        "metadata": dict(sorted(adapter.metadata.items())),
    }
