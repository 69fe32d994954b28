"""Where we run: inside ComfyUI, or headless. Decided once, when the package is first imported.

``io`` and ``ui`` have the public names of ``comfy_api``; ``host()`` is the running graph's :class:`~.contract.Host`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .contract import Host

if TYPE_CHECKING or "folder_paths" not in sys.modules:
    from ...headless import io, ui
    from ...headless.io import ComfyExtension
    from .headless import host
else:
    from .comfyui import ComfyExtension, host, io, ui

__all__ = ["ComfyExtension", "Host", "host", "io", "ui"]
