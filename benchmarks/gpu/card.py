"""What the device is, and what it can do: bf16 products of large matrices, and copies from pinned host memory.

python benchmarks/gpu/card.py --out card.json [--device cuda]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def seconds(work: Callable[[], Any], device: str, times: int = 10) -> float:
    """Of one piece of work, after three that don't count."""
    for number in range(3 + times):
        if number == 3:
            if device == "cuda":
                torch.cuda.synchronize()
            began = time.perf_counter()
        work()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    args = parser.parse_args()
    found = {"torch": torch.__version__, "python": platform.python_version(), "system": platform.platform()}
    if args.device == "cuda":
        card = torch.cuda.get_device_properties(0)
        side = 8192
        host = torch.empty(2**28, dtype=torch.uint8, pin_memory=True)
        there = torch.empty_like(host, device="cuda")
        copy = seconds(lambda: there.copy_(host, non_blocking=True), "cuda")
        found |= {"card": card.name, "memory_gigabytes": card.total_memory / 1e9, "cuda": torch.version.cuda}
        found["copy_gigabytes_per_second"] = host.nbytes / copy / 1e9
    else:
        side = 256
        found["card"] = f"CPU ({platform.machine()}), tiny sizes"
    a, b = (torch.randn(side, side, device=args.device, dtype=torch.bfloat16) for _ in range(2))
    found["matrix_teraflops"] = 2 * side**3 / seconds(lambda: a @ b, args.device) / 1e12
    args.out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
