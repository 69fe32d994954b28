"""``lora-workbench doctor``: check the installation."""

from __future__ import annotations

import argparse
from typing import Any

from .printing import say


def add_to(commands: Any) -> None:
    commands.add_parser("doctor", help="check libraries, ComfyUI, the demo base and the device").set_defaults(
        command=doctor
    )


def doctor(arguments: argparse.Namespace) -> int:
    from ..nodes.host.doctor import findings

    del arguments
    for subject, finding in findings():
        say(f"{subject:<14} {finding}")
    return 0
