"""Looking at hostile data sets in a process of its own."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

from hostile.data_sets import Build, data_sets
from lora_workbench.engine.core.errors import WorkbenchError
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.remarks import remarks


def load_and_look(build: Build, root: Path) -> str:
    """What is said of an input; every picture of it is decoded."""
    try:
        dataset = load_dataset(build(root))
    except WorkbenchError as error:
        return str(error)
    for record in dataset:
        try:
            record.load()
        except WorkbenchError as error:
            return str(error)
    return "\n".join(["loaded", *remarks(dataset)])


def look_at(folder: Path, results: Any) -> None:
    """In a process of its own: what is said of each input, or the traceback; at last the most memory in kB."""
    for number, (name, build) in enumerate(data_sets().items()):
        root = folder / str(number)
        root.mkdir()
        try:
            said = load_and_look(build, root)
        except BaseException:
            results.put((name, "", traceback.format_exc()))
        else:
            results.put((name, said, ""))
    results.put(("", most_memory(), ""))


def most_memory() -> str:
    """In kB, of this program alone: what getrusage says begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return re.findall(r"VmHWM:\s+(\d+) kB", status)[0]
