"""The tokenizers of a base model, which need none of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chunks import MARKS

if TYPE_CHECKING:
    from .diffusers_parts import Parts
    from .family import Family


class ClipTokenizers:
    """The tokenizers of a family's CLIP text encoders.

    Args:
        parts: the parts of the base model.
        family: its family.

    Raises:
        BaseModelError: a tokenizer is missing or damaged.
    """

    def __init__(self, parts: Parts, family: Family) -> None:
        loaded = [parts.load(name) for name, part in family.parts.items() if part.kind == "tokenizer"]
        self.by_encoder = dict(zip(family.text_encoders, loaded, strict=True))
        self.lengths = {name: parts.config(name).get("max_position_embeddings", 77) for name in family.text_encoders}
        """Text encoder -> tokens that it reads at once, with start and end."""

    def tokenize(self, text: str) -> dict[str, list[str]]:
        """Text encoder -> tokens of ``text``, without start and end."""
        found = {}
        for name, tokenizer in self.by_encoder.items():
            ids = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
            found[name] = [token.removesuffix("</w>") for token in tokenizer.convert_ids_to_tokens(ids)]
        return found

    @property
    def chunk_lengths(self) -> dict[str, int]:
        """Text encoder -> tokens that it reads at once, without start and end."""
        return {name: length - MARKS for name, length in self.lengths.items()}
