"""Generation of pictures: every prompt with every seed, by the base model alone or with a stack of adapters."""

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
    """A generated picture, with its prompt, seed and adapters."""

    image: Image.Image
    prompt: str
    seed: int
    label: str
    """The adapters used, as in ``stack_label``."""


def generate(
    backbone: Backbone, request: GenerationRequest, stack: Stack | None = None
) -> Generator[Event, None, list[GeneratedImage]]:
    """Generate a picture for every prompt and seed, all seeds of the first prompt first.

    Args:
        backbone: the base model; unchanged afterwards.
        request: which pictures to generate.
        stack: adapters to apply.

    Raises:
        AdapterError: an adapter of the stack doesn't fit the base model.
    """
    import torch

    wanted = [(prompt, seed) for prompt in request.prompts for seed in request.seeds]
    stack = stack or Stack()
    label = stack_label(stack)
    results: list[GeneratedImage] = []
    with applied(backbone, stack):
        with torch.no_grad():
            prompts = dict.fromkeys([*request.prompts, request.negative_prompt])
            embeddings = {prompt: backbone.encode_prompts([prompt]) for prompt in prompts}
        for at in range(0, len(wanted), request.batch_size):
            chunk = wanted[at : at + request.batch_size]
            latents = None
            for number, latents in enumerate(_denoise(backbone, request, chunk, embeddings), 1):  # noqa: B007
                # Some samplers take a step more than requested.
                done = at * request.steps + len(chunk) * min(number, request.steps)
                yield Progress(done=done, total=len(wanted) * request.steps, label=f"generating {label}")
            assert latents is not None
            images = to_pictures(backbone.decode(latents))
            results += [
                GeneratedImage(image=i, prompt=p, seed=s, label=label) for i, (p, s) in zip(images, chunk, strict=True)
            ]
    return results


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
    return " + ".join(f"{entry.adapter.name} {entry.weight:g}" for entry in stack.active()) or "base"


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
    """Standard normal noise (B, C, h, w), one seed per picture, generated on the CPU as in diffusers."""
    import torch

    info = backbone.info
    height, width = ((side or info.resolution) // info.latent_factor for side in (request.height, request.width))
    shape = (1, info.latent_channels, height, width)
    return torch.cat([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def to_pictures(images: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [0, 1] as RGB pictures, rounded as in diffusers."""
    from PIL import Image

    arrays = (images.permute(0, 2, 3, 1).float().cpu().numpy() * 255).round().astype("uint8")
    return [Image.fromarray(array) for array in arrays]
