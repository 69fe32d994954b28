"""Everything we use of ComfyUI to work on its models: the one place below ``nodes/native/`` that touches its modules.

Protocols say which attributes and methods of ComfyUI's objects we rely on, so that pyright checks our use of them.
:class:`Foreign` attributes stand for ComfyUI's functions and classes. They are looked up when they are used, so a
ComfyUI that lacks one still starts; :func:`missing` lists all that are lacking. Run as a script, this file prints that
list for the interpreter that runs it, with ComfyUI's folder as its argument; until a name is used it needs nothing but
the standard library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

T = TypeVar("T")
Conditionings: TypeAlias = "list[list[Any]]"
"""ComfyUI's CONDITIONING: pairs of a tensor and a dictionary."""

OLDEST = "0.16.0"
"""The oldest ComfyUI that we support. The tests marked ``comfyui`` are run with it and with the newest."""


class ModelSampling(Protocol):
    """How a model's noise is scaled (``model_sampling``)."""

    sigmas: Tensor
    """Noise levels by timestep, rising."""

    def percent_to_sigma(self, percent: float) -> float:
        """The noise level at a share of the way from pure noise (0) to the clean latents (1)."""
        ...

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor, max_denoise: bool = False) -> Tensor:
        """Noise and latents mixed, for a sampler to start from."""
        ...

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        """The clean latents that a prediction means."""
        ...


class LatentFormat(Protocol):
    """What a family's latents look like."""

    latent_channels: int
    latent_dimensions: int
    """Axes beside batch and channels: 2, or 3 for models that also make videos."""


class ModelConfig(Protocol):
    """An entry of ``comfy.supported_models``: what the loader found out about a checkpoint."""

    unet_config: dict[str, Any]
    """Arguments of the denoiser's class."""


class BaseModel(Protocol):
    """The module that holds a denoiser, as a ``ModelPatcher`` has it."""

    diffusion_model: nn.Module
    model_config: ModelConfig
    model_sampling: ModelSampling
    latent_format: LatentFormat
    manual_cast_dtype: torch.dtype | None
    """dtype of the activations, where it isn't that of the weights."""
    current_patcher: ModelPatcher
    concat_keys: Sequence[str]
    """What an inpainting model's further channels hold."""

    def get_dtype(self) -> torch.dtype:
        """dtype of the weights."""
        ...

    def memory_required(self, input_shape: Sequence[int]) -> float:
        """Bytes that a call without gradients takes."""
        ...

    def process_latent_in(self, latent: Tensor) -> Tensor:
        """The autoencoder's latents as the denoiser wants them."""
        ...

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """The way back."""
        ...

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """What the denoiser takes beside latents and timestep, from a prompt."""
        ...

    def concat_cond(self, **kwargs: Any) -> Tensor | None:
        """Channels that are added to the latents, such as a picture to fill in."""
        ...

    def apply_model(self, x: Tensor, t: Tensor, **kwargs: Any) -> Tensor:
        """The denoiser's prediction, turned into clean latents by ``model_sampling``."""
        ...

    def state_dict(self) -> dict[str, Tensor]: ...


class VisionOutput(Protocol):
    """What a vision model makes of pictures."""

    image_embeds: Tensor
    """A vector for each picture, (B, D)."""


class ClipVision(Protocol):
    """CLIP_VISION: a loaded vision model, such as CLIP's, SigLIP or DINO."""

    def encode_image(self, image: Tensor, crop: bool = True) -> VisionOutput:
        """Of IMAGE, (B, H, W, 3) in [0, 1]; scaled, and cropped to the middle or stretched to a square."""
        ...


