"""Duplicates in a data set: a perceptual hash selects candidate pairs, the similarity of features decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .signature import Signature, mirrored_shape

SAME = 0.945
"""Similarity from which two pictures are the same one, rescaled, mirrored or compressed."""
_SAME_SHAPE, _SIMILAR_TONE = 0.988, 0.55
"""With shapes this similar, different tones mean that the colors were changed."""
_NEAR_HASH = 20
"""Largest number of different bits, of 63, between candidates; about 31 differ by chance."""
_ROWS, _PAIRS = 256, 512


def duplicate_groups(signatures: Sequence[Signature]) -> list[list[int]]:
    """Groups of two or more pictures that are the same, by index, ordered by their first members."""
    leader = list(range(len(signatures)))

    def first(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    for one, other in _same_pairs(signatures):
        low, high = sorted((first(one), first(other)))
        leader[high] = low
    groups: dict[int, list[int]] = {}
    for number in range(len(signatures)):
        groups.setdefault(first(number), []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def similarity(one: Signature, other: Signature) -> float:
    """Similarity of two pictures, mirrored or not: 1 for the same picture, below 0.75 for others of the same kind."""
    tones, shapes = _compared(_Features([one]), _Features([other]))
    return float(((tones + shapes) / 2)[0])


class _Features:
    """Vectors of several pictures, one per row."""

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self.tone = np.stack([s.tone for s in signatures])
        self.shape = np.stack([s.shape for s in signatures])

    def at(self, numbers: np.ndarray) -> _Features:
        part = object.__new__(_Features)
        part.tone, part.shape = self.tone[numbers], self.shape[numbers]
        return part


def _same_pairs(signatures: Sequence[Signature]) -> Iterator[tuple[int, int]]:
    if not signatures:
        return
    features = _Features(signatures)
    for pairs in _candidate_pairs(signatures):
        for start in range(0, len(pairs), _PAIRS):
            one, other = pairs[start : start + _PAIRS].T
            tones, shapes = _compared(features.at(one), features.at(other))
            same = ((tones + shapes) / 2 >= SAME) | ((shapes >= _SAME_SHAPE) & (tones >= _SIMILAR_TONE))
            yield from zip(one[same].tolist(), other[same].tolist(), strict=True)


def _compared(one: _Features, other: _Features) -> tuple[np.ndarray, np.ndarray]:
    """Cosine similarity of tones and of shapes, for each row, mirrored or not, whichever is more similar."""
    found = []
    for tone, shape in (
        (other.tone, other.shape),
        (other.tone[:, :, ::-1], mirrored_shape(other.shape)),
    ):
        tones = np.einsum("nij,nij->n", one.tone, tone, dtype=np.float32, optimize=True)
        shapes = np.einsum("nijk,nijk->n", one.shape, shape, dtype=np.float32, optimize=True)
        found.append((tones, shapes))
    (tones, shapes), (mirrored_tones, mirrored_shapes) = found
    straight = tones + shapes >= mirrored_tones + mirrored_shapes
    return np.where(straight, tones, mirrored_tones), np.where(straight, shapes, mirrored_shapes)


def _candidate_pairs(signatures: Sequence[Signature]) -> Iterator[np.ndarray]:
    """Pairs (N, 2) of indices of pictures with similar hashes, the smaller index first, in blocks of rows."""
    bits = np.array([s.bits for s in signatures], np.uint64)
    mirrored = np.array([s.mirrored_bits for s in signatures], np.uint64)
    for start in range(0, len(bits), _ROWS):
        rows = bits[start : start + _ROWS, None]
        near = (_bit_count(rows ^ bits) <= _NEAR_HASH) | (_bit_count(rows ^ mirrored) <= _NEAR_HASH)
        one, other = np.nonzero(near)
        pairs = np.stack([one + start, other], axis=1)
        yield pairs[pairs[:, 0] < pairs[:, 1]]


def _bit_count(words: np.ndarray) -> np.ndarray:
    """Number of bits set in each 64-bit word."""
    return _BITS[np.ascontiguousarray(words).view(np.uint8)].reshape(*words.shape, 8).sum(axis=-1, dtype=np.uint8)


_BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
