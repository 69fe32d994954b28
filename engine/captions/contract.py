"""The contract of captioners: a description of one picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.fields import positive, raise_all
from ..core.hashing import file_hash, value_hash
from ..core.keys import content_key
from ..core.stamps import file_stamp

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class CaptionOptions:
    """How to describe. Each captioner uses the options that it names in ``Captioner.options``."""

    prompt: str = ""
    """The question, or the beginning of the caption; empty for the captioner's default."""
    max_tokens: int = 128
    """Longest caption, in tokens."""
    threshold: float = 0.35
    """Smallest probability of a tag, 0 to 1."""
    character_threshold: float = 0.85
    """The same for names of characters, for which taggers are overconfident."""

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
    """A captioning model in a folder. Its weights are loaded on first use and freed with the object."""

    kind: ClassVar[str]
    """Registered name, for display; code looks at ``options``."""
    options: ClassVar[frozenset[str]]
    """Names of the fields of ``CaptionOptions`` that affect its captions."""

    @classmethod
    @abstractmethod
    def recognizes(cls, folder: Path) -> bool:
        """Whether the folder holds a model of this kind, judged without loading weights."""

    def __init__(self, folder: Path, *, device: str = "auto", precision: str = "auto") -> None:
        """Open a folder without loading weights.

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
        """Describe a picture; the same picture and options give the same caption.

        Args:
            image: RGB, of any size.
            options: those not named in ``Captioner.options`` are ignored.

        Raises:
            CaptionerError: the model can't be loaded.
        """

    def key(self, content_hash: str, options: CaptionOptions) -> str:
        """Cache key for the caption of a picture with this content hash."""
        used: dict[str, Any] = {name: getattr(options, name) for name in sorted(self.options)}
        return content_key("caption", content_hash, self.content_hash, used)


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of the files in a folder; files are reread only if they have changed."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return _hash_of(tuple((str(path), *file_stamp(path)) for path in files))


@lru_cache(maxsize=8)
def _hash_of(stamps: tuple[tuple[Any, ...], ...]) -> str:
    return value_hash([[Path(path).name, file_hash(Path(path))] for path, *_ in stamps])