class ModelPatcher(Protocol):
    """MODEL: a model with patches that are applied when it is loaded. Clones share the model."""

    model: BaseModel
    load_device: torch.device
    model_options: dict[str, Any]
    patches: Mapping[str, list[Any]]
    backup: Mapping[str, Any]
    """Weights as they were before patches, each as ``weight``."""
    object_patches: Mapping[str, Any]
    cached_patcher_init: tuple[Any, ...] | None
    """A function that makes the patcher anew, and its arguments."""

    def get_model_object(self, name: str) -> Any:
        """An attribute of the model, as patched."""
        ...

    def is_dynamic(self) -> bool:
        """Whether the weights are streamed rather than loaded."""
        ...

    def clone(self, disable_dynamic: bool = False) -> ModelPatcher: ...

    def add_object_patch(self, name: str, obj: Any) -> None:
        """Replace an attribute of the model while it is used."""
        ...

    def add_patches(self, patches: dict[Any, Any], strength_patch: float = 1.0) -> list[Any]:
        """Take patches on; gives the names of those that found their weight."""
        ...

    def pre_run(self) -> None: ...

    def cleanup(self) -> None: ...


class TextEncoder(Protocol):
    """The module that holds the text encoders, as a ``CLIP`` has it."""

    def encode_token_weights(self, token_weight_pairs: dict[str, Any]) -> tuple[Any, ...]:
        """(states, pooled output, perhaps a dictionary of more)."""
        ...

    def set_clip_options(self, options: dict[str, Any]) -> None: ...

    def reset_clip_options(self) -> None: ...

    def state_dict(self) -> dict[str, Tensor]: ...


class ClipEncoder(Protocol):
    """One of CLIP's text encoders, an attribute of a ``TextEncoder``."""

    transformer: nn.Module
    encode: Callable[[list[list[int]]], tuple[Any, ...]]
    """What :meth:`__call__` gives, for tokens alone."""

    def __call__(self, tokens: list[list[Any]]) -> tuple[Any, ...]:
        """(states, pooled output, perhaps a dictionary of more) for sections of tokens."""
        ...


class CLIP(Protocol):
    """CLIP: text encoders of any kind with their tokenizers."""

    patcher: ModelPatcher
    cond_stage_model: TextEncoder
    tokenizer: Any
    layer_idx: int | None
    """The layer whose output is used, if that was chosen."""

    def tokenize(self, text: str, **options: Any) -> dict[str, list[list[tuple[Any, ...]]]]:
        """Encoder -> sections of (token, weight). Options depend on the tokenizer."""
        ...

    def encode_from_tokens(self, tokens: dict[str, Any], return_pooled: bool, return_dict: bool) -> Any: ...

    def load_model(self, tokens: dict[str, Any] = ...) -> ModelPatcher:
        """Load the weights, with memory for these tokens."""
        ...

    def clone(self) -> CLIP: ...

    def add_patches(self, patches: dict[Any, Any], strength_patch: float = 1.0) -> list[Any]: ...


class VAE(Protocol):
    """VAE: an autoencoder. Images are (B, H, W, 3) in [0, 1]."""

    patcher: ModelPatcher

    def encode(self, pixel_samples: Tensor) -> Tensor: ...

    def decode(self, samples_in: Tensor) -> Tensor: ...

    def spacial_compression_encode(self) -> int:
        """Pictures' side over latents' side."""
        ...


class Foreign(Generic[T]):
    """A name of ComfyUI's. Looked up at each use: other extensions may have put something else in its place.

    Args:
        place: ``module:attribute``.
        need: what we need it for, after *to*.
        since: the first version that has it, where that isn't long ago.
    """

    def __init__(self, place: str, need: str, since: str = "") -> None:
        self.place, self.need, self.since = place, need, since

    def __get__(self, instance: object, owner: type) -> T:
        try:
            return _found(self.place)
        except (ImportError, AttributeError) as error:
            from ...engine.core.errors import WorkbenchError

            raise WorkbenchError(
                f"ComfyUI {version()} has no {self.place}, which is needed to {self.need}.",
                expected=f"ComfyUI {OLDEST} or newer",
                hint="update ComfyUI; if it is newer than this extension, update the extension. "
                "`lora-workbench doctor` lists everything that is missing.",
            ) from error

    def __set__(self, instance: object, value: T) -> None:
        module, _, name = self.place.partition(":")
        setattr(import_module(module), name, value)


