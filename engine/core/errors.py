"""Errors that a user can fix: each says what was found, what was expected and what to do next."""

from __future__ import annotations

from .words import printable


class WorkbenchError(Exception):
    """Base class of all errors shown to users.

    Args:
        got: what was found, naming the file, node or setting. Control characters of names in it are escaped in the
            error's text, and kept in the attribute.
        expected: what would have been accepted.
        hint: what to do next.
    """

    def __init__(self, got: str, *, expected: str = "", hint: str = "") -> None:
        self.got, self.expected, self.hint = got, expected, hint
        lines = [got]
        if expected:
            lines.append(f"Expected: {expected}")
        if hint:
            lines.append(f"What to do: {hint}")
        super().__init__(printable("\n".join(lines)))  # hosts print it to terminals


def in_a_line(error: WorkbenchError) -> str:
    """What was found and what was expected, for lists of several errors that are fixed in one place."""
    return f"{error.got} Expected: {error.expected}." if error.expected else error.got


class ConfigError(WorkbenchError):
    """Settings are unknown, of the wrong type or out of range; the message lists all of them."""


class DatasetError(WorkbenchError):
    """A folder, archive, picture or caption can't be used as a data set."""


class CaptionError(WorkbenchError):
    """Captions are missing, or don't contain the trigger word."""


class CaptionerError(WorkbenchError):
    """A captioning model is missing, incomplete or of an unknown kind."""


class BaseModelError(WorkbenchError):
    """A base model is missing, incomplete or of an unknown family."""


class AdapterError(WorkbenchError):
    """An adapter is damaged, or doesn't fit the base model."""


class OtherKindError(AdapterError):
    """The file or state dict isn't a LoRA, or holds more than a LoRA."""


class TrainingError(WorkbenchError):
    """A run can't start, or had to stop; its training state is kept."""


class RemoteError(WorkbenchError):
    """A hosted trainer refuses, fails or can't be reached."""


class StorageError(WorkbenchError):
    """A file can't be written; the previous file is untouched."""


class WorkflowError(WorkbenchError):
    """A workflow can't be run as it is; the message lists every problem."""
