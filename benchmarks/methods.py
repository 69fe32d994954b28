"""Which ways of training teach better: likeness, drift, time and size on four data sets that nobody tuned to.

    npm install --prefix build/emoji emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 \\
        @lobehub/fluent-emoji-3d@1.1.0
    python benchmarks/methods.py --packages build/emoji/node_modules            all that is missing, for hours
    python benchmarks/methods.py --packages build/emoji/node_modules --methods "min-SNR 5" --seeds 0
    python benchmarks/methods.py --packages build/emoji/node_modules --script train_dreambooth_lora.py
    python benchmarks/methods.py                                                the tables of what has been measured

Two subjects and two styles of art that the demo base hasn't seen (``teaching/sets.py``), equal steps. The rate of each
method is searched for on the first subject and the first style with one seed: of three or four, the one that comes
nearest among those that drift no more than 1.1 times as far as the recipe at its own rate. The first table is that
search, the second has all sets and three other seeds. What has been measured is kept in ``teaching/results.json`` after
each training, and isn't measured again; ``--seeds`` without numbers stops at the search. With ``--script``, diffusers'
own trainer is the last two rows; the Python that runs this then needs accelerate and torchvision too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "assets" / "make"))

from measuring import table, write_json
from teaching.catalog import METHODS, SCRIPTS, rates_of, settings_of
from teaching.costs import cost_of
from teaching.figures import Bench, Job
from teaching.sets import SETS

RESULTS = Path(__file__).parent / "teaching" / "results.json"
SEARCHED = ("otter", "mosaic")
SEARCH_SEED = 0
SEEDS = (1, 2, 3)
DRIFT_ALLOWED = 1.1
"""Of the recipe's own."""


class Results:
    """Measured figures by the names of jobs, kept in a file."""

    def __init__(self, path: Path, bench: Bench | None) -> None:
        self._path, self._bench = path, bench
        self._known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def of(self, job: Job) -> dict[str, float] | None:
        """The figures of a job, measured now if need be; ``None`` if nothing can be measured now."""
        if job.name not in self._known and self._bench:
            found = self._kept(job.name, self._bench.measured(job) | {"settings": dict(job.settings)})
            print(f"{job.name}: distance {found['distance']:.4f} of {found['base']:.4f}, drift {found['drift']:.3f}")
        return self._known.get(job.name)

    def cost(self, method: str) -> dict[str, float] | None:
        """What a step of a method takes, measured now if need be; ``None`` for references, and if it can't be had."""
        name = f"{method} | cost"
        if name not in self._known and self._bench and method in METHODS:
            found = self._kept(name, cost_of(method, self._bench.packages, self._bench.folder))
            print(f"{name}: {found['seconds'] * 1000:.0f} ms a step")
        return self._known.get(name)

    def _kept(self, name: str, figures: dict[str, Any]) -> dict[str, Any]:
        self._known[name] = figures
        write_json(self._path, dict(sorted(self._known.items())))
        return figures

    def left(self, jobs: list[Job]) -> tuple[float, float] | None:
        """Mean share of the base's distance that is left, and mean drift, over jobs that are all measured."""
        found = [figures for job in jobs if (figures := self.of(job))]
        if len(found) < len(jobs):
            return None
        return mean(one["distance"] / one["base"] for one in found), mean(one["drift"] for one in found)


def best_rate(results: Results, method: str) -> float:
    """By the search; the recipe's own where it hasn't been made."""
    allowed = results.left(_search("recipe", 1.0))
    rates = rates_of(method)
    if len(rates) == 1:
        return rates[0]
    found = {rate: left for rate in rates if (left := results.left(_search(method, rate)))}
    if not allowed or not found:
        return 1.0
    fine = {rate: left for rate, (left, drift) in found.items() if drift <= DRIFT_ALLOWED * allowed[1]}
    return min(fine, key=lambda rate: fine[rate]) if fine else min(found, key=lambda rate: found[rate][1])


def _search(method: str, rate: float) -> list[Job]:
    return [Job(method, settings_of(method), rate, name, SEARCH_SEED) for name in SEARCHED]


