"""The parts of a base model, from a diffusers folder or a single-file checkpoint, offline.

Parts have the names that diffusers gives them: ``unet``, ``vae``, ``text_encoder``, ``tokenizer``, ``scheduler`` and so
on; the family lists its own. Each is read on request and not kept here, so that dropping a part frees its memory.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BaseModelError
from ..core.hashing import file_hash, value_hash
from ..core.quiet import quiet
from ..core.words import first_of
from .picture_processor import PictureProcessor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .family import Part

SAMPLERS = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
"""Schedulers that add no noise during sampling, so that equal seeds give equal pictures. DDIM replaces all others."""


def tensor_names(file: Path) -> frozenset[str]:
    """Names of the tensors in a safetensors file, from its header alone.

    Raises:
        BaseModelError: the file is truncated, or not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), "pt") as opened:
            return frozenset(opened.keys())
    except (SafetensorError, OSError) as error:
        raise BaseModelError(
            f"{file} can't be read: {error}.",
            expected="a complete .safetensors file",
            hint="it is damaged or its download was interrupted; download or copy it again.",
        ) from error


class Parts(ABC):
    """The parts of one base model."""

    name: str
    """File or folder name, for people."""
    folder: Path | None = None
    """The diffusers folder, if there is one."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = parts

    @abstractmethod
    def content_hash(self) -> str:
        """SHA-256 of all files that the parts are read from."""

    @abstractmethod
    def config(self, part: str) -> dict[str, Any]:
        """The configuration of a part."""

    @abstractmethod
    def load(self, part: str) -> Any:
        """Load a part. Modules are in evaluation mode and in the dtype of their files.

        Raises:
            BaseModelError: the part is damaged, or weights are missing.
        """

    def settings(self) -> dict[str, Any]:
        """What ``model_index.json`` says of the pipeline beside its parts."""
        return {}

    def empty(self, part: str) -> nn.Module:
        """A text encoder on the meta device, for the names and shapes of its layers."""
        import torch

        with torch.device("meta"), quiet():
            return _text_model(self._parts[part])(_text_config(self.config(part)))


class FolderParts(Parts):
    """The parts of a diffusers folder.

    Raises:
        BaseModelError: a part has no folder, no configuration or incomplete weights.
    """

    def __init__(self, folder: Path, parts: Mapping[str, Part]) -> None:
        super().__init__(parts)
        self.name, self.folder = folder.name, folder
        self._folder = folder
        for part in parts:
            with self._named(part):
                self._check(part)

    def _check(self, part: str) -> None:
        if not (self._folder / part).is_dir():
            raise FileNotFoundError(f"there is no folder {part}")
        if self._parts[part].prefix or self._parts[part].weights:
            read_config(self._folder, part)
            files = list((self._folder / part).glob("*.safetensors"))
            if not files:
                raise FileNotFoundError(f"{part} holds no .safetensors file")
            for file in files:
                tensor_names(file)

    def content_hash(self) -> str:
        files = sorted(file for part in self._parts for file in (self._folder / part).iterdir() if file.is_file())
        return value_hash([[file.relative_to(self._folder).as_posix(), file_hash(file)] for file in files])

    def config(self, part: str) -> dict[str, Any]:
        with self._named(part):
            return read_config(self._folder, part)

    def settings(self) -> dict[str, Any]:
        index = read_index(self._folder)
        return {name: value for name, value in index.items() if name not in self._parts and not name.startswith("_")}

    def load(self, part: str) -> Any:
        with self._named(part), quiet():
            kind = self._parts[part].kind
            if kind == "tokenizer":
                return _tokenizer(self._folder / part)
            if kind == "processor":
                return PictureProcessor.load(self._folder / part)
            if kind == "scheduler":
                return _scheduler(read_config(self._folder, part))
            if kind == "library" and not self._parts[part].weights:
                return _library_class(self._folder, part).from_pretrained(self._folder / part, local_files_only=True)
            kind_of_module = self._class(part)
            module, found = kind_of_module.from_pretrained(
                self._folder / part, local_files_only=True, use_safetensors=True, output_loading_info=True,
                **_as_in_files(kind_of_module, self._folder / part),
            )  # fmt: skip
            _refuse_gaps(found["missing_keys"])
            return module

    def _class(self, part: str) -> Any:
        if self._parts[part].kind == "library":
            return _library_class(self._folder, part)
        return _module_class(self._parts[part])

    def _named(self, part: str) -> contextlib.AbstractContextManager[None]:
        return _reporting(
            f"{self.name} has no usable {part}",
            expected=f"a folder {part} inside it, as saved by diffusers",
            hint="save or download the model again; nothing is downloaded here.",
        )


class CheckpointParts(Parts):
    """The parts of a single-file checkpoint, converted by diffusers.

    Args:
        path: the ``.safetensors`` file.
        parts: those of the family, with the prefixes of their tensors.
        config: folder with the configuration of each part and the tokenizers' files, laid out as a diffusers folder;
            checkpoints hold only weights.

    Raises:
        BaseModelError: the file is damaged, or has no weights for a part.
    """

    def __init__(self, path: Path, parts: Mapping[str, Part], config: Path) -> None:
        super().__init__(parts)
        self.name = path.stem
        self._path, self._config = path, config
        self._names = tensor_names(path)
        for name, part in parts.items():
            with self._named(name):
                there = any(tensor.startswith(part.prefix) for tensor in self._names)
                _refuse_gaps([] if there else [f"{part.prefix}*"])

    def content_hash(self) -> str:
        return file_hash(self._path)

    def config(self, part: str) -> dict[str, Any]:
        config = read_config(self._config, part)
        if part == "scheduler" and "v_pred" in self._names:
            # The weights don't tell the prediction type, so trainers mark it by empty tensors of these names, which
            # ComfyUI reads too.
            config |= {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
            if "ztsnr" in self._names:
                config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        return config

    def load(self, part: str) -> Any:
        with self._named(part), quiet():
            kind = self._parts[part].kind
            if kind == "tokenizer":
                return _tokenizer(self._config / part)
            if kind == "scheduler":
                return _scheduler(self.config(part))
            if kind in ("unet", "vae"):
                return _converted(self._parts[part], self.config(part), self._weights(part))
            return _converted_text_encoder(self._parts[part], self.config(part), self._weights(part))

    def _weights(self, part: str) -> dict[str, Tensor]:
        from safetensors import safe_open

        prefix = self._parts[part].prefix
        with safe_open(str(self._path), "pt") as file:
            return {name: file.get_tensor(name) for name in self._names if name.startswith(prefix)}

    def _named(self, part: str) -> contextlib.AbstractContextManager[None]:
        return _reporting(
            f"{self.name} has no usable {part}",
            expected="a complete checkpoint: UNet, text encoders and autoencoder in one file",
            hint="use the full checkpoint (not a pruned or inpainting one, and not an adapter), or a diffusers folder.",
        )


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """The configuration that diffusers or transformers saves with a part."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return json.loads((folder / part / name).read_text(encoding="utf-8"))


