"""transformers models in local folders: nothing is downloaded, no remote code runs, no pickle is read.

Their processor classes are not used: those of models that also take videos need torchvision, even for a picture. The
image processor and the tokenizer alone don't.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.devices import pick_device, pick_dtype
from ..core.errors import CaptionerError
from ..core.quiet import quiet
from ..core.words import first_of
from .contract import Captioner

if TYPE_CHECKING:
    import torch

OLDEST = (4, 56)
"""The first version of transformers that supports every model here without remote code."""


class HubCaptioner(Captioner):
    """A captioner loaded by transformers; a subclass names the model and says how to prompt it."""

    options = frozenset({"prompt", "max_tokens"})
    model_types: ClassVar[frozenset[str]]
    """Values of ``model_type`` in ``config.json``."""
    model_class: ClassVar[str]
    """A class of transformers, or one of its auto classes."""

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(config, dict) and config.get("model_type") in cls.model_types

    @cached_property
    def _parts(self) -> HubParts:
        return load_parts(self.folder, self.model_class, self._device, self._precision)


@dataclass(frozen=True)
class HubParts:
    """A model with its image processor and tokenizer."""

    model: Any
    images: Any
    """Turns RGB pictures into tensors."""
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype

    def pixels(self, image: Any) -> dict[str, torch.Tensor]:
        """The image processor's tensors on the model's device, floating-point ones in its dtype.

        Raises:
            CaptionerError: the processor refuses the picture, as Qwen-VL's does for aspect ratios over 200.
        """
        try:
            prepared = self.images(images=[image], return_tensors="pt")
        except ValueError as error:
            raise CaptionerError(
                f"A picture of {image.width} x {image.height} pixels can't be described: {error}.",
                expected="a picture with an ordinary aspect ratio",
                hint="crop it, or write its caption by hand.",
            ) from error
        return {
            name: value.to(self.device, self.dtype) if value.is_floating_point() else value.to(self.device)
            for name, value in prepared.items()
        }

    def generate(self, inputs: dict[str, Any], *, max_tokens: int, beams: int) -> list[int]:
        """The model's output tokens, by beam search without sampling."""
        import torch

        with torch.no_grad(), quiet():
            found = self.model.generate(**inputs, max_new_tokens=max_tokens, num_beams=beams, do_sample=False)
        return found[0].tolist()

    def text(self, tokens: list[int]) -> str:
        """Decode tokens to one line of text, without special tokens."""
        return " ".join(self.tokenizer.decode(tokens, skip_special_tokens=True).split())


def load_parts(folder: Path, model_class: str, device: str, precision: str) -> HubParts:
    """Load a model, its image processor and its tokenizer.

    Args:
        folder: has ``config.json``, weights as safetensors, and the files of image processor and tokenizer.
        model_class: a class of transformers, or one of its auto classes.
        device: as in ``load_base``.
        precision: as in ``load_base``.

    Raises:
        CaptionerError: transformers is too old, or a file is missing or damaged.
        BaseModelError: unknown device or precision.
    """
    import transformers
    from safetensors import SafetensorError

    _check_version(transformers.__version__)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    chosen = pick_device(device)
    try:
        with quiet():
            model, found = getattr(transformers, model_class).from_pretrained(
                folder, dtype="auto", use_safetensors=True, output_loading_info=True, **local
            )
            _refuse_gaps(found)
            images = transformers.AutoImageProcessor.from_pretrained(folder, **local)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
            dtype = pick_dtype(precision, chosen, sum(p.numel() for p in model.parameters()))
            model = model.to(chosen, dtype).eval().requires_grad_(False)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        AttributeError,
        ImportError,
        SafetensorError,
    ) as error:
        raise CaptionerError(
            f"{folder.name} can't be loaded: {textwrap.shorten(str(error), 300)}",
            expected="config.json, weights as .safetensors, preprocessor_config.json and the tokenizer's files, of a "
            "model that transformers supports without remote code",
            hint="download the model again with all of its files; nothing is downloaded here, and code that comes with "
            "a model isn't run.",
        ) from error
    return HubParts(model, images, tokenizer, chosen, dtype)


def _check_version(version: str) -> None:
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < OLDEST:
        raise CaptionerError(
            f"transformers {version} is too old for captioning.",
            expected=f"transformers {'.'.join(map(str, OLDEST))} or newer",
            hint="update it: pip install --upgrade transformers",
        )


def _refuse_gaps(found: dict[str, Any]) -> None:
    """transformers fills missing weights with random values, whose captions would be nonsense."""
    names = sorted(str(name) for kind in ("missing_keys", "mismatched_keys") for name in found.get(kind) or ())
    if names:
        raise ValueError(f"missing or mismatched weights: {first_of(names, 3)}")
