"""Keys of everything that is computed once and kept. Each holds the version of what computes it.

Whoever changes what comes out for the same input raises the version: results of the old algorithm then no longer count.
``tests/golden.json`` has the values of each version, and a test that fails when values change and the version doesn't.
"""

from __future__ import annotations

from typing import Any, Literal

from .hashing import value_hash

Computation = Literal["run", "latent", "embedding", "reaction", "caption", "class pictures"]

VERSIONS: dict[Computation, int] = {
    "run": 1,
    "latent": 1,
    "embedding": 1,
    "reaction": 1,
    "caption": 1,
    "class pictures": 1,
}


def content_key(computation: Computation, *inputs: Any) -> str:
    """The key of what a computation makes of ``inputs``: plain values, and dataclasses of them."""
    return value_hash(computation, VERSIONS[computation], *inputs)
