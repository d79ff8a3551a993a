"""The table of a tape: what every node holds, what came back to it, and what that took."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np

from ..tape import Node
from .reading import Reading, names_of
from .report import Format, Report, micro, number, plain, share, size

__all__ = ["TapeTable", "place", "statistics", "table"]


class TapeTable(Report):
    """One record for each node of a tape.

    The keys are ``index`` and ``position`` (on the tape), ``op``, ``name`` (of a parameter),
    ``reads`` (the indices of the operands), ``shape``, ``dtype``, ``line``; ``bytes``, which the
    node keeps for its derivative; ``rule_seconds`` and ``forward_seconds``; and, with ``value_``
    and ``cotangent_`` before them, ``min``, ``mean``, ``max`` (of finite elements), ``zeros`` and
    ``nonfinite`` (as parts of all).
    """

    columns: ClassVar[dict[str, tuple[str, Format]]] = {
        "index": ("#", number),
        "op": ("op", plain),
        "name": ("parameter", plain),
        "operands": ("reads", plain),
        "shape": ("shape", plain),
        "value_min": ("value: min", number),
        "value_mean": ("mean", number),
        "value_max": ("max", number),
        "value_zeros": ("zeros", share),
        "value_nonfinite": ("not finite", share),
        "cotangent_min": ("cotangent: min", number),
        "cotangent_mean": ("mean", number),
        "cotangent_max": ("max", number),
        "cotangent_zeros": ("zeros", share),
        "cotangent_nonfinite": ("not finite", share),
        "bytes": ("kept", size),
        "forward_seconds": ("forward µs", micro),
        "rule_seconds": ("rules µs", micro),
        "place": ("line", plain),
    }
    optional = ("name", "value_nonfinite", "cotangent_nonfinite", "forward_seconds")


def table(loss: Any, *args: Any, seed: Any = None, model: Any = None) -> TapeTable:
    """Return a table of all that a tensor depends on: values, cotangents, memory and time.

    Parameters
    ----------
    loss : Tensor or callable
        What to differentiate. Of a function, called with `args`, every value is known and the
        time of every operation; of a tensor, those values that the tape or somebody still holds,
        or that can be computed from these.
    *args
        Arguments of the function. If its result does not depend on a leaf, it is called again
        with floating-point arguments as leaves.
    seed : array_like, optional
        The cotangent of the result; may be left out for a single number.
    model : nn.Module, optional
        Leaves that are parameters of it are shown by their names.

    Returns
    -------
    TapeTable
        Prints as a table; iterate over it for the records.

    Raises
    ------
    GraphError, MutationError
        As `Tensor.backward`. Nothing is collected in ``grad``, and the tape remains.

    Examples
    --------
    >>> import autograd_core as ag
    >>> x = ag.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> rows = ag.diagnostics.table(ag.sum(ag.relu(x)))
    >>> [(row["op"], row["value_max"], row["cotangent_zeros"]) for row in rows]
    [('leaf', 2.0, 0.6666666666666666), ('relu', 2.0, 0.0), ('sum', 2.0, 0.0)]
    """
    reading = Reading("diagnostics.table", loss, args, seed)
    index = {node: i for i, node in enumerate(reading.nodes)}
    names = names_of(model)
    records = [
        _record(node, index, reading) | {"name": names.get(node, "")} for node in reading.nodes
    ]
    unknown = sum(node not in reading.values for node in reading.nodes)
    kept = size(kept_bytes(*reading.nodes))
    seconds = micro(sum(reading.backward.values()))
    nodes = "1 node" if len(records) == 1 else f"{len(records)} nodes"
    title = f"{nodes}; {kept} kept for the backward sweep, which took {seconds} µs"
    note = f"– : {unknown} values that nobody holds any more; pass a function to see all of them"
    return TapeTable(records, title, [note] if unknown else [])


def _record(node: Node, index: dict[Node, int], reading: Reading) -> dict[str, Any]:
    reads = [index[parent] for parent, _, _ in node.edges]
    values, cotangents = reading.values.get(node), reading.cotangents.get(node)
    if cotangents is None:  # no path for a cotangent, which is a zero one
        cotangents = np.zeros(node.shape, node.dtype)
    return {
        "index": index[node],
        "position": node.position,
        "op": node.name,
        "reads": reads,
        "operands": _brief(reads),
        "shape": node.shape,
        "dtype": str(node.dtype),
        "bytes": kept_bytes(node),
        "forward_seconds": reading.forward.get(node),
        "rule_seconds": reading.backward.get(node, 0.0) if node.op is not None else None,
        **{f"value_{name}": x for name, x in statistics(values).items()},
        **{f"cotangent_{name}": x for name, x in statistics(cotangents).items()},
        "line": node.line,
        "place": place(node.line),
    }


def place(line: str) -> str:
    """Return file and number of a line, without the path to the file."""
    return os.path.basename(line.partition(" in ")[0])


def _brief(reads: list[int]) -> str:
    shown = " ".join(map(str, reads[:4]))
    return f"{shown} and {len(reads) - 4} more" if len(reads) > 4 else shown


def kept_bytes(*nodes: Node) -> int:
    """Return how much memory nodes keep for their derivatives, each array counted once."""
    kept = (x for node in nodes for *_, values in node.edges for x in values)
    return sum({id(x): x.nbytes for x in kept if isinstance(x, np.ndarray)}.values())


def statistics(x: np.ndarray | None) -> dict[str, float | None]:
    """Return the extent of an array: of the finite elements, and how many are 0 or not finite."""
    names = ("min", "mean", "max", "zeros", "nonfinite")
    if x is None or not x.size:
        return dict.fromkeys(names)
    finite = np.isfinite(x)
    whole = bool(finite.all())
    counted = x if whole else x[finite]
    extent: list[float | None] = [None] * 3
    if counted.size:
        mean = counted.mean(dtype=np.result_type(x, float))
        extent = [float(counted.min()), float(mean), float(counted.max())]
    shares = [float(np.mean(x == 0)), 0.0 if whole else 1.0 - float(np.mean(finite))]
    return dict(zip(names, [*extent, *shares], strict=True))
