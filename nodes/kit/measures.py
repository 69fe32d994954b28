"""Measures of adapters, as nodes show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.vault.measuring import Measures


def plot_of_measures(measures: Measures) -> Image:
    """Norms and effective ranks by block, and the spectrum of all layers."""
    from ...engine.figures.spectrum_plot import Bar, spectrum_plot

    blocks = measures.blocks()
    share = bool(measures.whole and measures.whole.relative is not None)
    bars = [
        Bar(name, (own.relative or 0.0) if share else own.norm, own.effective_rank, own.rank)
        for name, own in blocks.items()
    ]
    spectra = [layer.spectrum.values for layer in measures.layers.values()]
    return spectrum_plot(bars, spectra, share=share, title=f"{measures.name}: what it changes")
