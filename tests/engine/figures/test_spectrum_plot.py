"""The plot of what an adapter changes."""

from __future__ import annotations

import numpy as np
import pytest
from lora_workbench.engine.figures.spectrum_plot import Bar, spectrum_plot


def margins(bars: list[Bar], spectra: list[list[float]]) -> np.ndarray:
    """The left and right edges of the plot, where nothing may be drawn."""
    pixels = np.asarray(spectrum_plot(bars, spectra, share=False))
    return np.concatenate([pixels[40:, :8], pixels[40:, -8:]])


@pytest.mark.parametrize("count", [1, 8, 60])
def test_long_names_and_many_blocks_stay_inside(count: int) -> None:
    names = [f"text_encoder.a_very_long_name_of_a_list_of_blocks_of_some_model.{n}" for n in range(count)]
    bars = [Bar(name, 3.0 + n, 2.5, 16) for n, name in enumerate(names)]
    assert (margins(bars, [[3.0, 1.0]] * count) == 255).all()


def test_bars_are_as_long_as_norms() -> None:
    bars = [Bar("denoiser.mid_block", 1.0, 1.0, 2), Bar("denoiser.up_blocks.0", 4.0, 2.0, 2)]
    pixels = np.asarray(spectrum_plot(bars, [[1.0, 0.5]], share=False))
    blue = (pixels == (0x2F, 0x6F, 0xDE)).all(-1)[:, :480]
    short, long = blue[76].sum(), blue[96].sum()  # through the middle of each
    assert long == pytest.approx(4 * short, rel=0.1), "but for blurred ends"
    assert short > 50


@pytest.mark.parametrize("spectra", [[], [[]], [[0.0, 0.0]], [[2.0]]])
def test_updates_of_nothing_are_drawn(spectra: list[list[float]]) -> None:
    assert spectrum_plot([Bar("denoiser.mid_block", 0.0, 0.0, 1)], spectra, share=True).width == 880
    assert spectrum_plot([], [], share=True).width == 880
