"""The base models of a running ComfyUI: its checkpoints, and the demo base that comes with us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ...engine.core.errors import BaseModelError
from ...engine.core.words import did_you_mean, first_of
from .problems import lacks_us
from .server import NotThereError, Server

DEMO = "demo_base"
ROUTE = "/lora_workbench/bases"
_LOADER = "CheckpointLoaderSimple"
_SUFFIX = ".safetensors"
_AT_ONCE = 100
"""Names that one request asks about."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base model as ComfyUI loads it."""

    name: str
    """For agents: without suffix, with forward slashes."""
    checkpoint: str | None
    """As ComfyUI's loader lists it; ``None`` for the demo base, which has a node of its own."""
    family: str
    """Empty where the server doesn't know it."""
    steps: int
    """That it generates well with, as is guidance."""
    guidance: float


class Bases:
    """The base models of a server, asked for once. Thread-safe.

    Args:
        server: that has them.
        chosen: names of those that may be used, the usual one first; empty: all checkpoints, then the demo base.
    """

    def __init__(self, server: Server, chosen: Sequence[str] = ()) -> None:
        self._server, self._chosen = server, chosen
        self._known: dict[str, Base] = {}
        self._listed: tuple[str, ...] | None = None
        self._lock = Lock()

    def all(self) -> Mapping[str, Base]:
        """By name; those of files that were added since are asked for.

        Raises:
            ServerError: the server can't be reached, or lacks our extension.
            BaseModelError: it doesn't have one that was chosen.
        """
        listed = tuple(_checkpoints(self._server))
        with self._lock:
            if listed != self._listed:
                self._known, self._listed = _asked(self._server, listed), listed
            known = self._known
        if not self._chosen:
            return known
        return {base.name: base for base in (self._found(name, known) for name in self._chosen)}

    def find(self, name: str) -> Base:
        """A base model by its name; the usual one for an empty name.

        Raises:
            ServerError, BaseModelError: as :meth:`all`, or there is none of that name.
        """
        known = self.all()
        return self._found(name, known) if name else next(iter(known.values()))

    def _found(self, name: str, known: Mapping[str, Base]) -> Base:
        wanted = _short(name)
        if wanted not in known:
            raise BaseModelError(
                f"ComfyUI at {self._server.url} has no base model {name!r}{did_you_mean(wanted, known) or '.'}",
                expected=f"one of {first_of([*known], 12)}",
                hint="use one of these; checkpoints belong into ComfyUI's models/checkpoints.",
            )
        return known[wanted]


def _checkpoints(server: Server) -> list[str]:
    """The names that ComfyUI's loader of checkpoints lists."""
    told = server.get(f"/object_info/{_LOADER}").get(_LOADER, {})
    options = told.get("input", {}).get("required", {}).get("ckpt_name", [[]])
    listed = options[0] if isinstance(options[0], list) else options[1].get("options", [])
    return [name for name in listed if isinstance(name, str) and name.endswith(_SUFFIX) and name.isprintable()]


def _asked(server: Server, checkpoints: Sequence[str]) -> dict[str, Base]:
    names = [*checkpoints, DEMO]
    facts: list[Any] = []
    try:
        for start in range(0, len(names), _AT_ONCE):
            part = "\n".join(name.replace("\\", "/") for name in names[start : start + _AT_ONCE])
            facts += server.get(ROUTE, names=part)["bases"]
    except NotThereError as error:
        raise lacks_us("it has no LoRA Workbench, or an older one") from error
    return {
        _short(name): Base(
            name=_short(name), checkpoint=None if name == DEMO else name, family=own["family"], steps=own["steps"],
            guidance=own["guidance"],
        )
        for name, own in zip(names, facts, strict=True)
    }  # fmt: skip


def _short(name: str) -> str:
    return name.strip().replace("\\", "/").removesuffix(_SUFFIX)
