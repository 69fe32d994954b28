"""The part of the page that shows sample pictures over time."""

from __future__ import annotations

from .markup import Markup, element, picture
from .page import RunPage, Samples, SampleStep

_PIXELS = 4_000_000
"""Of all pictures together, which come to less than a megabyte."""
LONGEST, _SHORTEST = 512, 96
"""Most and least pixels of a picture's longer side."""


def samples_section(page: RunPage) -> Markup:
    """The pictures of each step in a row; with a script, of the step that a slider chooses."""
    if page.samples is None or not page.samples.steps:
        return Markup()
    samples, side = page.samples, _side(page.samples)
    numbers = [step.step for step in samples.steps]
    begin = numbers.index(page.picked) if page.picked in numbers else len(numbers) - 1
    moves = len(numbers) > 1
    return element(
        "section",
        element("h2", "Sample pictures"),
        element("p", _about(samples), class_="about"),
        _slider(numbers, begin) if moves else None,
        *(_frame(step, side, page.picked) for step in samples.steps),
        class_="samples over-time" if moves else "samples",
    )


def _about(samples: Samples) -> str:
    told = "The same prompts and seeds at each step."
    return f"{told} {samples.left_out} steps in between aren't shown." if samples.left_out else told


def _side(samples: Samples) -> int:
    """The longer side at which all pictures are in the page, in pixels."""
    count = sum(len(step.samples) for step in samples.steps)
    return max(_SHORTEST, min(LONGEST, int((_PIXELS / max(1, count)) ** 0.5)))


def _slider(steps: list[int], begin: int) -> Markup:
    """Hidden until the script is there that makes it move."""
    return element(
        "div",
        element("label", "Step", for_="sample-step"),
        element(
            "input", type="range", id="sample-step", min=0, max=len(steps) - 1, step=1, value=begin,
            autocomplete="off",
        ),
        element("output", str(steps[begin]), for_="sample-step"),
        class_="slider", hidden=True,
    )  # fmt: skip


def _frame(step: SampleStep, side: int, picked: int | None) -> Markup:
    label = f"{step.step} (picked)" if step.step == picked else str(step.step)
    return element(
        "div",
        element("h3", f"Step {label}"),
        element(
            "div",
            *(
                element(
                    "figure",
                    picture(sample.image, side, alt=f"{sample.prompt}, after step {step.step}"),
                    element("figcaption", sample.prompt),
                )
                for sample in step.samples
            ),
            class_="row",
        ),
        class_="frame",
        data_label=label,
    )


def shown_steps(steps: list[int], most: int) -> list[int]:
    """At most this many of the steps, evenly, the first and the last among them."""
    if len(steps) <= most:
        return steps
    return [steps[round(at * (len(steps) - 1) / (most - 1))] for at in range(most)]
