"""LTX-Video (HaCohen et al. 2024, arXiv:2501.00103), trained here on single frames."""

from __future__ import annotations

from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="ltx-video",
    title="LTX-Video",
    architecture="lightricks-ltx-video",
    resolution=768,
    key_style="native",
    generation=GenerationDefaults(steps=50, guidance=3.0),
    missing="Films: it is trained on pictures, as films of one frame. Versions with sound.",
)
