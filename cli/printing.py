"""The only place where the programs print: text without control characters, and JSON on one line."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from ..engine.core.words import printable


def say(text: object) -> None:
    """Print a result to standard output."""
    print(printable(str(text)))


def complain(text: object) -> None:
    """Print a problem to standard error."""
    print(printable(str(text)), file=sys.stderr)


def complain_of_bug(error: BaseException | None) -> None:
    """Print an error that users can't fix to standard error, with its traceback."""
    complain("".join(traceback.format_exception(error)).rstrip())


def say_json(value: Any) -> None:
    """Print a JSON value on one line of printable ASCII, which reads back as the same value."""
    print(json.dumps(value).replace("\x7f", "\\u007f"))
