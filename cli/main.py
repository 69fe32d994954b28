"""The command ``lora-workbench``: workflows, nodes, adapters and the run store, without ComfyUI.

Results go to standard output, progress and errors to standard error. JSON is plain ASCII, so that no encoding of the
output can stand in its way. Exit status: 0, 1 (it failed) or 2 (bad usage, or a workflow that can't be run).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..engine.core.errors import WorkbenchError, WorkflowError
from . import adapters, doctor, nodes, run, store

PROGRAMS = (run, nodes, adapters, store, doctor)
"""Each adds itself to the parser, with the function that runs it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status."""
    parser = argparse.ArgumentParser(prog="lora-workbench", description=__doc__ and __doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for program in PROGRAMS:
        program.add_to(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.command(arguments)
    except WorkflowError as error:
        print(error, file=sys.stderr)
        return 2
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
