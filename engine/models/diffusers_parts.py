"""The parts of a Stable Diffusion 1.x model, from a diffusers folder or a single-file checkpoint, offline.

Parts are called as diffusers calls them: ``unet``, ``vae``, ``text_encoder``, ``tokenizer`` and ``scheduler``. Each is
read when it is asked for and not kept here, so that whoever lets go of a part has its memory back.
"""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BaseModelError
from ..core.hashing import file_hash, value_hash
from ..core.quiet import quiet

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.transformer.",
}
"""Part with weights -> how the names of its tensors begin in a checkpoint."""

PARTS = (*PREFIXES, "tokenizer", "scheduler")

SAMPLERS = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
"""Schedulers whose steps draw no noise, so that equal seeds give equal pictures. DDIM stands in for all others."""


def tensor_names(file: Path) -> frozenset[str]:
    """Names of the tensors in a safetensors file, from its header alone.

    Raises:
        BaseModelError: the file is cut short, or of another format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), "pt") as opened:
            return frozenset(opened.keys())
    except (SafetensorError, OSError) as error:
        raise BaseModelError(
            f"{file} can't be read: {error}.",
            expected="a whole .safetensors file",
            hint="it is damaged or its download was cut short; download or copy it again.",
        ) from error


class FolderParts:
    """The parts of a diffusers folder.

    Raises:
        BaseModelError: a part has no folder, no configuration or no whole weights.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._folder = folder
        for part in PARTS:
            with self._named(part):
                self._check(part)

    def _check(self, part: str) -> None:
        if not (self._folder / part).is_dir():
            raise FileNotFoundError(f"there is no folder {part}")
        if part in PREFIXES:
            read_config(self._folder, part)
            files = list((self._folder / part).glob("*.safetensors"))
            if not files:
                raise FileNotFoundError(f"{part} holds no .safetensors file")
            for file in files:
                tensor_names(file)

    def content_hash(self) -> str:
        """SHA-256 over all files of the parts."""
        files = sorted(file for part in PARTS for file in (self._folder / part).iterdir() if file.is_file())
        return value_hash([[file.relative_to(self._folder).as_posix(), file_hash(file)] for file in files])

    def config(self, part: str) -> dict[str, Any]:
        """The configuration that a part is saved with."""
        with self._named(part):
            return read_config(self._folder, part)

    def load(self, part: str) -> Any:
        """A part; modules come in evaluation mode, in the number format of their files.

        Raises:
            BaseModelError: the part is damaged, or weights are missing.
        """
        with self._named(part), quiet():
            if part == "tokenizer":
                return _tokenizer(self._folder)
            if part == "scheduler":
                return _scheduler(read_config(self._folder, part))
            module, found = _module_class(part).from_pretrained(
                self._folder / part, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
            _refuse_gaps(found["missing_keys"])
            return module

    def _named(self, part: str) -> contextlib.AbstractContextManager[None]:
        return _reporting(
            f"{self.name} has no usable {part}",
            expected=f"a folder {part} inside it, as diffusers saves it",
            hint="save or download the model again; nothing is fetched from the network here.",
        )


class CheckpointParts:
    """The parts of a single-file checkpoint, which diffusers converts.

    Args:
        path: the ``.safetensors`` file.
        config: folder with the configuration of every part and the tokenizer's files, as in a diffusers folder;
            a checkpoint itself holds weights alone.

    Raises:
        BaseModelError: the file is damaged, or has no weights for a part.
    """

    def __init__(self, path: Path, config: Path) -> None:
        self.name = path.stem
        self._path, self._config = path, config
        self._names = tensor_names(path)
        for part, prefix in PREFIXES.items():
            with self._named(part):
                _refuse_gaps([] if any(name.startswith(prefix) for name in self._names) else [f"{prefix}*"])

    def content_hash(self) -> str:
        """SHA-256 of the file."""
        return file_hash(self._path)

    def config(self, part: str) -> dict[str, Any]:
        """The configuration that a part is made with."""
        config = read_config(self._config, part)
        if part == "scheduler" and "v_pred" in self._names:
            # Keys can't tell how a finetune of the same architecture was trained, so trainers leave empty tensors of
            # these names, as ComfyUI does.
            config |= {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
            if "ztsnr" in self._names:
                config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        return config

    def load(self, part: str) -> Any:
        """A part; modules come in evaluation mode, in the number format of the file.

        Raises:
            BaseModelError: weights are missing, or of another size than the configuration says.
        """
        with self._named(part), quiet():
            if part == "tokenizer":
                return _tokenizer(self._config)
            if part == "scheduler":
                return _scheduler(self.config(part))
            if part == "text_encoder":
                return _text_encoder(self._config, self._weights(part))
            return _converted(part, self.config(part), self._weights(part))

    def _weights(self, part: str) -> dict[str, Tensor]:
        from safetensors import safe_open

        with safe_open(str(self._path), "pt") as file:
            return {name: file.get_tensor(name) for name in self._names if name.startswith(PREFIXES[part])}

    def _named(self, part: str) -> contextlib.AbstractContextManager[None]:
        return _reporting(
            f"{self.name} has no usable {part}",
            expected="a whole Stable Diffusion 1.x checkpoint: UNet, text encoder and autoencoder in one file",
            hint="use the full checkpoint (not a pruned or inpainting one, and not an adapter), or a diffusers folder.",
        )


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """The JSON file that diffusers or transformers saves with a part."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return json.loads((folder / part / name).read_text(encoding="utf-8"))


def _module_class(part: str) -> Any:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    return {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}[part]


def _tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)


def _scheduler(config: dict[str, Any]) -> Any:
    import diffusers

    name = config.get("_class_name")
    if name not in SAMPLERS:
        name, config = "DDIMScheduler", {"set_alpha_to_one": False, **config}
    # Old folders carry other values of these two; diffusers' pipeline corrects them as well.
    return getattr(diffusers, name).from_config(config, steps_offset=1, clip_sample=False)


def _converted(part: str, config: dict[str, Any], weights: dict[str, Tensor]) -> nn.Module:
    """UNet or autoencoder. Made without weights of its own, so that memory holds them once."""
    import torch
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

    convert = {"unet": convert_ldm_unet_checkpoint, "vae": convert_ldm_vae_checkpoint}[part]
    with torch.device("meta"):
        module = _module_class(part).from_config(config)
    _refuse_gaps(module.load_state_dict(convert(weights, config), strict=False, assign=True).missing_keys)
    return module.eval()


def _text_encoder(folder: Path, weights: dict[str, Tensor]) -> nn.Module:
    from transformers import CLIPTextConfig

    module, found = _module_class("text_encoder").from_pretrained(
        None,
        config=CLIPTextConfig.from_pretrained(folder / "text_encoder", local_files_only=True),
        state_dict={name.removeprefix(PREFIXES["text_encoder"]): tensor for name, tensor in weights.items()},
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    _refuse_gaps([*found["missing_keys"], *found["mismatched_keys"]])
    return module


def _refuse_gaps(missing: Iterable[Any]) -> None:
    """The libraries fill what is missing with random weights; a base model must be whole."""
    names = sorted(map(str, missing))
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise ValueError(f"no fitting weights for {', '.join(names[:3])}{more}")


@contextlib.contextmanager
def _reporting(what: str, *, expected: str, hint: str) -> Iterator[None]:
    """Report whatever a library makes of unusable files as an error that a user can mend."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = textwrap.shorten(str(error), 300)
        raise BaseModelError(f"{what}: {reason}.", expected=expected, hint=hint) from error
