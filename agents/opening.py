"""Opens places: whoever serves agents asks for their catalog, and the worker for their backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import Backend, Catalog
    from .places import Place


def catalog_of(place: Place) -> Catalog:
    """What there is.

    Raises:
        BaseModelError: a base model is missing or of no known family.
    """
    from .catalog import EmbeddedCatalog

    return EmbeddedCatalog(place)


def backend_of(place: Place) -> Backend:
    """Where jobs are done."""
    from .embedded import EmbeddedBackend

    return EmbeddedBackend(place)
