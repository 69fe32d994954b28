"""Prompts of different lengths in one batch.

Transformers attend to all tokens of a prompt, so padding would change what they predict. Prompts are kept with their
lengths, and those of one length go through the transformer together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .chunks import LENGTHS
from .contract import Conditioning

STATES = "states"
"""Name in the conditioning of the encoded tokens, shape (B, L, …)."""
MASK = "mask"
"""Name of what belongs to each of them, shape (B, L)."""
IDS = "ids"
"""Name of the prompts' tokens of a second tokenizer, shape (B, M), where the transformer reads them itself."""
_IDS_LENGTHS = "ids_lengths"
_LENGTHS: Mapping[str, str] = {STATES: LENGTHS, MASK: LENGTHS, IDS: _IDS_LENGTHS}
"""Name of what is cut to a length -> name of the lengths, shape (B,)."""


def with_length(conditioning: Conditioning) -> Conditioning:
    """The conditioning with the lengths of its prompts, which have none of the padding of others."""
    cut = {_LENGTHS[name]: tensor for name, tensor in conditioning.items() if name in (STATES, IDS)}
    counts = {name: own.new_full((len(own),), own.shape[1]).long() for name, own in cut.items()}
    return Conditioning(conditioning | counts)


def by_length(conditioning: Conditioning) -> Iterator[tuple[list[int], Conditioning]]:
    """(positions in the batch, their conditioning without padding) of the prompts of each length."""
    import torch

    measured = [name for name in (LENGTHS, _IDS_LENGTHS) if name in conditioning]
    of_prompts = list(zip(*(conditioning[name].tolist() for name in measured), strict=True))
    for lengths in sorted(set(of_prompts)):
        members = [place for place, own in enumerate(of_prompts) if own == lengths]
        picked = conditioning if len(members) == len(of_prompts) else conditioning.pick(torch.tensor(members))
        length = dict(zip(measured, lengths, strict=True))
        yield (
            members,
            Conditioning({
                name: own[:, : length[_LENGTHS[name]]] if name in _LENGTHS else own for name, own in picked.items()
            }),
        )  # fmt: skip
