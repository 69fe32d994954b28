"""The command ``lora-workbench``.

Results go to standard output, progress and errors to standard error. JSON is plain ASCII, and other text is escaped
where the output's encoding can't hold it. Exit status: 0 done, 1 failed, 2 bad usage or a workflow that can't be run.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ..engine.core.errors import WorkbenchError, WorkflowError
from ..engine.core.words import printable
from . import adapters, doctor, families, generate, mcp, nodes, plan, report, run, runs, store, train, workflows
from .printing import complain, say_json

PROGRAMS = (run, train, generate, plan, runs, workflows, nodes, families, adapters, report, mcp, store, doctor)
"""Each adds its parser, with the function that runs it."""


class _Parser(argparse.ArgumentParser):
    """Complains without control characters of what was typed, and on standard output too where JSON is asked for there.

    Its subparsers are of the same class.
    """

    arguments: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        if "--json" in _Parser.arguments:
            say_json({"status": "error", "error": message})
        super().error(printable(message))


def parser() -> argparse.ArgumentParser:
    """Of all programs; what it parses has the function that runs it as ``command``."""
    made = _Parser(
        prog="lora-workbench",
        description="LoRA Workbench without ComfyUI: workflows, training, adapters, the run store.",
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for program in PROGRAMS:
        program.add_to(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    _Parser.arguments = sys.argv[1:] if argv is None else argv
    arguments = parser().parse_args(_Parser.arguments)
    if arguments.command not in (train.train, generate.generate) and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        complain("Only `train` and `generate` share their work among processes; each of these would do all of it.")
        return 2
    try:
        return arguments.command(arguments)
    except WorkflowError as error:
        complain(error)
        return 2
    except WorkbenchError as error:
        complain(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
