"""What a file system says of a file without reading it."""

from __future__ import annotations

import os
from pathlib import Path


def file_stamp(file: Path | os.DirEntry[str]) -> list[int]:
    """Size in bytes, times of the last change of content and of status in nanoseconds, and the file's number.

    Two files that swap names keep size and time of their content, and so does an edit of equal length by a program that
    restores the time; their numbers and times of status differ. All are -1 where there is no such file.
    """
    try:
        status = os.stat(file)  # an entry's own stat() has no file number on Windows
    except OSError:  # a broken link, or a file that was just deleted
        return [-1, -1, -1, -1]
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def tree_stamp(path: Path) -> list[list[int | str]]:
    """The stamp of a file, or of every file below a folder with its name, in order."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [[file.relative_to(path).as_posix(), *file_stamp(file)] for file in files]