class _Core:
    """What every model needs that ComfyUI has loaded."""

    load_models_gpu: Foreign[Callable[..., None]] = Foreign("comfy.model_management:load_models_gpu", "load models")
    soft_empty_cache: Foreign[Callable[[], None]] = Foreign(
        "comfy.model_management:soft_empty_cache", "give memory back after a training"
    )
    in_training: Foreign[bool] = Foreign(
        "comfy.model_management:in_training", "train without layers that overwrite their inputs", since="0.14.0"
    )

    CastWeightBiasOp: Foreign[type] = Foreign("comfy.ops:CastWeightBiasOp", "recognize layers with quantized weights")
    cast_bias_weight: Foreign[Callable[[Any, Tensor], tuple[Any, Tensor | None]]] = Foreign(
        "comfy.ops:cast_bias_weight", "train on quantized or offloaded weights"
    )
    run_every_op: Foreign[Callable[[], None]] = Foreign("comfy.ops:run_every_op", "stop when the user interrupts")
    attention_pytorch: Foreign[Callable[..., Tensor]] = Foreign(
        "comfy.ldm.modules.attention:attention_pytorch", "train through attention"
    )
    CLIPLayer: Foreign[type[Any]] = Foreign("comfy.clip_model:CLIPLayer", "train CLIP text encoders")
    UNetModel: Foreign[type] = Foreign(
        "comfy.ldm.modules.diffusionmodules.openaimodel:UNetModel", "tell UNets from transformers"
    )

    EPS: Foreign[type[ModelSampling]] = Foreign("comfy.model_sampling:EPS", "recognize epsilon prediction")
    V_PREDICTION: Foreign[type[ModelSampling]] = Foreign("comfy.model_sampling:V_PREDICTION", "recognize v-prediction")
    CONST: Foreign[type[ModelSampling]] = Foreign("comfy.model_sampling:CONST", "recognize flow matching")

    create_model_options_clone: Foreign[Callable[[dict[str, Any]], dict[str, Any]]] = Foreign(
        "comfy.model_patcher:create_model_options_clone", "generate pictures"
    )
    prepare_sampling: Foreign[Callable[..., tuple[BaseModel, Any, Any]]] = Foreign(
        "comfy.sampler_helpers:prepare_sampling", "generate pictures"
    )
    convert_cond: Foreign[Callable[[Conditionings], list[dict[str, Any]]]] = Foreign(
        "comfy.sampler_helpers:convert_cond", "pass prompts to the denoiser"
    )
    encode_model_conds: Foreign[Callable[..., list[dict[str, Any]]]] = Foreign(
        "comfy.samplers:encode_model_conds", "pass prompts to the denoiser"
    )
    cond_cat: Foreign[Callable[[list[dict[str, Any]]], dict[str, Any]]] = Foreign(
        "comfy.samplers:cond_cat", "pass prompts to the denoiser"
    )
    process_conds: Foreign[Callable[..., dict[str, Any]]] = Foreign("comfy.samplers:process_conds", "generate pictures")
    calculate_sigmas: Foreign[Callable[[ModelSampling, str, int], Tensor]] = Foreign(
        "comfy.samplers:calculate_sigmas", "generate pictures"
    )
    sampling_function: Foreign[Callable[..., Tensor]] = Foreign("comfy.samplers:sampling_function", "generate pictures")

    calc_cond_batch: Foreign[Callable[..., list[Tensor]]] = Foreign("comfy.samplers:calc_cond_batch", "apply masks")
    unet_to_diffusers: Foreign[Callable[[dict[str, Any]], dict[str, str]]] = Foreign(
        "comfy.utils:unet_to_diffusers", "name the layers of UNets"
    )
    model_lora_keys_unet: Foreign[Callable[[BaseModel, dict[str, Any]], dict[str, Any]]] = Foreign(
        "comfy.lora:model_lora_keys_unet", "name the denoiser's layers"
    )
    model_lora_keys_clip: Foreign[Callable[[TextEncoder, dict[str, Any]], dict[str, Any]]] = Foreign(
        "comfy.lora:model_lora_keys_clip", "name the text encoders' layers"
    )
    load_lora: Foreign[Callable[..., dict[Any, Any]]] = Foreign("comfy.lora:load_lora", "apply stacks")
    convert_lora: Foreign[Callable[[dict[str, Tensor]], dict[str, Tensor]]] = Foreign(
        "comfy.lora_convert:convert_lora", "apply stacks"
    )
    get_attr: Foreign[Callable[[Any, str], Any]] = Foreign("comfy.utils:get_attr", "apply stacks")
    HookGroup: Foreign[type[Any]] = Foreign("comfy.hooks:HookGroup", "apply weights by sampling step")
    HookKeyframe: Foreign[type[Any]] = Foreign("comfy.hooks:HookKeyframe", "apply weights by sampling step")
    HookKeyframeGroup: Foreign[type[Any]] = Foreign("comfy.hooks:HookKeyframeGroup", "apply weights by sampling step")
    WeightHook: Foreign[type[Any]] = Foreign("comfy.hooks:WeightHook", "apply weights by sampling step")
    LoRAAdapter: Foreign[type[Any]] = Foreign("comfy.weight_adapter:LoRAAdapter", "apply stacks")
    WeightAdapterBase: Foreign[type[Any]] = Foreign("comfy.weight_adapter:WeightAdapterBase", "apply stacks")


