"""What a step of each method takes: its time, and the memory that a run adds, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = 16
BENCHMARKS = Path(__file__).parents[1]


def cost_of(method: str, packages: Path, folder: Path) -> dict[str, float]:
    """The median ``seconds`` of a step, the ``memory`` that a short run adds at its peak and the ``bytes`` of its file.

    Args:
        method: by its name in the catalog.
        packages: the folder ``node_modules`` with the art.
        folder: has the class pictures, or gets them.
    """
    command = [sys.executable, "-m", "teaching.costs", method, str(packages.absolute()), str(folder.absolute())]
    done = subprocess.run(command, cwd=BENCHMARKS, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    sys.path.insert(0, str(BENCHMARKS.parent / "assets" / "make"))
    from .catalog import settings_of
    from .figures import Bench, Job

    method, packages, folder = sys.argv[1:]
    with tempfile.TemporaryDirectory() as runs:
        bench = Bench(Path(packages), Path(folder), pictures=1, runs=Path(runs))
        job = Job(method, {**settings_of(method), "steps": STEPS}, 1.0, "otter", 0)
        print(json.dumps(bench.trained(job)[1]))


if __name__ == "__main__":
    main()
