"""How long the inspection of photographs of 2 megapixels takes, beside cleanvision, and how much memory.

    python benchmarks/inspection.py [--pictures 1000] [--cleanvision PYTHON]

The photographs are those of ``tests/photographs``, enlarged, with grain, each cropped and tinted differently, as JPEGs
of quality 92. Each count runs in a process of its own, so that the peaks of memory can be compared.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = Path(__file__).parents[1] / "tests" / "photographs"
SIZE = (1632, 1224)
_CLEANVISION = """
import sys, time
from cleanvision import Imagelab
began = time.perf_counter()
Imagelab(data_path=sys.argv[1]).find_issues(n_jobs=2, verbose=False)
print("SECONDS", time.perf_counter() - began)
"""


def write(folder: Path, count: int) -> None:
    """Write ``count`` different photographs."""
    originals = [Image.open(path).convert("RGB") for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]

    def one(number: int) -> None:
        rng = np.random.default_rng(number)
        image = originals[number % len(originals)]
        width, height = (int(side * rng.uniform(0.5, 1.0)) for side in image.size)
        left, top = int(rng.integers(0, image.width - width + 1)), int(rng.integers(0, image.height - height + 1))
        grown = image.crop((left, top, left + width, top + height)).resize(SIZE, Image.Resampling.BICUBIC)
        pixels = np.asarray(grown, np.float32) * rng.uniform(0.8, 1.1, 3)
        pixels += rng.normal(0, 6, SIZE[::-1])[..., None]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=92)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, range(count)))


def inspect_folder(folder: str) -> None:
    """Read and inspect; prints both times and the growth of memory."""
    from lora_workbench.engine.data.loading import load_dataset
    from lora_workbench.engine.inspection.inspector import inspect

    began = time.perf_counter()
    dataset = load_dataset(folder)
    read = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for again in (False, True):
        started, worked = time.perf_counter(), time.process_time()
        for _ in inspect(dataset):
            pass
        label = "again, from the cache" if again else "inspected"
        worked = time.process_time() - worked
        print(f"  {label}: {time.perf_counter() - started:.1f} s, {worked:.1f} s of a core's time")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  read: {read - began:.1f} s; memory: {peak:.0f} MB at its peak, {peak - before:.0f} MB of it by inspecting"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--cleanvision", type=Path, help="a Python that has cleanvision")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder:
        inspect_folder(args.folder)
        return
    for count in (args.pictures // 4, args.pictures):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), count)
            print(f"{count} photographs of {SIZE[0]} x {SIZE[1]} pixels", flush=True)
            subprocess.run([sys.executable, __file__, "--folder", folder], check=True)
            if args.cleanvision and count == args.pictures:
                told = subprocess.run(
                    [args.cleanvision, "-c", _CLEANVISION, folder], check=True, capture_output=True, text=True
                ).stdout
                print(f"  cleanvision: {float(told.rsplit('SECONDS', 1)[1]):.1f} s")


if __name__ == "__main__":
    main()