def rows_of_search(results: Results, methods: list[str]) -> Iterator[list[str]]:
    """A row for each method and rate that the search has measured; the rate that it found has a star.

    ``nearer`` and ``drift`` are beside the recipe's: 10 % nearer is a tenth less distance, on average over the sets. A
    step, and megabytes of memory and file, come from a short run in a process of its own (``teaching/costs.py``).
    """
    recipe = _measured(results, "recipe", 1.0)
    for method in methods if recipe else []:
        best, tried = best_rate(results, method), {rate: _measured(results, method, rate) for rate in rates_of(method)}
        for rate, found in tried.items():
            if not found:
                continue
            nearer = 1 - mean(one["distance"] / beside["distance"] for one, beside in zip(found, recipe, strict=True))
            drift = mean(one["drift"] for one in found) / mean(beside["drift"] for beside in recipe)
            yield [
                method,
                f"{rate:g}{' *' if rate == best and sum(map(bool, tried.values())) > 1 else ''}",
                *(f"{one['distance']:.3f}" for one in found),
                f"{nearer:+.0%}",
                f"{drift - 1:+.0%}",
                *_costs(results.cost(method)),
            ]


def _costs(cost: dict[str, float] | None) -> list[str]:
    """Milliseconds of a step, and the megabytes of memory and file."""
    if cost is None:
        return ["-", "-", "-"]
    return [f"{cost['seconds'] * 1000:.0f}", f"{cost['memory'] / 1e6:.0f}", f"{cost['bytes'] / 1e6:.2f}"]


def _measured(results: Results, method: str, rate: float) -> list[dict[str, float]]:
    """The figures of the search's jobs, or none if not all of them can be had."""
    found = [results.of(job) for job in _search(method, rate)]
    return [one for one in found if one] if all(found) else []


def rows(results: Results, methods: list[str], seeds: list[int]) -> Iterator[list[str]]:
    """A row for each method that has been measured on all sets with some of these seeds.

    ``beats`` counts the trainings that end nearer than the recipe's on the same set with the same seed.
    """
    recipe = _on_all_sets(results, "recipe", 1.0, seeds)
    for method in methods:
        rate = best_rate(results, method)
        found = _on_all_sets(results, method, rate, seeds)
        if not found:
            continue
        shared = found.keys() & recipe.keys() if method != "recipe" else set[tuple[str, int]]()
        better = sum(found[job]["distance"] < recipe[job]["distance"] for job in shared)
        yield [
            method,
            f"{rate:g}",
            *(_spread([one["distance"] for (of, _), one in found.items() if of == name]) for name in SETS),
            f"{1 - mean(one['distance'] / one['base'] for one in found.values()):.1%}",
            f"{mean(one['drift'] for one in found.values()):.3f}",
            f"{better} of {len(shared)}" if shared else "-",
        ]


def _on_all_sets(
    results: Results, method: str, rate: float, seeds: list[int]
) -> dict[tuple[str, int], dict[str, float]]:
    """The figures by set and seed, of the seeds that can be had on all sets: other means would be no comparison."""
    jobs = {(name, seed): Job(method, settings_of(method), rate, name, seed) for seed in seeds for name in SETS}
    found = {of: one for of, job in jobs.items() if (one := results.of(job))}
    return {(name, seed): one for (name, seed), one in found.items() if all((of, seed) in found for of in SETS)}


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{mean(values):.3f} ±{stdev(values):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="the folder node_modules; without it, nothing is measured")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--pictures", type=int, default=32, help="drawn for each figure")
    parser.add_argument("--folder", type=Path, default=Path("build") / "methods", help="for runs and class pictures")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--script", type=Path, help="diffusers' train_dreambooth_lora.py, as the reference")
    args = parser.parse_args()
    bench = Bench(args.packages, args.folder, args.pictures, args.script) if args.packages else None
    results = Results(args.results, bench)
    methods = [*args.methods, *(SCRIPTS if args.script or not bench else [])]
    if searched := [*rows_of_search(results, methods)]:
        head = ["one seed", "rate", *SEARCHED, "nearer", "drift", "ms/step", "memory", "file"]
        print(table(head, searched), end="\n\n")
    if found := [*rows(results, methods, args.seeds)]:
        print(table(["method", "rate", *SETS, "nearer", "drift", "beats"], found))
    if not searched and not found:
        print("Nothing has been measured yet; --packages names the folder with the art to measure with.")


if __name__ == "__main__":
    main()
