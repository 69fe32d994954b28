"""Batches of pictures: every prompt with every seed, by the base alone or under a stack of adapters."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..adapters.stack import Stack, applied
from ..core.events import Event, Progress
from ..core.fields import positive, raise_all
from ..models.contract import Backbone, Conditioning

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What to draw."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    """Each prompt is drawn once with each seed; equal seeds start from equal noise, whatever the batch."""
    negative_prompt: str = ""
    steps: int = 25
    guidance: float = 7.0
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598); 1 switches it off."""
    width: int = 0
    """In pixels; 0 takes the base model's own resolution."""
    height: int = 0
    batch_size: int = 8
    """Pictures denoised at once."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "steps", "batch_size")
        positive(problems, self, "guidance", "width", "height", zero=True)
        if not self.prompts:
            problems.append("prompts: got none, expected at least one")
        if not self.seeds:
            problems.append("seeds: got none, expected at least one")
        raise_all(problems, "generation request")


@dataclass(frozen=True, kw_only=True)
class GeneratedImage:
    """A picture and what made it."""

    image: Image.Image
    prompt: str
    seed: int
    label: str
    """Which adapters drew it, in the words of ``stack_label``."""


def generate(
    backbone: Backbone, request: GenerationRequest, stack: Stack | None = None
) -> Generator[Event, None, list[GeneratedImage]]:
    """Draw every prompt with every seed, prompts outermost.

    Args:
        backbone: the base model; unchanged afterwards.
        request: what to draw.
        stack: adapters to apply meanwhile.

    Raises:
        AdapterError: an adapter of the stack doesn't fit the base model.
    """
    wanted = [(prompt, seed) for prompt in request.prompts for seed in request.seeds]
    stack = stack or Stack()
    label = stack_label(stack)
    results: list[GeneratedImage] = []
    with applied(backbone, stack):
        embeddings = _embed(backbone, [*dict.fromkeys(request.prompts), request.negative_prompt])
        for at in range(0, len(wanted), request.batch_size):
            chunk = wanted[at : at + request.batch_size]
            latents = None
            for number, latents in enumerate(_denoise(backbone, request, chunk, embeddings), 1):  # noqa: B007
                # Some samplers take a step more than they are asked for.
                done = at * request.steps + len(chunk) * min(number, request.steps)
                yield Progress(done=done, total=len(wanted) * request.steps, label=f"drawing {label}")
            assert latents is not None
            images = to_pictures(backbone.decode(latents))
            results += [
                GeneratedImage(image=i, prompt=p, seed=s, label=label) for i, (p, s) in zip(images, chunk, strict=True)
            ]
    return results


def compare(
    backbone: Backbone, request: GenerationRequest, stack: Stack
) -> Generator[Event, None, list[list[GeneratedImage]]]:
    """Columns of the same prompts and seeds: the base, each adapter alone at its weight, the whole stack."""
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
    """What a stack is called over its pictures, for example ``fox 0.8 + riso 0.6``; ``base`` when it is empty."""
    return " + ".join(f"{entry.adapter.name} {entry.weight:g}" for entry in stack.active()) or "base"


def _embed(backbone: Backbone, prompts: Sequence[str]) -> dict[str, Conditioning]:
    import torch

    with torch.no_grad():
        return {prompt: backbone.encode_prompts([prompt]) for prompt in prompts}


def _denoise(
    backbone: Backbone, request: GenerationRequest, chunk: list[tuple[str, int]], embeddings: dict[str, Conditioning]
) -> Iterator[Tensor]:
    """The latents of one chunk after each denoising step."""
    conditioning = Conditioning.join([embeddings[prompt] for prompt, _ in chunk])
    negative = None
    if request.guidance != 1 and "classifier_free_guidance" in backbone.info.capabilities:
        negative = Conditioning.join([embeddings[request.negative_prompt]] * len(chunk))
    noise = starting_noise(backbone, request, [seed for _, seed in chunk])
    return backbone.sample(noise, conditioning, negative, steps=request.steps, guidance=request.guidance)


def starting_noise(backbone: Backbone, request: GenerationRequest, seeds: Sequence[int]) -> Tensor:
    """Standard normal noise (B, C, h, w), each picture's from its own seed, drawn on the CPU as diffusers does."""
    import torch

    info = backbone.info
    height, width = ((side or info.resolution) // info.latent_factor for side in (request.height, request.width))
    shape = (1, info.latent_channels, height, width)
    return torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def to_pictures(images: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [0, 1] -> RGB pictures, rounded as diffusers does."""
    from PIL import Image

    arrays = (images.permute(0, 2, 3, 1).float().cpu().numpy() * 255).round().astype("uint8")
    return [Image.fromarray(array) for array in arrays]