class _Loading:
    """What only handing over a model of ours needs."""

    load_state_dict_guess_config: Foreign[Callable[..., tuple[Any, Any, Any, Any]]] = Foreign(
        "comfy.sd:load_state_dict_guess_config", "hand over a trained model"
    )
    get_folder_paths: Foreign[Callable[[str], list[str]]] = Foreign(
        "folder_paths:get_folder_paths", "find embeddings for a model that is handed over"
    )
    ModelSamplingDiscrete: Foreign[type[Any]] = Foreign(
        "comfy.model_sampling:ModelSamplingDiscrete", "hand over a trained model that predicts v"
    )
    ExecutionBlocker: Foreign[type[Any]] = Foreign(
        "comfy_execution.graph_utils:ExecutionBlocker", "say that a trained model can't be handed over"
    )


class _Recognizing:
    """What only looking at the files of base models needs."""

    unet_prefix_from_state_dict: Foreign[Callable[[Mapping[str, Tensor]], str]] = Foreign(
        "comfy.model_detection:unet_prefix_from_state_dict", "tell of which family a base model's file is"
    )
    model_config_from_unet: Foreign[Callable[[Mapping[str, Tensor], str], ModelConfig | None]] = Foreign(
        "comfy.model_detection:model_config_from_unet", "tell of which family a base model's file is"
    )


class _Demo:
    """What only the demo checkpoint needs; nothing else uses these."""

    load_torch_file: Foreign[Callable[[str], dict[str, Tensor]]] = Foreign(
        "comfy.utils:load_torch_file", "read the demo checkpoint"
    )
    calculate_parameters: Foreign[Callable[[dict[str, Tensor]], int]] = Foreign(
        "comfy.utils:calculate_parameters", "load the demo checkpoint"
    )
    weight_dtype: Foreign[Callable[[dict[str, Tensor]], torch.dtype]] = Foreign(
        "comfy.utils:weight_dtype", "load the demo checkpoint"
    )
    get_torch_device: Foreign[Callable[[], torch.device]] = Foreign(
        "comfy.model_management:get_torch_device", "load the demo checkpoint"
    )
    unet_offload_device: Foreign[Callable[[], torch.device]] = Foreign(
        "comfy.model_management:unet_offload_device", "load the demo checkpoint"
    )
    unet_dtype: Foreign[Callable[..., torch.dtype]] = Foreign(
        "comfy.model_management:unet_dtype", "load the demo checkpoint"
    )
    unet_manual_cast: Foreign[Callable[..., torch.dtype | None]] = Foreign(
        "comfy.model_management:unet_manual_cast", "load the demo checkpoint"
    )

    SD15: Foreign[type[Any]] = Foreign("comfy.supported_models:SD15", "build the demo checkpoint's denoiser")
    LatentFormat: Foreign[type[Any]] = Foreign("comfy.latent_formats:LatentFormat", "describe the demo's latents")
    ModelType: Foreign[Any] = Foreign("comfy.model_base:ModelType", "build the demo checkpoint's denoiser")
    ModelPatcher: Foreign[type[Any]] = Foreign("comfy.model_patcher:ModelPatcher", "load the demo checkpoint")
    CoreModelPatcher: Foreign[type[Any]] = Foreign(
        "comfy.model_patcher:CoreModelPatcher", "load the demo checkpoint", since="0.12.0"
    )

    CLIP: Foreign[type[Any]] = Foreign("comfy.sd:CLIP", "build the demo checkpoint's text encoder")
    ClipTarget: Foreign[type[Any]] = Foreign(
        "comfy.supported_models_base:ClipTarget", "build the demo checkpoint's text encoder"
    )
    SDClipModel: Foreign[type[Any]] = Foreign("comfy.sd1_clip:SDClipModel", "build the demo checkpoint's text encoder")
    SD1ClipModel: Foreign[type[Any]] = Foreign(
        "comfy.sd1_clip:SD1ClipModel", "build the demo checkpoint's text encoder"
    )
    SDTokenizer: Foreign[type[Any]] = Foreign("comfy.sd1_clip:SDTokenizer", "build the demo checkpoint's tokenizer")
    SD1Tokenizer: Foreign[type[Any]] = Foreign("comfy.sd1_clip:SD1Tokenizer", "build the demo checkpoint's tokenizer")

    VAE: Foreign[type[Any]] = Foreign("comfy.sd:VAE", "build the demo checkpoint's autoencoder")
    convert_vae_state_dict: Foreign[Callable[[dict[str, Tensor]], dict[str, Tensor]]] = Foreign(
        "comfy.diffusers_convert:convert_vae_state_dict", "build the demo checkpoint's autoencoder"
    )


