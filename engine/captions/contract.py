"""What a captioner is asked: a description of one picture. Whoever asks sees nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.fields import positive, raise_all
from ..core.hashing import file_hash, value_hash
from ..core.keys import content_key

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class CaptionOptions:
    """How to describe. A captioner looks at those options that it names in ``options``."""

    prompt: str = ""
    """What it is asked, or the words that its captions begin with; empty takes the captioner's own."""
    max_tokens: int = 128
    """Pieces of words at which a sentence is cut off."""
    threshold: float = 0.35
    """Probability, 0 to 1, from which a tag is taken."""
    character_threshold: float = 0.85
    """The same for names of characters, which taggers are too sure of."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "max_tokens")
        problems += [
            f"{name}: got {getattr(self, name)!r}, expected a probability from 0 to 1"
            for name in ("threshold", "character_threshold")
            if not 0 <= getattr(self, name) <= 1
        ]
        raise_all(problems, "caption options")


class Captioner(ABC):
    """A captioning model in a folder. Its weights are loaded when they are first needed, and go when it goes."""

    kind: ClassVar[str]
    """Registered name. For people; code asks for ``options``."""
    options: ClassVar[frozenset[str]]
    """Names of the fields of ``CaptionOptions`` that change its captions."""

    def __init__(self, folder: Path, *, device: str = "auto", precision: str = "auto") -> None:
        """Look at the folder without loading weights.

        Args:
            folder: the model's files.
            device: as in ``load_base``.
            precision: as in ``load_base``.

        Raises:
            CaptionerError: a file is missing.
        """
        self.folder, self._device, self._precision = folder, device, precision
        self.content_hash = folder_hash(folder)

    @abstractmethod
    def caption(self, image: Image.Image, options: CaptionOptions) -> str:
        """Describe a picture; the same picture and options give the same words.

        Args:
            image: RGB, of any size.
            options: what isn't named in ``options`` of the class is left aside.

        Raises:
            CaptionerError: the model can't be loaded.
        """

    def key(self, content_hash: str, options: CaptionOptions) -> str:
        """Of the caption of a picture with this content hash, for caches."""
        used: dict[str, Any] = {name: getattr(options, name) for name in sorted(self.options)}
        return content_key("caption", content_hash, self.content_hash, used)


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of the files in a folder; read anew only after they have changed."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return _hash_of(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=8)
def _hash_of(stamps: tuple[tuple[str, int, int], ...]) -> str:
    return value_hash([[Path(path).name, file_hash(Path(path))] for path, _, _ in stamps])
