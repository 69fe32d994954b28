"""What the nodes of batches share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.core.errors import AdapterError
from ..host import host, io
from . import sockets
from .generation import seeds
from .inputs import lines, seed_input
from .vault import adapter_at

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.stack import Stack
    from ...engine.batches.drawn import DrawnBatch
    from ...engine.batches.jobs import Job
    from ...engine.batches.sweep import Sweep

MOST_BYTES = 2**28
"""Of pictures as a tensor."""
SUFFIX = ".safetensors"


def jobs_input(tooltip: str) -> io.Input:
    return sockets.Jobs.Input("jobs", optional=True, tooltip=tooltip)


def jobs_of(
    jobs: Sweep | None, stack: Stack | None, prompts: str, seed: int, seeds_per_prompt: int, **settings: Any
) -> tuple[list[Job], list[str]]:
    """(the jobs of a batch, what of the inputs isn't used).

    Args:
        jobs: what to vary.
        stack: adapters that all pictures have.
        prompts: one a line; not used where the jobs have their own.
        seed: of each prompt's first picture.
        seeds_per_prompt: consecutive ones.
        settings: of all pictures, as in ``Job``.
    """
    from ...engine.adapters.stack import Stack
    from ...engine.batches.jobs import Job
    from ...engine.batches.sweep import Sweep, all_jobs, remarks

    sweep, own = jobs or Sweep(), lines(prompts)
    settings["negative_prompt"] = settings["negative_prompt"].strip()
    made = all_jobs(sweep, Job(stack=stack or Stack(), **settings), own, seeds(seed, seeds_per_prompt))
    return made, remarks(sweep, own, seeds_per_prompt, settings["negative_prompt"])


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
