"""The memory of lines that are a loop: what a round needs lies at even distances, or in one place.

What one round alone needs lies where the last round had it. All else of a loop, what the next
round or somebody later reads, is one region with a stride for all: a round's positions are those
of the round before and a number, and two of them differ by the same in every round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .memory import Block, plan
from .reroll import Chunk

__all__ = ["arrange"]


class Group(NamedTuple):
    """Blocks at fixed distances, by number and distance; none that has a place has size 0."""

    size: int
    first: int
    last: float
    members: list[tuple[int, int]]


def arrange(chunks: Iterable[Chunk], blocks: Sequence[Block]) -> tuple[list[int], int]:
    """Return an offset for each block and the size of all, like `plan`."""
    groups = [group for chunk in chunks for group in _groups(chunk, blocks)]
    offsets, size = _together(groups)
    return [offsets[_root(blocks, i)] for i in range(len(blocks))], size


def _root(blocks: Sequence[Block], number: int) -> int:
    root = blocks[number].root
    return number if root < 0 else root


def _together(groups: Iterable[Group]) -> tuple[dict[int, int], int]:
    """Return where the blocks of groups lie, and the size of all."""
    ordered = sorted((g for g in groups if g.members), key=lambda group: group.first)
    begins, size = plan([Block(g.size, g.first, g.last) for g in ordered])
    return dict(_shifted(zip(begins, ordered, strict=True))), size


def _shifted(placed: Iterable[tuple[int, Group]]) -> list[tuple[int, int]]:
    return [(number, begin + at) for begin, group in placed for number, at in group.members]


def _groups(chunk: Chunk, blocks: Sequence[Block]) -> list[Group]:
    """Return the groups that are to be placed for a chunk."""
    if not chunk.rounds:
        return [_group(number, blocks) for number in chunk.blocks]
    rounds = [[g for part in found for g in _groups(part, blocks)] for found in chunk.rounds]
    if len(set(map(len, rounds))) > 1:
        return [group for found in rounds for group in found]
    apart: list[Group] = []
    lasting: list[Sequence[Group]] = []
    passing: list[Sequence[Group]] = []
    begins = [found[0].begin for found in chunk.rounds]
    for family in zip(*rounds, strict=True):
        if len({group.size for group in family}) > 1:
            apart += [group for group in family if group.members]
        elif family[0].size:
            passes = all(g.last < end for g, end in zip(family, begins[1:], strict=False))
            (passing if passes and family[-1].last <= chunk.end else lasting).append(family)
    return [*_passing(chunk, passing, begins), *_lasting(chunk, lasting), *apart]


def _group(number: int, blocks: Sequence[Block]) -> Group:
    block = blocks[number]
    if block.root >= 0:
        return Group(0, block.first, block.first, [])
    return Group(block.size, block.first, block.last, [(number, 0)])


def _passing(
    chunk: Chunk, families: Sequence[Sequence[Group]], begins: Sequence[int]
) -> list[Group]:
    """Let all rounds use the same place: planned for one, counting from its beginning."""
    if not families:
        return []
    phases = []
    for i, family in enumerate(families):
        first = min(g.first - begin for g, begin in zip(family, begins, strict=True))
        last = max(g.last - begin for g, begin in zip(family, begins, strict=True))
        phases.append(Group(family[0].size, first, last, [(i, 0)]))
    places, size = _together(phases)
    placed = ((places[i], group) for i, family in enumerate(families) for group in family)
    return [Group(size, chunk.begin, chunk.end, _shifted(placed))]


def _lasting(chunk: Chunk, families: Sequence[Sequence[Group]]) -> list[Group]:
    """Give each round a place of its own, one after the other."""
    if not families:
        return []
    one_round = list(zip(*families, strict=True))
    sizes = [group.size for group in one_round[0]]
    stride = sum(sizes)
    placed = [
        (i * stride + sum(sizes[:k]), group)
        for i, groups in enumerate(one_round)
        for k, group in enumerate(groups)
    ]
    last = max(group.last for _, group in placed)
    return [Group(len(chunk.rounds) * stride, chunk.begin, last, _shifted(placed))]
