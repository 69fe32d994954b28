"""Files of trained words (textual inversion), as ComfyUI, diffusers and AUTOMATIC1111's web UI have them.

With one text encoder there is one tensor, named after the word, as diffusers writes it; with CLIP-L and OpenCLIP-G
there are ``clip_l`` and ``clip_g``. All programs read these.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.headers import read_header
from ..core.errors import AdapterError
from ..core.storage import NameTakenError, numbered, save_with
from ..models.contract import Backbone
from ..models.word_embeddings import WordEmbedding

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
OWN = "lw.embedding"
"""Metadata field: the ``word``, and the ``hash`` of its vectors."""
_NAMES = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
"""Text encoder -> name of its tensor in files, where there are several."""
_MOST = 1000
"""Vectors of a word; CLIP reads 75 tokens at once."""


def save_embedding(embedding: WordEmbedding, path: Path, *, new: bool = False) -> WordEmbedding:
    """Write a word's vectors, float32, in place of any earlier file.

    Args:
        embedding: the word.
        path: of the file.
        new: replace nothing.

    Returns:
        The embedding with the file's metadata.

    Raises:
        NameTakenError: with ``new``, the file exists.
        StorageError: the disk is full, or the folder can't be written.
    """
    from safetensors.torch import save_file

    own = {"word": embedding.word, "hash": embedding.content_hash}
    metadata = {**embedding.metadata, OWN: json.dumps(own, ensure_ascii=False)}
    alone = len(embedding.vectors) == 1
    tensors = {embedding.word if alone else _NAMES[name]: vectors for name, vectors in embedding.vectors.items()}
    save_with(path, lambda file: save_file(tensors, file, metadata=metadata), new=new)
    return replace(embedding, metadata=metadata)


def keep_embedding(embedding: WordEmbedding, place: Path) -> tuple[Path, bool]:
    """Save to ``place.safetensors``, or ``place_00002.safetensors`` and so on if another one has the name.

    Returns:
        The file, and whether it was written now, rather than found with the same vectors.

    Raises:
        StorageError: the disk is full, or the folder can't be written.
    """
    for path in numbered(place.with_name(place.name + SUFFIX)):
        if not path.exists():
            with contextlib.suppress(NameTakenError):  # by another process, just now
                save_embedding(embedding, path, new=True)
                return path, True
        if _own(path).get("hash") == embedding.content_hash:
            return path, False
    raise AssertionError("unreachable: there is always another number")


def load_embedding(path: Path, base: Backbone, word: str = "") -> WordEmbedding:
    """Read a word's vectors for a base model.

    Args:
        path: a ``.safetensors`` file of this or another program.
        base: whose text encoders it is for.
        word: for prompts; empty for that of the file, or its name.

    Raises:
        AdapterError: the file is damaged or no embedding, or doesn't fit the base model.
    """
    from safetensors.torch import load_file

    metadata = read_header(path).metadata
    sizes = {name: vectors.shape[-1] for name, vectors in base.token_vectors("a").items()}
    if not sizes:
        raise unfit(base)
    tensors = load_file(str(path))
    vectors = _by_encoder(tensors, sizes)
    fit = vectors.keys() == sizes.keys() and all(_fits(vectors[name], sizes[name]) for name in sizes)
    if not fit or len({len(tensor) for tensor in vectors.values()}) != 1:
        raise AdapterError(
            f"{path.name} has no vectors for {base.info.name}: it holds {_shapes(tensors)}.",
            expected="as many vectors of " + " and ".join(f"{size} values for {name}" for name, size in sizes.items()),
            hint=f"choose an embedding that was trained for {base.info.traits.title}.",
        )
    return WordEmbedding(word=word.strip() or _own(path).get("word") or path.stem, vectors=vectors, metadata=metadata)


def unfit(base: Backbone) -> AdapterError:
    """What to say of a base model whose prompts can't have words with vectors of their own."""
    return AdapterError(
        f"{base.info.name or base.info.traits.title} takes no embeddings: it has text encoders other than CLIP's.",
        expected="a model of Stable Diffusion 1.x or XL's kind",
        hint="train an adapter, whose trigger word needs no vectors of its own.",
    )


def _by_encoder(tensors: Mapping[str, Tensor], sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """The tensors of a file by text encoder, (N, D), float32."""
    alone = len(sizes) == len(tensors) == 1  # then it has the name of the word, or another program's
    named = {name: next(iter(tensors)) if alone else _NAMES[name] for name in sizes}
    found = {name: tensors[own].float() for name, own in named.items() if own in tensors}
    return {name: vectors[None] if vectors.ndim == 1 else vectors for name, vectors in found.items()}


def _fits(vectors: Tensor, size: int) -> bool:
    as_long = vectors.ndim == 2 and vectors.shape[1] == size and 0 < len(vectors) <= _MOST
    return as_long and bool(vectors.isfinite().all())


def _shapes(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in [*tensors.items()][:4]) or "nothing"


def _own(path: Path) -> dict[str, str]:
    """What a file of ours says of its word; empty for others."""
    try:
        found: Any = json.loads(read_header(path).metadata.get(OWN, "{}"))
        return {key: value for key, value in found.items() if isinstance(value, str)}
    except (AdapterError, ValueError, AttributeError, RecursionError):
        return {}
