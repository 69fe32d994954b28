"""Embeddings of captions, cached by content."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..core.cache import TensorCache
from ..core.errors import TrainingError
from ..core.events import Event
from ..core.hashing import value_hash
from ..core.keys import content_key
from ..data.dataset import ImageRecord
from ..data.references import Reference
from ..data.views import View
from ..models.contract import Backbone, Conditioning
from .held import Budget, Held, LazyMapping

if TYPE_CHECKING:
    from torch import Tensor

Picture: TypeAlias = ImageRecord | Reference
Prompt: TypeAlias = tuple[str, tuple[Picture, View] | None]
"""A caption, with the picture that the text encoder sees."""
Shown: TypeAlias = Sequence[tuple[Picture, Sequence[View]]]
"""(picture, views of it), one per sample."""


def embed(
    backbone: Backbone,
    prompts: Mapping[str, Prompt],
    cache: TensorCache,
    adapted: str = "",
    budget: Budget | None = None,
) -> Generator[Event, None, Mapping[str, Conditioning]]:
    """Name -> conditioning of batch 1 on the CPU, encoded one by one, so that no prompt's padding depends on another.

    Args:
        backbone: the base model.
        prompts: name -> what is encoded.
        cache: of embeddings.
        adapted: content hash of the adapters that the text encoders carry, if there are any.
        budget: of memory; by default a share of what is free.
    """
    import torch

    def key_of(caption: str, picture: tuple[Picture, View] | None) -> str:
        seen = identity(*picture) if picture else ""
        return content_key("embedding", caption, backbone.info.content_hash, *filter(None, (seen, adapted)))

    keys = {name: key_of(*prompt) for name, prompt in sorted(prompts.items())}
    wanted = {keys[name]: prompts[name] for name in keys}

    def encoded(key: str) -> Conditioning:
        caption, picture = wanted[key]
        with torch.no_grad():
            return backbone.encode_prompts([caption], picture_batch([picture]) if picture else None)

    def encoded_again(key: str) -> Conditioning:
        if adapted:
            raise _lost(wanted[key][0])
        conditioning = encoded(key)
        backbone.release_encoders()
        return conditioning

    held = Held(cache, budget or Budget.of_free_memory(), encoded, encoded_again)
    yield from held.prepare(wanted, "encoding captions")
    return LazyMapping(keys, lambda key: Conditioning(held[key]))


def _lost(caption: str) -> TrainingError:
    """What to say when the text encoders no longer carry what they did when the caption was encoded."""
    return TrainingError(
        f"The embedding of the caption {caption[:60]!r} has been deleted or damaged during the run.",
        expected="caches that stay in the run store while a run goes on",
        hint="run again: it encodes the caption anew and goes on from the step that it had reached.",
    )


def prompts_of(captions: Sequence[Sequence[str]], seen: Shown | None) -> dict[str, Prompt]:
    """Name of the embedding -> what is encoded, for every caption and the empty one.

    Args:
        captions: of each sample.
        seen: the pictures before editing, if captions are encoded with them.
    """
    if seen is None:
        return {caption: (caption, None) for caption in {"", *(c for orders in captions for c in orders)}}
    return {
        with_picture(caption, identity(picture, view)): (caption, (picture, view))
        for orders, (picture, views) in zip(captions, seen, strict=True)
        for view in views
        for caption in ("", *orders)
    }


def identity(picture: Picture, view: View) -> str:
    """What tells a view of a picture apart."""
    return value_hash(picture.content_hash, view)


def with_picture(caption: str, picture: str) -> str:
    """The name of the embedding of a caption that is encoded with a picture."""
    return f"{picture}\n{caption}"


def picture_batch(pairs: Sequence[tuple[Picture, View]]) -> Tensor:
    """Views of one size as a batch (B, 3, H, W), float32 in [-1, 1]."""
    import numpy as np
    import torch

    arrays = [np.asarray(view.of(record.load()), dtype=np.float32) for record, view in pairs]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 127.5 - 1
