"""Generation of pictures: every prompt with every seed, by the base model alone or with a stack of adapters."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from typing import TYPE_CHECKING

from ..adapters.applying import applied
from ..adapters.stack import Stack
from ..core.errors import BaseModelError
from ..core.events import Event, Progress
from ..core.fields import positive, raise_all
from ..data.views import Size
from ..models.contract import Backbone, BackboneInfo
from .encoding import Encoded, in_shape

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Which pictures to generate, and how."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    """Each prompt is used once with each seed; equal seeds start from equal noise, in any batch."""
    negative_prompt: str = ""
    steps: int = 25
    guidance: float = 7.0
    """Scale of classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598); 1 disables it."""
    width: int = 0
    """In pixels; 0 for the base model's own resolution."""
    height: int = 0
    """In pixels; 0 for the base model's own resolution."""
    batch_size: int = 8
    """Pictures denoised at once."""
    references: tuple[Image.Image, ...] = ()
    """Pictures to edit, RGB: each prompt is used with each of them. They are scaled to the size of the result, and
    cropped to its shape around the middle."""
    reference_guidance: float = 1.5
    """Scale of guidance by the picture to edit (arXiv:2211.09800, eq. 3), with the capability of this name; 1 disables
    it."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "steps", "batch_size")
        positive(problems, self, "guidance", "reference_guidance", "width", "height", zero=True)
        if not self.prompts:
            problems.append("prompts: got none, expected at least one")
        if not self.seeds:
            problems.append("seeds: got none, expected at least one")
        raise_all(problems, "generation request")


@dataclass(frozen=True, kw_only=True)
class GeneratedImage:
    """A generated picture, with its prompt, seed and adapters."""

    image: Image.Image
    prompt: str
    seed: int
    label: str
    """The adapters used, as in ``stack_label``."""
    reference: Image.Image | None = None
    """The picture that was edited, as it was shown to the base model."""


def generate(
    backbone: Backbone, request: GenerationRequest, stack: Stack | None = None, encoded: Encoded | None = None
) -> Generator[Event, None, list[GeneratedImage]]:
    """Generate a picture for every prompt, picture to edit and seed; those of the first prompt first.

    Args:
        backbone: the base model; unchanged afterwards.
        request: which pictures to generate.
        stack: adapters to apply.
        encoded: prompts that were encoded before, with the same text encoders; those of this call are added.

    Raises:
        AdapterError: an adapter of the stack doesn't fit the base model.
        BaseModelError: there are pictures to edit, and the base model doesn't edit pictures.
    """
    wanted = list(_wanted(backbone, request))
    stack = stack or Stack()
    label = stack_label(stack)
    results: list[GeneratedImage] = []
    with applied(backbone, stack):
        encoded = encoded or Encoded(backbone, request.reference_guidance)
        for chunk in _chunks(wanted, request.batch_size):
            latents, done = None, len(results) * request.steps
            for number, latents in enumerate(denoised(backbone, request, chunk, encoded), 1):  # noqa: B007
                # Some samplers take a step more than requested.
                yield Progress(
                    done=done + len(chunk) * min(number, request.steps),
                    total=len(wanted) * request.steps,
                    label=f"generating {label}",
                )
            assert latents is not None
            images = to_pictures(backbone.decode(latents))
            results += [
                GeneratedImage(image=image, prompt=one.prompt, seed=one.seed, label=label, reference=one.reference)
                for image, one in zip(images, chunk, strict=True)
            ]
    return results


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One picture to generate."""

    prompt: str
    seed: int
    size: Size
    reference: Image.Image | None
    """Of this size."""


def _wanted(backbone: Backbone, request: GenerationRequest) -> Iterator[Wanted]:
    info = backbone.info
    if request.references and "reference_pictures" not in info.capabilities:
        raise BaseModelError(
            f"{info.name} doesn't edit pictures.",
            expected="a base model that edits, or no reference",
            hint="disconnect reference, or load an edit model such as InstructPix2Pix.",
        )
    shown: list[tuple[Size, Image.Image | None]] = [(picture_size(info, request), None)]
    if request.references:
        sizes = [picture_size(info, request, picture.size) for picture in request.references]
        shown = [(size, in_shape(picture, size)) for size, picture in zip(sizes, request.references, strict=True)]
    for prompt in request.prompts:
        for size, reference in shown:
            for seed in request.seeds:
                yield Wanted(prompt=prompt, seed=seed, size=size, reference=reference)


