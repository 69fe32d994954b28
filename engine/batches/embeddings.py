"""Prompts, encoded once for all stacks that encode them alike."""

from __future__ import annotations

from collections.abc import Iterable

from ..generation.encoding import Encoded
from ..models.contract import Backbone

MOST = 1024
"""Prompts that are kept encoded."""


class SharedPrompts:
    """What a base model is told of each prompt, as long as stacks leave its text encoders alike.

    Args:
        backbone: the base model.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._words = ""
        self._known: set[str] = set()
        self._encoded = Encoded(backbone, 1.0)

    def encoded(self, words: str, prompts: Iterable[str]) -> Encoded:
        """Prompts, encoded with the stack that is applied. All at once, so that large text encoders and denoisers don't
        take turns in memory.

        Args:
            words: content hash of what the stack does to the text encoders.
            prompts: of the pictures that are drawn next.
        """
        wanted = set(prompts)
        if words != self._words or len(self._known | wanted) > MOST:
            self._words, self._known, self._encoded = words, set(), Encoded(self._backbone, 1.0)
        for prompt in sorted(wanted - self._known):
            self._encoded.conditioning([prompt], [None])
        self._known |= wanted
        return self._encoded
