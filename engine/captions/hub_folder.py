"""Models of transformers in local folders: nothing is downloaded, no code of theirs runs, no pickle is read.

Their processor classes are passed by: those of models that also watch videos need torchvision, even for a picture.
Image processor and tokenizer alone do without it.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.devices import pick_device, pick_dtype
from ..core.errors import CaptionerError
from ..core.quiet import quiet

if TYPE_CHECKING:
    import torch

OLDEST = (4, 56)
"""The first version of transformers that knows every model here without code of the models' own."""


@dataclass(frozen=True)
class HubParts:
    """A model with what prepares its inputs."""

    model: Any
    images: Any
    """Turns RGB pictures into tensors."""
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype

    def pixels(self, image: Any) -> dict[str, torch.Tensor]:
        """The image processor's tensors on the model's device, decimal ones in its number format.

        Raises:
            CaptionerError: the processor refuses the picture, as Qwen-VL's does where a side is 200 times the other.
        """
        try:
            prepared = self.images(images=[image], return_tensors="pt")
        except ValueError as error:
            raise CaptionerError(
                f"A picture of {image.width} x {image.height} pixels can't be described: {error}.",
                expected="a picture of ordinary proportions",
                hint="crop it, or write its caption by hand.",
            ) from error
        return {name: self._there(value) for name, value in prepared.items()}

    def _there(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self.device, self.dtype) if value.is_floating_point() else value.to(self.device)

    def generate(self, inputs: dict[str, Any], *, max_tokens: int, beams: int) -> list[int]:
        """The tokens that the model gives, without chance."""
        import torch

        with torch.no_grad(), quiet():
            found = self.model.generate(**inputs, max_new_tokens=max_tokens, num_beams=beams, do_sample=False)
        return found[0].tolist()

    def text(self, tokens: list[int]) -> str:
        """Tokens as one line of text, without special ones."""
        return " ".join(self.tokenizer.decode(tokens, skip_special_tokens=True).split())


def model_type(folder: Path) -> str:
    """What ``config.json`` calls the architecture; nothing where there is no such file."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def load_parts(folder: Path, model_class: str, device: str, precision: str) -> HubParts:
    """Load a model, its image processor and its tokenizer.

    Args:
        folder: with ``config.json``, weights as safetensors, and the processors' files.
        model_class: a class of transformers, or one of its automatic ones.
        device: as in ``load_base``.
        precision: as in ``load_base``.

    Raises:
        CaptionerError: transformers is too old, or a file is missing or damaged.
        BaseModelError: there is no such device or precision.
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
            "model that transformers knows by itself",
            hint="download the model again with all of its files; nothing is fetched from the network here, and no "
            "code that comes with a model is run.",
        ) from error
    return HubParts(model, images, tokenizer, chosen, dtype)


def _check_version(version: str) -> None:
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < OLDEST:
        raise CaptionerError(
            f"transformers {version} is too old to write captions.",
            expected=f"transformers {'.'.join(map(str, OLDEST))} or newer",
            hint="update it: pip install --upgrade transformers",
        )


def _refuse_gaps(found: dict[str, Any]) -> None:
    """transformers fills what is missing with random weights, which would describe nothing."""
    names = sorted(str(name) for kind in ("missing_keys", "mismatched_keys") for name in found.get(kind) or ())
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise ValueError(f"no fitting weights for {', '.join(names[:3])}{more}")
