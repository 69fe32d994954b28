"""Everything that wants a GPU: its tests, then training steps at full size, into one JSON and one Markdown table.

    make gpu [PYTHON=python3] [DEVICE=cuda|cpu] [WHEELS=folder] [OUTPUT=folder]

It runs with the Python that is there, if that has torch. Other packages can come from a folder of wheels, so that no
network is needed: what `pip download --dest folder pytest diffusers transformers accelerate peft safetensors regex
filelock charset-normalizer` brings, without torch. Each part is a process of its own; one that fails is told in the
table, and the others go on. With ``DEVICE=cpu`` everything has a tiny size, to try the kit itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "benchmarks" / "gpu"
FAMILIES = ("sdxl", "z-image", "flux2")
LIMIT = 470.0
"""Seconds that all parts may take together."""
STEPS = {"cuda": "8", "cpu": "2"}


@dataclass(frozen=True)
class Part:
    """A process of its own."""

    name: str
    arguments: tuple[str, ...]
    """Of Python."""
    limit: float
    """Seconds."""
    rows: Path | None = None
    """File that it writes its results into."""


def parts(device: str, folder: Path) -> list[Part]:
    """What is run, the most telling first."""

    def tests(name: str, limit: float) -> Part:
        pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / name))
        return Part(f"tests/{name}", pytest, limit)

    def benchmark(script: str, name: str, *arguments: str, limit: float) -> Part:
        out = folder / f"{name}.json"
        given = (str(HERE / script), *arguments, "--device", device, "--out", str(out))
        return Part(f"{script} {' '.join(arguments)}".strip(), given, limit, out)

    # A tiny model takes less time than a process takes to begin.
    groups = [FAMILIES[1:]] if device == "cpu" else [(family,) for family in FAMILIES]
    found = [
        benchmark("card.py", "card", limit=60),
        tests("gpu", 150),
        *(benchmark("training.py", group[0], *group, "--steps", STEPS[device], limit=100) for group in groups),
    ]
    return found if device == "cpu" else [*found, tests("test_cuda.py", 180)]


def done(part: Part, environment: dict[str, str], log: Path, limit: float) -> dict[str, Any]:
    """Run a part; tells how long it took and how it ended."""
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        try:
            code = subprocess.run(
                [sys.executable, *part.arguments], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
                timeout=limit, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = None
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    ended = f"stopped after {limit:.0f} s" if code is None else lines[-1].strip("= ") if lines else ""
    return {"name": part.name, "ok": code == 0, "seconds": time.monotonic() - began, "ended": ended[:200]}


def result(device: str, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Run all parts; a failing row of a benchmark makes its part fail, too, unless the card is too small for it."""
    found: dict[str, Any] = {"device": device, "card": {}, "parts": [], "rows": []}
    began = time.monotonic()
    for number, part in enumerate(parts(device, folder)):
        left = LIMIT - (time.monotonic() - began)
        told = done(part, environment, folder / f"{number}.log", max(1.0, min(part.limit, left)))
        if part.rows is not None and part.rows.exists():
            rows = json.loads(part.rows.read_text(encoding="utf-8"))
            if isinstance(rows, dict):
                found["card"] = rows
            else:
                found["rows"] += rows
                failed = [row["error"] for row in rows if row.get("error", "out of memory") != "out of memory"]
                told |= {"ok": told["ok"] and not failed, "ended": failed[0] if failed else f"{len(rows)} rows"}
        found["parts"].append(told)
        ended = "ok    " if told["ok"] else "FAILED"
        print(f"{ended} {told['seconds']:6.1f} s  {part.name}: {told['ended']}", flush=True)
    return found


def table(found: dict[str, Any]) -> str:
    """The result as Markdown."""
    card = found["card"]
    facts = [card.get("card", found["device"]), f"torch {card.get('torch', 'unknown')}"]
    for key, text in (
        ("memory_gigabytes", "{:.0f} GB"),
        ("matrix_teraflops", "{:.3g} TFLOP/s in bf16 products"),
        ("copy_gigabytes_per_second", "{:.1f} GB/s from pinned memory"),
    ):
        if key in card:
            facts.append(text.format(card[key]))
    lines = [f"# {', '.join(facts)}", "", "| part | ended | seconds | |", "|---|---|---:|---|"]
    for part in found["parts"]:
        told = part["ended"].replace("|", "\\|")
        lines.append(f"| {part['name']} | {'ok' if part['ok'] else '**failed**'} | {part['seconds']:.0f} | {told} |")
    lines += [
        "",
        "Training at 1024 px, batch 1, rank 16; gigabytes at most, weights included."
        if found["device"] == "cuda"
        else "Tiny models: these figures say only that the kit works.",
        "",
        "| model | program | plan | ms a step | GB measured | GB counted |",
        "|---|---|---|---:|---:|---:|",
    ]
    for row in found["rows"]:
        if "milliseconds" in row:
            figures = [f"{row['milliseconds']:.0f}", _number(row, "gigabytes"), _number(row, "counted_gigabytes")]
        else:
            figures = [row["error"].replace("|", "\\|"), "", ""]
        lines.append(f"| {row['model']} | {row['program']} | {row['plan']} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def _number(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:.3g}" if key in row else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--wheels", default="", help="folder of wheels to take packages from")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "gpu")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as packages:
        Path(packages, "lora_workbench").symlink_to(ROOT)
        if args.wheels:
            wheels = [str(path) for path in sorted(Path(args.wheels).glob("*.whl"))]
            command = ["pip", "install", "--quiet", "--no-index", "--no-deps", "--target", packages, *wheels]
            subprocess.run([sys.executable, "-m", *command], check=True)
        path = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": path, "LW_GPU_TESTS": args.device, "PYTHONDONTWRITEBYTECODE": "1"}
        with tempfile.TemporaryDirectory() as folder:
            found = result(args.device, Path(folder), environment)
            for log in Path(folder).glob("*.log"):
                (args.output / log.name).write_bytes(log.read_bytes())
    (args.output / "result.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (args.output / "result.md").write_text(table(found), encoding="utf-8")
    print(f"\n{table(found)}\nIn {args.output}: result.md, result.json, and what each part printed.")
    return 0 if all(part["ok"] for part in found["parts"]) else 1


if __name__ == "__main__":
    sys.exit(main())
