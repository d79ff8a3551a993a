"""Right operations at awkward points: how often does `gradcheck` call a rule wrong.

    python -m benchmarks.false_alarms [--rounds N] [--seed N] [--only NAME]

Every operation with a derivative is checked at the points that it declares, and at others of the
same shapes, where its function may have kinks or no derivative at all: at integers, with ties and
zeros, at constant arrays, at singular matrices and such with equal eigenvalues, far out and close
to zero. A verdict of wrong, nondeterministic or impure is an alarm. Points at which an operation
raises or is not finite do not count.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import autograd_core as ag
from autograd_core.declare import COMPOSITES
from autograd_core.domains import Interval
from autograd_core.tensor import Tensor
from autograd_core.tree import flatten
from benchmarks.harness import table

__all__ = ["KINDS", "NAMES", "Point", "check", "main", "points"]

LARGEST = 24  # entries of the inputs together
Generator = np.random.Generator
Change = Callable[[Generator, np.ndarray], np.ndarray]


class Point(NamedTuple):
    """A function with its inputs, and how they came to be."""

    name: str
    kind: str
    f: Callable[..., Any]
    inputs: tuple[Any, ...]


# ---------------------------------------------------------------------- from one point to another


def integers(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Small integers of either sign: zeros and ties abound."""
    return rng.integers(-2, 3, x.shape).astype(x.dtype)


