"""Trainings that were stopped on request: their results count for this run of the graph alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..host import host, io

if TYPE_CHECKING:
    from ...engine.runs.running import Finished

_STOPS: Counter[str] = Counter()
"""Node id -> trainings of it that were stopped in this process."""


def stops_of(cls: type[io.ComfyNode]) -> int:
    """What a training node's ``fingerprint_inputs`` gives, so that ComfyUI runs it again after a stop. A run that is
    finished is then read from the run store.

    0 without ComfyUI: there :func:`unfinished` is enough, and the results of finished runs must stay known to other
    processes.
    """
    return _STOPS[cls.define_schema().node_id] if host().has_native else 0


def unfinished(trained: Finished, cls: type[io.ComfyNode]) -> dict[str, Any]:
    """The part of a training node's ``ui`` that says that its result isn't final, if the run was stopped; nothing else.

    Without ComfyUI, the results of this node and of those that depend on it aren't kept then.
    """
    if not trained.stopped:
        return {}
    _STOPS[cls.define_schema().node_id] += 1
    return {"lw_unfinished": [True]}
