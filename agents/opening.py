"""Opens places: whoever serves agents asks for their catalog, and the worker for their backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..headless.workflow import Registry
    from .backend import Backend, Catalog
    from .places import Place


def catalog_of(place: Place) -> Catalog:
    """What there is.

    Raises:
        BaseModelError: a base model is missing or of no known family.
    """
    if place.server:
        from .comfy.catalog import ComfyCatalog

        return ComfyCatalog(place.server, place.bases)
    from .catalog import EmbeddedCatalog

    return EmbeddedCatalog(place)


def backend_of(place: Place) -> Backend:
    """Where jobs are done."""
    if place.server:
        from .comfy.backend import ComfyBackend

        return ComfyBackend(place.server, place.bases)
    from .embedded import EmbeddedBackend

    return EmbeddedBackend(place)


def nodes_of(place: Place) -> Registry:
    """The nodes that workflows may have there.

    Raises:
        ConfigError: the address of a server can't be used.
    """
    if place.server:
        from .comfy.server import Server
        from .comfy.stock import ServersNodes

        return ServersNodes(Server(place.server))
    from ..nodes import registry

    return registry()