def read_index(folder: Path) -> dict[str, Any]:
    """What a diffusers folder says of itself: its pipeline, and the classes of its parts.

    Raises:
        OSError: it holds no index, or one that can't be read.
        ValueError: the index isn't JSON.
    """
    names = ("model_index.json", "modular_model_index.json")
    there = next((name for name in names if (folder / name).is_file()), names[0])
    return json.loads((folder / there).read_text(encoding="utf-8"))


def _library_class(folder: Path, part: str) -> Any:
    """The class that a folder's index names for a part, of diffusers or transformers."""
    library, name, *modular = read_index(folder)[part]
    if library is None and modular:
        library, name = modular[0]["type_hint"]
    if library not in ("diffusers", "transformers"):
        raise ValueError(f"its index wants {library}.{name}, and only diffusers and transformers are used")
    return getattr(importlib.import_module(library), name)


def _module_class(part: Part) -> Any:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    return {"unet": UNet2DConditionModel, "vae": AutoencoderKL}.get(part.kind) or _text_model(part)


def _as_in_files(kind: type, folder: Path) -> dict[str, Any]:
    """The option by which a class of diffusers leaves weights in their files' dtype, as transformers does by itself.

    In diffusers' own choice, float32, weights of 16 bits would be copied into twice the memory before they are used.
    """
    import torch
    from diffusers import ModelMixin
    from safetensors import safe_open

    if not issubclass(kind, ModelMixin):
        return {}
    stored = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(str(path), "pt") as file:
            stored |= {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - not a mapping
    halves = {"BF16": torch.bfloat16, "F16": torch.float16}
    return {"torch_dtype": halves[stored.pop()]} if len(stored) == 1 and stored <= halves.keys() else {}


def _text_model(part: Part) -> Any:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    return {"clip": CLIPTextModel, "clip_with_projection": CLIPTextModelWithProjection}[part.kind]


def _text_config(config: dict[str, Any]) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig.from_dict(config)


def _tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer. A folder with only settings names the folder whose vocabulary it shares."""
    from transformers import CLIPTokenizer

    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    shared = settings.get("shares_vocabulary_of")
    if shared is None:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return CLIPTokenizer.from_pretrained(folder / shared, local_files_only=True, pad_token=settings["pad_token"])


def _scheduler(config: dict[str, Any]) -> Any:
    import diffusers

    name = config.get("_class_name")
    if name not in SAMPLERS:
        name, config = "DDIMScheduler", {"set_alpha_to_one": False, **config}
    # Old folders have other values for these two, which diffusers' pipelines correct as well.
    return getattr(diffusers, name).from_config(config, steps_offset=1, clip_sample=False)


def _converted(part: Part, config: dict[str, Any], weights: dict[str, Tensor]) -> nn.Module:
    """UNet or autoencoder, created on the meta device, so that the weights are in memory only once."""
    import torch
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

    convert = {"unet": convert_ldm_unet_checkpoint, "vae": convert_ldm_vae_checkpoint}[part.kind]
    with torch.device("meta"):
        module = _module_class(part).from_config(config)
    _refuse_gaps(module.load_state_dict(convert(weights, config), strict=False, assign=True).missing_keys)
    return module.eval()


def _converted_text_encoder(part: Part, config: dict[str, Any], weights: dict[str, Tensor]) -> nn.Module:
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    if part.open_clip:
        from types import SimpleNamespace

        width = SimpleNamespace(config=SimpleNamespace(hidden_size=config["hidden_size"]))
        state = convert_open_clip_checkpoint(width, weights, prefix=part.prefix)
    else:
        state = {name.removeprefix(part.prefix): tensor for name, tensor in weights.items()}
    module, found = _text_model(part).from_pretrained(
        None,
        config=_text_config(config),
        state_dict=state,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    _refuse_gaps([*found["missing_keys"], *found["mismatched_keys"]])
    return module


def _refuse_gaps(missing: Iterable[Any]) -> None:
    """Refuse missing weights, which the libraries would initialize at random."""
    if names := sorted(map(str, missing)):
        raise ValueError(f"no fitting weights for {first_of(names, 3)}")


@contextlib.contextmanager
def _reporting(what: str, *, expected: str, hint: str) -> Iterator[None]:
    """Turn the libraries' errors about unusable files into one that a user can act on."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = textwrap.shorten(str(error), 300)
        raise BaseModelError(f"{what}: {reason}.", expected=expected, hint=hint) from error