def naturals(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Small integers from 0 up."""
    return rng.integers(0, 4, x.shape).astype(x.dtype)


def rounded(rng: Generator, x: np.ndarray) -> np.ndarray:
    """The integers next to the declared point."""
    return np.rint(x)


def halves(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Multiples of 1/2 up to 4: where activations have their bounds."""
    return 0.5 * rng.integers(-8, 9, x.shape).astype(x.dtype)


def zeros(rng: Generator, x: np.ndarray) -> np.ndarray:
    """All zeros."""
    return np.zeros_like(x)


def constant(rng: Generator, x: np.ndarray) -> np.ndarray:
    """All entries equal."""
    return np.full_like(x, rng.choice([-1.0, 1.0, 0.7]))


def tied(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Some entries are equal to others."""
    flat = x.ravel()
    return flat[rng.integers(0, max(1, flat.size // 2), flat.size)].reshape(x.shape)


def holed(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Some entries are zero."""
    return np.where(rng.random(x.shape) < 0.4, 0.0, x)


def normal(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Normal numbers, whatever is declared."""
    return np.asarray(rng.normal(size=x.shape))


def tiny(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Close to zero."""
    return np.asarray(x * 10.0 ** rng.integers(-12, -3))


def great(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Far out."""
    return np.asarray(x * 10.0 ** rng.integers(2, 9))


def beside(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Integers, missed by a little: kinks very close by."""
    return np.asarray(integers(rng, x) + rng.normal(size=x.shape) * 10.0 ** rng.integers(-14, -4))


def scalar_matrix(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Multiples of the identity: all eigenvalues are equal."""
    return np.asarray(_square(x) * rng.choice([1.0, 2.0, -1.0]))


def low_rank(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Symmetric matrices of rank one."""
    v = rng.integers(-2, 3, x.shape[:-1]).astype(float)
    return np.asarray(_square(x) * 0 + v[..., :, None] * v[..., None, :])


def paired(rng: Generator, x: np.ndarray) -> np.ndarray:
    """Symmetric matrices with an eigenvalue that occurs several times."""
    n = x.shape[-1]
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    values = rng.integers(1, 3, n).astype(float)
    return np.asarray(_square(x) * 0 + (q * values) @ q.T)


def _square(x: np.ndarray) -> np.ndarray:
    """Return identities of the shape of x."""
    return np.broadcast_to(np.eye(x.shape[-1]), x.shape)


ANY: dict[str, Change] = {
    f.__name__: f
    for f in (integers, naturals, rounded, halves, zeros, constant, tied, holed, normal, tiny,
              great, beside)
}  # fmt: skip
MATRICES: dict[str, Change] = {"scalar matrix": scalar_matrix, "low rank": low_rank,
                               "paired": paired}  # fmt: skip
KINDS = ["declared", *ANY, *MATRICES]

# ---------------------------------------------------------------------- operations


def _names() -> list[str]:
    ops = [name for name, op in ag.OPS.items() if not op.nondiff]
    return ops + [name for name, f in COMPOSITES.items() if not f.facets.get("nondiff")]  # type: ignore[attr-defined]


NAMES = _names()


def points(name: str, rng: Generator) -> Iterator[Point]:
    """Yield points of an operation, one of each kind for each that it declares."""
    declared = _declared_of_op(name, rng) if name in ag.OPS else _declared_of_composite(name, rng)
    for f, inputs in declared:
        leaves, build = flatten(inputs)
        where = [i for i, leaf in enumerate(leaves) if _is_floating(leaf)]
        if not where or sum(leaves[i].size for i in where) > LARGEST:
            continue
        yield Point(name, "declared", f, inputs)
        for kind, change in (ANY | _matrices(leaves, where)).items():
            moved = [change(rng, x) if i in where else x for i, x in enumerate(leaves)]
            yield Point(name, kind, f, tuple(build(moved)))


def _is_floating(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"


def _matrices(leaves: list[Any], where: list[int]) -> dict[str, Change]:
    shapes = [leaves[i].shape for i in where]
    return MATRICES if all(len(s) >= 2 and s[-1] == s[-2] for s in shapes) else {}


def _declared_of_op(name: str, rng: Generator) -> Iterator[tuple[Callable[..., Any], Any]]:
    op = ag.OPS[name]
    for operands, attributes in _applications(op, rng):
        tracked = [i for i in range(len(operands)) if op.variadic or op.operands[i] in op.rules]

        def f(*xs: Any, operands: Any = operands, attributes: Any = attributes,
              tracked: Any = tracked) -> Any:  # fmt: skip
            full = list(operands)
            for i, x in zip(tracked, xs, strict=True):
                full[i] = x
            return op(full, **attributes) if op.variadic else op(*full, **attributes)

        yield f, tuple(operands[i] for i in tracked)


def _applications(op: Any, rng: Generator) -> Iterator[tuple[Any, Any]]:
    if "samples" in op.facets:
        yield from op.facets["samples"](rng)
        return
    domain = op.facets.get("domain") or (Interval(),) * len(op.operands)
    yield [d.sample(rng, (5,)) for d in domain], {}
    if len(domain) > 1:
        shapes = [(2, 3), (3,), (2, 1)]
        yield [d.sample(rng, s) for d, s in zip(domain, shapes, strict=False)], {}


def _declared_of_composite(name: str, rng: Generator) -> Iterator[tuple[Callable[..., Any], Any]]:
    composite = COMPOSITES[name]
    for arguments, named in composite.facets["samples"](rng):  # type: ignore[attr-defined]

        def f(*xs: Any, named: Any = named) -> Any:
            leaves, _ = flatten(composite(*xs, **named))
            return [leaf for leaf in leaves if not _is_counted(leaf)]

        yield f, tuple(arguments)


def _is_counted(leaf: Any) -> bool:
    """Whether part of a result is of integers, as counts and positions are."""
    return np.asarray(leaf.numpy() if isinstance(leaf, Tensor) else leaf).dtype.kind != "f"


# ---------------------------------------------------------------------- the sweep


def check(point: Point, **options: Any) -> Any:
    """Return the report on a point."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ag.gradcheck(point.f, *point.inputs, **options)


def main() -> None:
    """Check everything, print counts and every alarm."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.false_alarms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one operation")
    args = parser.parse_args()
    start, counts, alarms = time.perf_counter(), Counter[tuple[str, str]](), 0
    for round_ in range(args.rounds):
        for i, name in enumerate([args.only] if args.only else NAMES):
            for point in points(name, np.random.default_rng((args.seed, round_, i))):
                report = check(point)
                counts[point.kind, report.verdict] += 1
                if report.failed and report.verdict != "invalid":
                    alarms += 1
                    print(f"{point.name}, {point.kind}, {point.inputs}: {report}", flush=True)
    print(_summary(counts))
    valid = sum(n for (_, verdict), n in counts.items() if verdict != "invalid")
    print(f"{alarms} alarms at {valid} points; {time.perf_counter() - start:.0f} s")


def _summary(counts: Counter[tuple[str, str]]) -> str:
    verdicts = sorted({verdict for _, verdict in counts})
    rows = [[kind, *(str(counts[kind, verdict]) for verdict in verdicts)] for kind in KINDS]
    return table(["points", *verdicts], rows)


if __name__ == "__main__":
    main()
