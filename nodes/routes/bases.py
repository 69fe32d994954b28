"""What base models are, by their files' headers: of which family, and what they generate well with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.errors import BaseModelError
from ...engine.core.lru import LRU
from ..host import host
from ..kit.files import stamp_of
from .table import MOST_AT_ONCE, PREFIX, Answer, Asked, Route, json_answer

if TYPE_CHECKING:
    from pathlib import Path

    from ...engine.models.traits import Traits

_KNOWN: LRU[dict[str, Any]] = LRU(1000)


def bases(asked: Asked) -> Answer:
    """Family, resolution, steps and guidance of the base models ``names``, a line each, in their order; the family is
    empty for one that isn't there, or of none that is known, and the other values are the usual ones."""
    names = asked.query.get("names", "").split("\n")[:MOST_AT_ONCE]
    return json_answer({"bases": [{"name": name, **_facts(name)} for name in names]})


def _facts(name: str) -> dict[str, Any]:
    try:
        path = host().model_path(name)
        return _KNOWN.get(path, lambda: _read(path), stamp_of(path))
    except BaseModelError:
        return _usual()


def _read(path: Path) -> dict[str, Any]:
    from ...engine.models.declarations import declarations

    traits = _traits(path)
    declared = declarations(path if path.is_dir() else None, traits.generation)
    return {
        "family": traits.name,
        "title": traits.title,
        "resolution": declared.resolution or traits.resolution,
        "steps": declared.generation.steps,
        "guidance": declared.generation.guidance,
    }


def _traits(path: Path) -> Traits:
    """Of a base model that we load ourselves, or that ComfyUI recognizes.

    Raises:
        BaseModelError: it is of no family that is known.
    """
    from ...engine.models.registry import family_of

    try:
        return family_of(path).traits
    except BaseModelError:
        if not host().has_native or path.is_dir():
            raise
        return host().native().traits_of_file(path)


def _usual() -> dict[str, Any]:
    from ...engine.models.traits import GenerationDefaults

    usual = GenerationDefaults()
    return {"family": "", "title": "", "resolution": 0, "steps": usual.steps, "guidance": usual.guidance}


ROUTES = [Route("GET", f"{PREFIX}bases", bases)]
