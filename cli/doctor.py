"""``lora-workbench doctor``: tell what is installed and what it can use."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    commands.add_parser("doctor", help="tell what is installed and what it can use").set_defaults(command=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    from ..nodes.host.doctor import findings

    del arguments
    for subject, finding in findings():
        print(f"{subject:<14} {finding}")
    return 0
