"""``lora-workbench families``: which base models can be trained, each by which recipe."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..engine.models import FAMILIES
from ..engine.models.families import all_traits
from ..engine.models.published import GENERAL, Published, Settings
from ..engine.models.traits import KeyStyle, Traits
from .printing import say

_KEYS: Mapping[KeyStyle, str] = {
    "kohya": "`lora_unet_…`, with alpha",
    "transformer": "`transformer.…`, no alpha",
    "native": "`diffusion_model.…`, no alpha",
}


def add_to(commands: Any) -> None:
    parser = commands.add_parser("families", help="list the families of base models and their recipes")
    parser.add_argument("--markdown", action="store_true", help="as the page docs/families.md")
    parser.set_defaults(command=families)


def families(arguments: argparse.Namespace) -> int:
    if arguments.markdown:
        say(page().rstrip())
        return 0
    for traits in all_traits():
        say(f"{traits.name:<16} {traits.title:<32} {_where(traits)}")
    return 0


def page() -> str:
    """The page ``docs/families.md``, from the declarations of all families."""
    return "\n\n".join([_INTRODUCTION, _table(_HEADER, map(_row, all_traits())), *_recipes()]) + "\n"


_INTRODUCTION = """# Families of base models

This page is made by `lora-workbench families --markdown` from what the code declares; a test compares them.

No weights of other people's models were at hand where this was developed, so everything in this table was run on tiny
models with random weights, and the demo base:

- **diffusers**: a diffusers folder in `LW_LoadBase`. A tiny model of the family's own classes trains, its loss falls,
  its file loads in diffusers' own pipeline with every key used and gives the same prediction, and an interrupted run
  resumes to the same bits (`tests/engine/runs/test_families.py`). Pictures equal those of diffusers' pipeline; those of
  Qwen-Image-Edit when its text encoder is told which tokens are pictures (diffusers issue 14194).
- **ComfyUI**: a MODEL, CLIP and VAE that ComfyUI has loaded, in `LW_BaseFromComfy`. A tiny model of ComfyUI's own class
  trains, and the stock loader matches every key of its file (`make test PYTEST_ARGS="-m comfyui"`). Families that
  aren't listed train as they come, by the general recipe.

What trainings need on cards of 8 to 24 GB is in [devices](devices.md); `lora-workbench plan` counts it for any of these
with your own recipe and pictures.

*Key style* is how tensors are named in adapter files: the one that both ComfyUI and diffusers read for the family.
*Made for* is the side of pictures in pixels; steps and guidance are what pictures are generated with unless told."""

_HEADER = ("family", "runs in", "made for", "generates with", "key style", "architecture", "not possible")


def _row(traits: Traits) -> Sequence[str]:
    made = traits.generation
    return (
        traits.title,
        _where(traits),
        str(traits.resolution),
        f"{made.steps} steps, guidance {made.guidance:g}",
        _KEYS[traits.key_style],
        f"`{traits.architecture}`",
        traits.missing,
    )


def _where(traits: Traits) -> str:
    """The programs whose models of a family, or variant, are taken."""
    from ..nodes.native.families import COMFY_CLASSES

    names = [family.traits.name for family in FAMILIES]
    here = ["diffusers"] if traits.folders and traits.name in names else []
    return ", ".join([*here, *(["ComfyUI"] if traits.name in COMFY_CLASSES else [])])


def _recipes() -> Iterator[str]:
    yield (
        "## Recipes\n\nWhat `LW_Recipe` suggests, by goal, and who published it. The number of steps follows from the "
        "number of pictures: 60 views of each, 15 for a style, between 600 and 2,000 steps. What a family doesn't name "
        "is as in the general recipe."
    )
    yield f"### General\n\n{_recipe(GENERAL)}"
    for traits in all_traits():
        if traits.published.settings or traits.published.goals:
            advice = f"\n\n{traits.published.advice}" if traits.published.advice else ""
            yield f"### {traits.title}\n\n{_recipe(traits.published)}{advice}"


def _recipe(published: Published) -> str:
    rows = [*_settings("all", published.settings)]
    for goal, settings in published.goals.items():
        rows += _settings(goal, settings)
    return _table(("goal", "setting", "value", "source"), rows)


def _settings(goal: str, settings: Settings) -> Iterator[Sequence[str]]:
    for name, own in settings.items():
        shown = f"{own.value:g}" if isinstance(own.value, float) else str(own.value)
        yield goal, f"`{name}`", shown, own.source


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
