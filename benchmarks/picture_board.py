"""Which faults the picture board finds: five in each of four data sets of art that the demo base hasn't seen.

    npm install --prefix build/emoji emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 \\
        @lobehub/fluent-emoji-3d@1.1.0
    python benchmarks/picture_board.py --packages build/emoji/node_modules             all that is missing
    python benchmarks/picture_board.py --packages build/emoji/node_modules --sets otter --seeds 0
    python benchmarks/picture_board.py                                                 the table of what was measured

Two subjects and two styles (``teaching/sets.py``) with faults planted by a seed (``teaching/faults.py``): other animals
and things in the subject's place, pictures in other styles, and captions of other pictures. A fault counts as found if
its picture is a suspect; every other suspect is a false alarm. The figures are kept in ``teaching/board.json``.

"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "assets" / "make"))

from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.picture_board import picture_board
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.suggestions import suggest
from measuring import table, write_json
from teaching.faults import planted
from teaching.sets import SETS

RESULTS = Path(__file__).parent / "teaching" / "board.json"
BASE = Path(__file__).parents[1] / "assets" / "demo_base"
SEEDS = (0, 1, 2)
"""Of the faults. The limits of ``engine/evaluation/board.py`` were chosen on the first."""


def measured(name: str, seed: int, packages: Path, folder: Path) -> dict[str, Any]:
    """The board of one data set with faults, as plain values, each picture with its planted fault."""
    dataset, faults = planted(name, packages, seed)
    base = load_base(BASE, device="cpu", precision="fp32")
    recipe = suggest(SETS[name].goal, len(dataset), base.info)
    events = picture_board(base, dataset, recipe, store=RunStore(folder / "runs"))
    while True:
        try:
            next(events)
        except StopIteration as end:
            made = end.value
            break
    print(f"{name}, faults {seed}\n{made}\n", flush=True)
    facts = made.facts()
    return facts | {"pictures": [own | {"planted": faults.get(own["name"], "")} for own in facts["pictures"]]}


def rows(results: dict[str, Any]) -> list[list[str]]:
    """Found faults and false alarms of each board, and of all boards of a seed."""
    made = []
    for seed in sorted({key.split(" | ")[1] for key in results}):
        boards = {key.split(" | ")[0]: own for key, own in results.items() if key.endswith(f" | {seed}")}
        for name, pictures in [*((n, b["pictures"]) for n, b in boards.items()), ("all", _all(boards))]:
            faults = [own for own in pictures if own["planted"]]
            right = [own for own in pictures if not own["planted"]]
            found, alarms = (sum(own["place"] == "suspect" for own in part) for part in (faults, right))
            missed = ", ".join(own["planted"] for own in faults if own["place"] != "suspect")
            made.append([name, seed, f"{found} of {len(faults)}", f"{alarms} of {len(right)}", missed])
    return made


def _all(boards: dict[str, Any]) -> list[dict[str, Any]]:
    return [own for made in boards.values() for own in made["pictures"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="the folder node_modules; without it, nothing is measured")
    parser.add_argument("--folder", type=Path, default=Path("build/board"), help="for the run store")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="of the faults")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    jobs = [(name, seed) for seed in args.seeds for name in args.sets] if args.packages else []
    for name, seed in jobs:
        if f"{name} | {seed}" not in results:
            results[f"{name} | {seed}"] = measured(name, seed, args.packages, args.folder)
            write_json(RESULTS, dict(sorted(results.items())))
    print(table(["data set", "faults", "found", "false alarms", "missed"], rows(results)))


if __name__ == "__main__":
    main()
