"""What needs ComfyUI itself: its loaded models as base models, and adapters on them. Reached by ``host.native()``."""

from .backbone import NativeBackbone
from .demo import demo_checkpoint
from .handing_over import handed_over
from .patches import Report, with_stack
from .recognizing import traits_of_file
from .scheduled import with_varying
from .vision import feature_space

__all__ = [
    "NativeBackbone",
    "Report",
    "demo_checkpoint",
    "feature_space",
    "handed_over",
    "traits_of_file",
    "with_stack",
    "with_varying",
]
