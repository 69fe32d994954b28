"""Methods of one object that are something else for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def hiding(owner: object, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Within the block, an attribute of the object's own hides the method that its class has."""
    attributes = vars(owner)
    before = attributes.get(name)
    attributes[name] = function
    try:
        yield
    finally:
        if before is None:
            del attributes[name]
        else:
            attributes[name] = before
