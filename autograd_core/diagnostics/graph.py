"""A tape as a graph small enough to look at: boxes for nodes and runs of nodes, and arrows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..tape import Leaf, Node
from .overview import statistics
from .reading import Reading
from .report import number, share

__all__ = ["Box", "Graph"]


class Box:
    """What stands for a node, for a run of nodes that only lead to one another, or for the rest.

    Attributes
    ----------
    nodes : list of Node
    title : str
    lines : list of str
        What stands below the title.
    kind : str
        "leaf", "op", "result", "bad" (not finite), "dead" (a zero cotangent) or "rest".
    """

    def __init__(self, nodes: Sequence[Node], title: str, lines: list[str], kind: str) -> None:
        self.nodes = list(nodes)
        self.title = title
        self.lines = lines
        self.kind = kind


class Graph:
    """The boxes and arrows of a tape.

    Attributes
    ----------
    boxes : list of Box
        Every arrow points forwards in it.
    edges : list of (int, int)
    read : dict
        For each of them, which nodes are read.
    notes : list of str
        What is not drawn one by one.
    """

    def __init__(self, reading: Reading, most: int, names: Mapping[Node, str]) -> None:
        self.reading = reading
        self.names = names
        self.notes: list[str] = []
        groups = [[node] for node in reading.nodes]
        if len(groups) > most:
            groups = _runs(reading.nodes)
            count = len(reading.nodes) - len(groups)
            if count:
                self.notes.append("of a run of nodes: value of the last, cotangent of the first")
        rest: list[Node] = []
        if len(groups) > most:
            rest = [node for group in groups[: -most + 1] for node in group]
            groups = groups[-most + 1 :]
            self.notes.append(f"the first {len(rest)} nodes are not drawn one by one")
        self.index = {node: i for i, node in enumerate(reading.nodes)}
        self.boxes = [self._box(group) for group in groups]
        if rest:
            self.boxes.insert(0, Box(rest, f"… {len(rest)} nodes", _most_frequent(rest), "rest"))
        owner = {node: i for i, box in enumerate(self.boxes) for node in box.nodes}
        self.read: dict[tuple[int, int], list[int]] = {}
        for node in reading.nodes:
            for parent in dict.fromkeys(p for p, _, _ in node.edges):
                edge = owner[parent], owner[node]
                if edge[0] != edge[1]:
                    self.read.setdefault(edge, []).append(self.index[parent])
        self.edges = list(self.read)

    def _box(self, nodes: Sequence[Node]) -> Box:
        last = nodes[-1]
        title = self.names.get(last, last.name)
        if len(nodes) > 1:
            title = " · ".join(node.name for node in nodes[:3])
            title += f" · … ({len(nodes)} nodes)" if len(nodes) > 3 else ""
        values, cotangents = (
            self.reading.values.get(last),
            self.reading.cotangents.get(nodes[0]),
        )
        shape = "single number" if last.shape == () else f"shape {last.shape}"
        lines = [
            f"#{self.index[last]}, {shape}",
            f"value {_extent(values)}",
            f"cotangent {_extent(cotangents)}",
        ]
        return Box(nodes, title, lines, self._kind(nodes))

    def _kind(self, nodes: Sequence[Node]) -> str:
        tables = self.reading.values, self.reading.cotangents
        if any(n in table and not np.isfinite(table[n]).all() for n in nodes for table in tables):
            return "bad"
        if any(not np.any(self.reading.cotangents.get(node, 0.0)) for node in nodes):
            return "dead"
        if isinstance(nodes[0], Leaf):
            return "leaf"
        return "result" if nodes[-1] is self.reading.root.node else "op"


def _runs(nodes: Sequence[Node]) -> list[list[Node]]:
    """Return the nodes in groups: in each, every node is read by the next one only."""
    readers = Counter(parent for node in nodes for parent in {p for p, _, _ in node.edges})
    group: dict[Node, list[Node]] = {}
    for node in nodes:
        parents = {p for p, _, _ in node.edges}
        made = [p for p in parents if not isinstance(p, Leaf)]
        if len(made) == 1 == len(parents) and readers[made[0]] == 1:
            group[node] = group[made[0]]
            group[node].append(node)
        else:
            group[node] = [node]
    # A group stands where its last node does: all that it reads comes before.
    unique = {id(g): g for g in group.values()}
    return sorted(unique.values(), key=lambda g: g[-1].position)


def _most_frequent(nodes: Sequence[Node]) -> list[str]:
    counts = Counter(node.name for node in nodes).most_common(3)
    return [f"{name} ({count}×)" for name, count in counts]


def _extent(x: np.ndarray | None) -> str:
    found = statistics(x)
    if found["zeros"] is None:
        return "not known" if x is None else "empty"
    if found["min"] is None:
        return "not finite"
    low, high = number(found["min"]), number(found["max"])
    bad = f", {share(found['nonfinite'])} not finite" if found["nonfinite"] else ""
    return (low if low == high else f"{low} … {high}") + bad
