"""What the nodes of batches share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.core.errors import AdapterError
from ..host import host, io
from . import sockets
from .inputs import seed_input
from .vault import adapter_at

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.adapter import Adapter
    from ...engine.batches.drawn import DrawnBatch

MOST_BYTES = 2**28
"""Of pictures as a tensor."""
SUFFIX = ".safetensors"


def jobs_input(tooltip: str) -> io.Input:
    return sockets.Jobs.Input("jobs", optional=True, tooltip=tooltip)


def fixed_seed(inputs: Sequence[io.Input]) -> list[io.Input]:
    """Inputs of generation, with a seed that stays after a run, so that a batch that was interrupted can go on."""
    seed = seed_input(tooltip="Seed of each prompt's first picture, unless jobs vary it. It stays, so that queueing "
                      "again goes on with the same batch.")  # fmt: skip
    return [seed if one.id == "seed" else one for one in inputs]


def adapter_file(name: str) -> Path:
    """The file of an adapter that is written with or without its suffix, with either kind of slash.

    Raises:
        AdapterError: there is none.
    """
    if not name.endswith(SUFFIX):  # a folder of that name may be of anything
        with contextlib.suppress(AdapterError):
            return host().adapter_path(f"{name}{SUFFIX}")
    return host().adapter_path(name)


def adapter_named(name: str) -> Adapter:
    """The adapter of such a file.

    Raises:
        AdapterError: there is none, or it is damaged.
    """
    return adapter_at(adapter_file(name))


def as_images(batch: DrawnBatch) -> tuple[Tensor, str]:
    """(the batch's pictures as an IMAGE, what a person should know of it): the last ones of one size, if all are too
    many to be in memory at once."""
    from ...engine.batches.drawn import read
    from .pictures import to_tensor

    asked = ((batch.path_of(job), batch.picture_of(job)) for job in batch.plan.jobs)
    sizes = {path: (picture.width, picture.height) for path, picture in asked}
    paths = list(sizes)
    width, height = sizes[paths[-1]]
    alike = [path for path in paths if sizes[path] == (width, height)]
    kept = alike[-max(1, MOST_BYTES // (width * height * 12)) :]
    note = ""
    if len(kept) < len(paths):
        note = f"images: the last {len(kept)} of {len(paths)} pictures, of {width}x{height}; batch has all of them"
    return to_tensor([read(path) for path in kept]), note
