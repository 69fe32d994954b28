"""Errors that a user can mend: each says what came, what was expected and what to do next."""

from __future__ import annotations


class WorkbenchError(Exception):
    """Base of all errors that are meant for the user's eyes.

    Args:
        got: what came, with the name of the file, node or setting.
        expected: what would have been right.
        hint: what to do next.
    """

    def __init__(self, got: str, *, expected: str = "", hint: str = "") -> None:
        self.got, self.expected, self.hint = got, expected, hint
        lines = [got]
        if expected:
            lines.append(f"Expected: {expected}")
        if hint:
            lines.append(f"What to do: {hint}")
        super().__init__("\n".join(lines))


class ConfigError(WorkbenchError):
    """A setting is unknown, of the wrong type or out of range; all such settings are named at once."""


class DatasetError(WorkbenchError):
    """A folder, archive, picture or caption can't be used as a data set."""


class CaptionError(WorkbenchError):
    """Captions and trigger word don't fit together."""


class CaptionerError(WorkbenchError):
    """A captioning model is missing, incomplete or of a kind that isn't known."""


class BaseModelError(WorkbenchError):
    """A base model is missing, incomplete or of a family that isn't known."""


class AdapterError(WorkbenchError):
    """An adapter is damaged, or doesn't fit the base model."""


class OtherKindError(AdapterError):
    """What came as an adapter isn't a LoRA, or not that alone."""


class TrainingError(WorkbenchError):
    """A run can't start or had to stop; what it had is kept."""


class StorageError(WorkbenchError):
    """A file can't be written; what stood there before is unharmed."""


class WorkflowError(WorkbenchError):
    """A workflow file can't be run as it is; every problem is named at once."""