COMFY = _Core()
LOADING = _Loading()
RECOGNIZING = _Recognizing()
DEMO = _Demo()

_CLASSES: Mapping[str, type] = {
    "comfy.model_base:BaseModel": BaseModel,
    "comfy.model_patcher:ModelPatcher": ModelPatcher,
    "comfy.sd:CLIP": CLIP,
    "comfy.sd:VAE": VAE,
    "comfy.sd1_clip:SD1ClipModel": TextEncoder,
}
"""A class of ComfyUI's -> our protocol, whose methods it must have. Attributes exist only once there is an instance."""


class Name(NamedTuple):
    """A name of ComfyUI's that we use."""

    place: str
    """``module:attribute``."""
    need: str
    """What we need it for, after *to*."""


def names() -> Iterator[Name]:
    """Every name that we use, methods included."""
    for table in (_Core, _Loading, _Recognizing, _Demo):
        yield from (Name(f.place, f.need) for f in vars(table).values() if isinstance(f, Foreign))
    for place, protocol in _CLASSES.items():
        methods = (name for name, member in vars(protocol).items() if callable(member) and not name.startswith("_"))
        yield from (Name(f"{place}.{method}", "work on loaded models") for method in methods)


def missing() -> list[Name]:
    """The names that this ComfyUI lacks."""
    return [name for name in names() if not _exists(name.place)]


def kernels() -> tuple[Any, Any] | None:
    """The module of ComfyUI's fused kernels, and that of the same rotary embeddings in torch's own operations.

    ``None`` where it has no such kernels, as without the package comfy-kitchen.
    """
    try:
        return _found("comfy.quant_ops:ck"), import_module("comfy_kitchen.backends.eager.rope")
    except (ImportError, AttributeError):
        return None


def version() -> str:
    """This ComfyUI's version."""
    try:
        return _found("comfyui_version:__version__")
    except (ImportError, AttributeError):
        return "of unknown version"


def _exists(place: str) -> bool:
    try:
        _found(place)
    except (ImportError, AttributeError):
        return False
    return True


def _found(place: str) -> Any:
    module, _, path = place.partition(":")
    return reduce(getattr, path.split("."), import_module(module))


if __name__ == "__main__":
    sys.path[0] = sys.argv[1]
    _found("comfy.cli_args:args").cpu = True  # to look at names takes no GPU, and there may be none
    print(json.dumps({"version": version(), "names": len(list(names())), "missing": missing()}))