def _chunks(wanted: Sequence[Wanted], most: int) -> Iterator[list[Wanted]]:
    """Neighbors of one size, at most so many at once."""
    for _, group in groupby(wanted, key=lambda one: one.size):
        alike = list(group)
        yield from (alike[at : at + most] for at in range(0, len(alike), most))


def compare(
    backbone: Backbone, request: GenerationRequest, stack: Stack
) -> Generator[Event, None, list[list[GeneratedImage]]]:
    """One list of pictures each for the base model, every adapter alone at its weight, and the whole stack."""
    active = stack.active()
    columns = [Stack(), *(Stack((entry,)) for entry in active)]
    if len(active) > 1:
        columns.append(stack)
    result = []
    for column in columns:
        images = yield from generate(backbone, request, column)
        result.append(images)
    return result


def stack_label(stack: Stack) -> str:
    """The label of a stack, for example ``fox 0.8 + riso 0.6``; ``base`` if it is empty."""
    return " + ".join(entry.label for entry in stack.active()) or "base"


def negative_remark(info: BackboneInfo, negative_prompt: str, guidance: float, *, by_picture: bool = False) -> str:
    """Says that a negative prompt has no effect, and why; empty if it has one, or there is none.

    Args:
        info: of the base model.
        negative_prompt: what to avoid.
        guidance: the scale; 1 disables guidance.
        by_picture: whether the picture to edit guides too, by a scale of its own.
    """
    if not negative_prompt:
        return ""
    if "classifier_free_guidance" not in info.capabilities:
        return f"negative_prompt has no effect: {info.name or 'the base model'} isn't guided by one"
    if guidance == 1 and not by_picture:
        return "negative_prompt has no effect with guidance 1, which switches guidance off"
    return ""


def denoised(
    backbone: Backbone, request: GenerationRequest, chunk: Sequence[Wanted], encoded: Encoded
) -> Iterator[Tensor]:
    """The latents of one chunk after each denoising step."""
    guided = request.guidance != 1 or (request.references and request.reference_guidance != 1)
    negative = None
    if guided and "classifier_free_guidance" in backbone.info.capabilities:
        negative = encoded.conditioning([request.negative_prompt] * len(chunk), [one.reference for one in chunk])
    conditioning = encoded.conditioning([one.prompt for one in chunk], [one.reference for one in chunk])
    noise = starting_noise(backbone, chunk[0].size, [one.seed for one in chunk])
    return backbone.sample(noise, conditioning, negative, steps=request.steps, guidance=request.guidance)


def picture_size(info: BackboneInfo, request: GenerationRequest, reference: Size | None = None) -> Size:
    """Width and height of the pictures of a request.

    Without a width and height, that of the base model: a square, or the shape of the picture to edit with as many
    pixels, in steps of eight latent pixels.
    """
    side, step = info.resolution, 8 * info.latent_factor
    if reference is None or request.width or request.height:
        return request.width or side, request.height or side
    stretched = sqrt(reference[0] / reference[1])
    return max(step, round(side * stretched / step) * step), max(step, round(side / stretched / step) * step)


def starting_noise(backbone: Backbone, size: Size, seeds: Sequence[int]) -> Tensor:
    """Standard normal noise (B, C, h, w), one seed per picture, generated on the CPU as in diffusers.

    Args:
        backbone: the base model.
        size: width and height of the pictures, in pixels.
        seeds: one per picture.
    """
    import torch

    factor = backbone.info.latent_factor
    shape = (1, backbone.info.latent_channels, size[1] // factor, size[0] // factor)
    return torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def to_pictures(images: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [0, 1] as RGB pictures, rounded as in diffusers."""
    from PIL import Image

    arrays = (images.permute(0, 2, 3, 1).float().cpu().numpy() * 255).round().astype("uint8")
    return [Image.fromarray(array) for array in arrays]
