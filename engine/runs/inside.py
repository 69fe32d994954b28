"""What is inside the base model while a run trains: companions, and on top of them the adapter in training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..adapters import companions, inject
from ..adapters.applying import applied
from ..adapters.frozen import Frozen
from ..adapters.inject import Injection
from ..adapters.stack import Stack
from ..core.seeds import derived_seed
from ..generation.encoding import Encoded
from ..training.sizes import sizes_of, trained_kind
from ..training.targets import targets_of
from .companions import begin_with_companion
from .key import Run
from .samples import sample_pictures, slider_samples

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn


@contextlib.contextmanager
def injected(run: Run) -> Iterator[Injection]:
    """The adapter in training, with the first values of the run.

    These follow from module names that all backbones of a family share, or from the companion that it starts from.
    """
    base, settings = run.base, run.recipe.adapter
    components = trained_components(run)
    with inject.injected(
        trained_kind(settings), components, targets_of(base, settings), rank=settings.rank, alpha=settings.alpha,
        seed=derived_seed(run.seed, "adapter"), common_name=lambda key: base.file_parts(key)[0][0],
        size_of=sizes_of(base, settings),
    ) as injection:  # fmt: skip
        _refuse_unsplittable(run, injection)
        begin_with_companion(run, injection)
        yield injection


def _refuse_unsplittable(run: Run, injection: Injection) -> None:
    """Refuse, before the first step, fused layers that this kind can't be cut into the parts of in files.

    Raises:
        AdapterError: as said.
    """
    fused = {key: parts for key in injection.keys if len(parts := run.base.file_parts(key)) > 1}
    updates = injection.result() if fused else {}
    for key, parts in fused.items():
        for _, rows in parts:
            updates[key].rows(rows)


def beside(run: Run) -> contextlib.AbstractContextManager[Frozen]:
    """The companions of the run on the components that are trained; gives those that are on while training only."""
    return companions.beside(run.base, run.bound_companions, trained_components(run), run.base.dtype)


def on_text_encoders(run: Run, stack: Stack) -> contextlib.AbstractContextManager[None]:
    """A stack on text encoders that aren't trained, whose layers carry nothing else."""
    trained = run.recipe.adapter.train_text_encoder
    return applied(run.base, Stack() if trained else companions.text_part(stack))


def adapted_by(stack: Stack) -> str:
    """Content hash of what a stack has for text encoders; empty if that is nothing."""
    text = companions.text_part(stack)
    return text.content_hash if text.entries else ""


def samples_of(run: Run, training_only: Frozen, trainee: Any, encoded: Encoded | None) -> list[tuple[str, Image.Image]]:
    """Labeled sample pictures of the adapter in training, as it will be used: without what is on while training only.

    Sliders are shown at both ends and off. Encoders and autoencoder are released again, unless they are trained.
    """
    samples, dataset = run.recipe.samples, run.dataset
    with training_only.off(), on_text_encoders(run, run.bound_companions.context):
        if run.slider:
            pictures = slider_samples(run.base, samples, dataset, trainee, encoded)
        else:
            pictures = sample_pictures(run.base, samples, dataset, encoded)
    if not run.recipe.adapter.train_text_encoder:
        run.base.release_encoders()
    return pictures


def encoded_once(run: Run) -> Encoded | None:
    """Keeps the sample prompts of a run; ``None`` where they are encoded each time: the text encoder is trained, or
    sees the picture before editing."""
    if run.recipe.adapter.train_text_encoder or run.dataset.has_pairs:
        return None
    return Encoded(run.base, run.base.info.generation.reference_guidance)


def trained_components(run: Run) -> dict[str, nn.Module]:
    """Component -> module, of those that are trained."""
    return run.base.load_components() if run.recipe.adapter.train_text_encoder else {"denoiser": run.base.denoiser}
