"""A fresh process on its way to the first compiled result: it prints what took how long, as JSON.

Run by `benchmarks.compile_latency`. The packages are imported one after the other, on the clock,
so there are none at the top.
"""

from __future__ import annotations

import json
import time
from importlib import import_module
from typing import Any

WORKLOAD = "digits"
PATIENCE = 16  # calls; two recordings and an audit come before the program


class Laps:
    """What happened between two looks at the clock, by name and in order."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self.last
        self.last = now


def run() -> dict[str, Any]:
    laps = Laps()
    np = import_module("numpy")
    laps.lap("import numpy")
    ours = import_module("benchmarks.contenders.ours")
    laps.lap("import autograd_core, nn, optim")
    import_module("numba")
    laps.lap("import numba")
    bench = ours.Eager(WORKLOAD)
    learn = ours.compiled_step(bench.model, bench.criterion, bench.optimizer)
    labels, rng = ours.ag.tensor(bench.y), np.random.default_rng(0)
    laps.lap("make model and optimizer")
    for call in range(1, PATIENCE + 1):
        learn(ours.ag.tensor(rng.standard_normal(bench.x.shape, np.float32)), labels)
        compiled = any(kind.runs for kind in learn.kinds.values())
        laps.lap(f"call {call}, {'compiled' if compiled else 'recorded'}")
        if compiled:
            kernels = import_module("autograd_core.kernels.jit").count()
            return {"seconds": laps.seconds, "kernels": kernels}
    raise SystemExit(learn.explain())


if __name__ == "__main__":
    print(json.dumps(run()))
