"""Keys of everything that is computed once and kept. Each includes the version of the algorithm that computes it.

When the result for the same input changes, raise the version, so that results of the old algorithm are not reused.
``tests/golden.json`` has values of each version, and a test fails when they change and the version doesn't.
"""

from __future__ import annotations

from typing import Any, Literal

from .hashing import value_hash

Computation = Literal[
    "run", "slider", "whole model", "word", "latent", "weight", "embedding", "reaction", "caption", "class pictures",
    "learning rate", "held out", "figures", "early stop", "drawn", "picture losses",
]  # fmt: skip

VERSIONS: dict[Computation, int] = {
    "run": 2,
    "slider": 1,
    "whole model": 1,
    "word": 1,
    "latent": 2,
    "weight": 1,
    "embedding": 2,
    "reaction": 2,
    "caption": 2,
    "class pictures": 2,
    "learning rate": 1,
    "held out": 1,
    "figures": 1,
    "early stop": 1,
    "drawn": 1,
    "picture losses": 1,
}


def content_key(computation: Computation, *inputs: Any) -> str:
    """Key of the result of a computation on ``inputs``: plain values, and dataclasses of them."""
    return value_hash(computation, VERSIONS[computation], *inputs)
