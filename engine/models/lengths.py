"""Prompts of different lengths in one batch.

Transformers attend to all tokens of a prompt, so padding would change what they predict. Prompts are kept with their
lengths, and those of one length go through the transformer together.
"""

from __future__ import annotations

from collections.abc import Iterator

from .chunks import LENGTHS
from .contract import Conditioning

STATES = "states"
"""Name in the conditioning of the encoded tokens, shape (B, L, …)."""
MASK = "mask"
"""Name of what belongs to each of them, shape (B, L)."""


def with_length(conditioning: Conditioning) -> Conditioning:
    """The conditioning with the length of its prompts, which have none of the padding of others."""
    states = conditioning[STATES]
    lengths = states.new_full((len(states),), states.shape[1]).long()
    return Conditioning(conditioning | {LENGTHS: lengths})


def by_length(conditioning: Conditioning) -> Iterator[tuple[list[int], Conditioning]]:
    """(positions in the batch, their conditioning without padding) of the prompts of each length."""
    import torch

    lengths = conditioning[LENGTHS].tolist()
    for length in sorted(set(lengths)):
        members = [place for place, own in enumerate(lengths) if own == length]
        picked = conditioning if len(members) == len(lengths) else conditioning.pick(torch.tensor(members))
        yield (
            members,
            Conditioning({name: own[:, :length] if name in (STATES, MASK) else own for name, own in picked.items()}),
        )
