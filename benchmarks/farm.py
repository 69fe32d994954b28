"""A farm on one machine: 1,000 jobs over 50 workers that share one output folder, with everything that goes wrong.

    python benchmarks/farm.py --run            twice: undisturbed, then with trouble; ten to twenty minutes of two cores
    python benchmarks/farm.py                  the table of what has been measured

Jobs are trainings and batches on a tiny SD1.x, small enough that a core does two in a second, each by
`lora-workbench train` or `generate` as in docs/farms. Workers are processes that are killed in the middle of a job by
SIGKILL, alone or many at once, stand still for two seconds, find no space on the disk for a second, and are given the
same job at the same time. Files of the run store and of batches lose their second half. At the end every tenth job and
all whose files were torn are started once more.

All files that jobs save are compared with those of a farm to which nothing happens. Work is counted by
the events that jobs give: a step of a training, or of drawing a picture, that is computed more often than what was
destroyed by a kill, a full disk or a torn file can explain is told as unexplained.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "assets" / "make"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from farming.accounts import differences, figures, saved, trained, work_of
from farming.jobs import Job, in_random_order, make_jobs
from farming.scheduler import Farm, Trouble
from lora_workbench.engine.core.ownership import sweep
from measuring import table, write_json
from nursery import import_everything
from tiny import save_tiny_sd1

RESULTS = Path(__file__).parent / "farming" / "results.json"
TROUBLE = Trouble(killed=0.15, stopped=0.02, torn=0.05, outages=2, full=2)
TWICE = 0.05
"""Share of the jobs that two workers are given at once."""


def simulated(folder: Path, count: int, workers: int, trouble: Trouble, seed: int) -> dict[str, Any]:
    """A farm without trouble, then one with it; figures of both, and where their results differ.

    Args:
        folder: for everything; that of an earlier call goes on with its undisturbed farm.
        count: of jobs.
        workers: processes.
        trouble: what happens to them.
        seed: of when it happens.
    """
    jobs, rng = make_jobs(folder, _base(folder / "base"), count), random.Random(seed)
    calm = Farm(jobs, folder / "calm", workers, Trouble(), seed)
    calm.run(range(count))
    shutil.rmtree(folder / "farm", ignore_errors=True)
    order = in_random_order(jobs, TWICE, rng)
    farm = Farm(jobs, folder / "farm", workers, trouble, seed)
    farm.run(order)
    again = _again(jobs, farm, rng)
    torn, farm.torn = farm.torn, []
    checked = Farm(jobs, folder / "farm", workers, Trouble(), seed)
    checked.run(again)
    left = sweep([folder / "farm"])
    farm.torn = torn
    farm_saved, calm_saved = saved(folder / "farm"), saved(folder / "calm")
    return {
        "workers": workers,
        "undisturbed": figures(jobs, calm, range(count)),
        "disturbed": figures(jobs, farm, order),
        "started once more": len(again),
        "steps computed then": sum(work["computed"] for work in work_of(jobs, checked.attempts, []).values()),
        "results": len(calm_saved),
        "results that differ": differences(farm_saved, calm_saved),
        "runs that differ": differences(trained(folder / "farm"), trained(folder / "calm")),
        "partial files left": len(left) + len([*(folder / "farm").rglob("*.partial")]),
    }  # fmt: skip


def _base(folder: Path) -> Path:
    """A tiny base model, made by another process: this one may not begin to compute before it is forked."""
    maker = multiprocessing.get_context("fork").Process(target=save_tiny_sd1, args=(folder,))
    maker.start()
    maker.join()
    return folder


def _again(jobs: Sequence[Job], farm: Farm, rng: random.Random) -> list[int]:
    """Jobs to start once more: a tenth, and those of which a file was torn."""
    lineages = {told.value[:24]: attempt.job for attempt in farm.attempts for told in attempt.told
                if told.what == "lineage"}  # fmt: skip
    names = lineages | {job.name: number for number, job in enumerate(jobs)}
    torn = {names[part] for path in farm.torn for part in Path(path).parts if part in names}
    return sorted(torn | {*rng.sample(range(len(jobs)), max(1, len(jobs) // 10))})


def as_table(found: dict[str, Any]) -> str:
    rows = []
    for name in dict.fromkeys([*found["undisturbed"], *found["disturbed"]]):
        cells = [found[farm].get(name, 0) for farm in ("undisturbed", "disturbed")]
        if isinstance(cells[0], dict) or isinstance(cells[1], dict):
            rows += [[f"{name} {part}", *(str(cell[part]) for cell in cells)] for part in cells[1]]
        else:
            rows.append([name, *(f"{cell:.4g}" for cell in cells)])
    rest = [name for name in found if name not in ("undisturbed", "disturbed")]
    rows += [[name, "", str(len(found[name]) if isinstance(found[name], list) else found[name])] for name in rest]
    return table([f"{found['disturbed']['jobs']} jobs", "undisturbed", f"{found['workers']} workers"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="run the farms; without it, nothing is measured")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--killed", type=float, default=TROUBLE.killed, help="share of the jobs whose worker is killed")
    parser.add_argument("--folder", type=Path, help="for the farms; by default a temporary one")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.run:
        import_everything()
        with tempfile.TemporaryDirectory() as temporary:
            folder = args.folder or Path(temporary)
            trouble = replace(TROUBLE, killed=args.killed)
            found = simulated(folder.absolute(), args.jobs, args.workers, trouble, args.seed)
        write_json(args.results, found)
    if not args.results.exists():
        sys.exit(f"Nothing has been measured yet: {args.results} is missing.")
    print(as_table(json.loads(args.results.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
