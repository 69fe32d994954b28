"""Where we run: inside ComfyUI, or headless from a shell. Chosen once, when the package is first imported.

``io`` and ``ui`` carry the public names of ``comfy_api``; ``host`` is a :class:`~.contract.Host`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .contract import Host

host: Host

if TYPE_CHECKING or "folder_paths" not in sys.modules:
    from .headless import ComfyExtension, host, io, ui
else:
    from .comfyui import ComfyExtension, host, io, ui

__all__ = ["ComfyExtension", "Host", "host", "io", "ui"]
