"""What repeats in a program is a loop again, does the same, and has memory at even distances."""

import math
import re
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_core as ag
from autograd_core.compiler import assembly, fuse, leftovers, native, sharing
from autograd_core.compiler.leftovers import shortened
from autograd_core.compiler.memory import Block, plan
from autograd_core.compiler.positions import FAR, Positions
from autograd_core.compiler.regions import arrange
from autograd_core.compiler.reroll import Chunk, Row, cuts, reroll, settled, text
from autograd_core.kernels import products

LOOP = re.compile(r"( *)for (r\d+) in range\((.*)\):")


# ------------------------------------------------------------------------------------ the text


def chunk(line, unit, blocks=range(0)):
    return Chunk(line.split("\n"), unit, unit, blocks)


def rolled(lines):
    return text(reroll([chunk(line, i) for i, line in enumerate(lines)], []))


def unrolled(lines):
    """Write out the loops of a text: every position as a number."""
    found, i = [], 0
    while i < len(lines):
        head = LOOP.match(lines[i])
        stop = i + 1
        if head is None:
            found.append(lines[i])
        else:
            indent, name, count = head.groups()
            while stop < len(lines) and lines[stop].startswith(f"{indent}    "):
                stop += 1
            inner = [line.removeprefix("    ") for line in lines[i + 1 : stop]]
            for k in range(eval(count)):
                found += unrolled([re.sub(rf"\b{name}\b", str(k), line) for line in inner])
        i = stop
    return found


def positions(lines):
    """Return lines with what stands in brackets and ranges computed, as far as it is numbers."""
    computed = []
    for line in lines:
        line = re.sub(r"int\((\d+)\)", r"\1", line)
        line = re.sub(r"\d+(?: [-+*] \(?\d+\)?)+", lambda m: str(eval(m[0])), line)
        computed.append(re.sub(r"\[0 \+ (?=i)", "[", line))
    return computed


def test_one_line_again_and_again():
    lines = [f"w[{3 + 2 * i}] = c[{9 - i}]" for i in range(8)]
    assert rolled(lines) == [
        "for r1 in range(8):",
        "    w[3 + r1 * 2] = c[9 - r1 * 1]",
    ]


@pytest.mark.parametrize("starts", [range(1, 65, 8), range(9, 1, -1), [3, 5, 2, 8, 1, 9, 4, 7]])
def test_positions_are_filled_in_before_loops_are_found(starts):
    line = "w[{} + i0] = f(w, int({}) + i0 * int(2))"
    row = Row([chunk(line.format(k * FAR, k * FAR + 3), k) for k in range(1, 9)])
    for moved in (starts, [start + 2 for start in starts], starts):  # it is read once
        expected = rolled([line.format(start, start + 3) for start in moved])
        places = Positions(moved)
        assert text(settled(row.rolled([], places), places)) == expected
        assert len(expected) == (8 if isinstance(starts, list) else 2)


def test_a_position_at_the_beginning_is_not_written():
    lines = [f"w[{FAR} + i0] = f(int({FAR}) + i0 * int(2), w[{FAR}], {10**21}, w[{2 * FAR + 1}:])"]
    (found,) = settled([chunk(lines[0], 0)], Positions([0, 7]))
    assert found.lines == [f"w[i0] = f(i0 * int(2), w[0], {10**21}, w[8:])"]


def test_names_are_those_of_the_first_round():
    lines = [f"v{i}_ = F(w[{i}])\nw[{i + 1}] = v{i}_ * v{i}_" for i in range(7, 12)]
    assert rolled(lines) == [
        "for r1 in range(5):",
        "    v7_ = F(w[7 + r1 * 1])",
        "    w[8 + r1 * 1] = v7_ * v7_",
    ]


def test_other_names_are_other_lines():
    lines = [f"v1_ = F(w[{i}])\nw[{i + 1}] = v{1 + i % 2}_" for i in range(8)]
    assert rolled(lines)[0] == "for r1 in range(4):"
    assert len(rolled(lines)) == 5


def test_a_missing_offset_is_zero():
    lines = ["for i0 in range(4):\n    w[i0] = 1.0"]
    lines += [f"for i0 in range(4):\n    w[{4 * k} + i0] = 1.0" for k in range(1, 5)]
    assert rolled(lines)[0] == "for r1 in range(5):"
    assert rolled(lines)[2] == "        w[0 + r1 * 4 + i0] = 1.0"


@pytest.mark.parametrize(
    "line", ["w[0] = x[0] * {}.0", "f(x[0], {})", "return int({})", "w[0] = x[0] ** {}"]
)
def test_numbers_that_are_no_positions_have_to_be_the_same(line):
    lines = [line.format(i) for i in range(1, 9)]
    assert rolled(lines) == lines
    assert rolled([lines[0]] * 8) == ["for r1 in range(8):", f"    {lines[0]}"]


def test_positions_outside_brackets():
    lines = [f"f(w, int({5 * i}) + i0 * int(2), int(7))" for i in range(4)]
    line = "    f(w, int(0) + r1 * int(5) + i0 * int(2), int(7))"
    assert rolled(lines) == ["for r1 in range(4):", line]


def test_a_factor_that_grows():
    lines = [f"w[{i} + i0 * {3 + i}] = 0.0" for i in range(4)]
    assert rolled(lines)[1] == "    w[0 + r1 * 1 + i0 * (3 + r1 * 1)] = 0.0"


@pytest.mark.parametrize("jump", [3, 8])
def test_uneven_steps_are_no_loop(jump):
    lines = [f"w[{i * i if jump == 3 else i + (i > 3) * 5}] = 0.0" for i in range(jump)]
    found = rolled(lines)
    assert positions(unrolled(found)) == lines
    assert (found == lines) == (jump == 3)


def test_three_rounds_are_no_loop():
    lines = [f"w[{i}] = 0.0" for i in range(3)]
    assert rolled(lines) == lines


def test_loops_of_loops():
    lines = [
        f"w[{100 * i + 3 * k}] = c[{k}]" if k < 5 else f"w[{100 * i}] = f(c[{i}])"
        for i in range(6)
        for k in range(6)
    ]
    assert rolled(lines) == [
        "for r2 in range(6):",
        "    for r1 in range(5):",
        "        w[0 + r2 * 100 + r1 * 3] = c[0 + r1 * 1]",
        "    w[0 + r2 * 100] = f(c[0 + r2 * 1])",
    ]


@st.composite
def repeating(draw, depth=2):
    """Draw the lines of loops in loops, with something else before, between and after."""
    number = st.integers(0, 20)
    found = []
    for _ in range(draw(st.integers(1, 3))):
        if depth == 0 or draw(st.booleans()):
            kind, base = draw(st.integers(0, 3)), draw(number)
            found.append((kind, base, {}))
            continue
        inner = draw(repeating(depth=depth - 1))
        steps = [draw(st.integers(-3, 5)) for _ in inner]
        for k in range(draw(st.integers(1, 8))):
            found += [
                (kind, base + step * k, {})
                for (kind, base, _), step in zip(inner, steps, strict=True)
            ]
    return found


KINDS = (
    "w[{0}] = c[{1}]",
    "for i0 in range(3):\n    w[{0} + i0] += w[{1}:][i0]",
    "v{0}_ = F(w[{0}])\nw[{1}] = v{0}_",
    "f(w[{0}:{1}], int({0}), 2.0)",
)


@settings(max_examples=200, deadline=None)
@given(repeating())
def test_written_out_it_is_the_same_text(drawn):
    lines = [KINDS[kind].format(100 + base, 200 + 2 * base) for kind, base, _ in drawn]
    flat = [part for line in lines for part in line.split("\n")]

    def without_names(all_lines):
        return [re.sub(r"v\d+_", "v", line) for line in positions(unrolled(all_lines))]

    found = rolled(lines)
    assert without_names(found) == without_names(flat)
    assert len(found) <= len(flat) + 1


def test_updates_with_common_scalars_are_not_cut_apart():
    lines = ["w[0] = 1.0", "s0 = f(a0)", "g(s0[0])", "w[1] = s0[1]", "w[2] = 2.0"]
    assert cuts([chunk(line, i) for i, line in enumerate(lines)]) == [1, 4, 5]


# ---------------------------------------------------------------------------------- the memory


def overlapping(blocks, offsets):
    """Return the pairs of blocks that are in use at one moment and share a byte."""
    whole = [i for i, block in enumerate(blocks) if block.root < 0]
    return [
        (i, j)
        for i in whole
        for j in whole
        if i < j
        and blocks[i].first <= blocks[j].last
        and blocks[j].first <= blocks[i].last
        and offsets[i] < offsets[j] + blocks[j].size
        and offsets[j] < offsets[i] + blocks[i].size
    ]


@st.composite
def rounds_of_blocks(draw):
    """Draw a loop of rounds with blocks that live a while, and what is around it."""
    chunks, blocks = [], []
    period, count = draw(st.integers(1, 4)), draw(st.integers(4, 6))
    life = st.sampled_from([0, 0, 0, 1, 2, 5, math.inf])
    sizes = [64 * draw(st.integers(1, 3)) for _ in range(period)]

    def one(size, life):
        unit = len(blocks)
        blocks.append(Block(size, unit, unit + life))
        return chunk(f"w[{unit}] = 0.0", unit, range(unit, unit + 1))

    chunks.append(one(64, draw(st.integers(0, 30))))
    rounds = [[one(size, draw(life)) for size in sizes] for _ in range(count)]
    chunks.append(Chunk(["loop"], rounds[0][0].begin, rounds[-1][-1].end, range(0), rounds))
    chunks += [one(64 * draw(st.integers(1, 3)), 1) for _ in range(3)]
    return chunks, blocks


@settings(max_examples=200, deadline=None)
@given(rounds_of_blocks())
def test_blocks_of_a_loop_lie_at_even_distances_and_apart(drawn):
    chunks, blocks = drawn
    offsets, size = arrange(chunks, blocks)
    assert not overlapping(blocks, offsets)
    assert all(o + block.size <= size for o, block in zip(offsets, blocks, strict=True))
    period = len(chunks[1].rounds[0])
    for k in range(period):
        family = [offsets[part[k].blocks.start] for part in chunks[1].rounds]
        assert len(set(np.diff(family).tolist())) == 1, family


def test_what_a_round_alone_needs_lies_in_one_place():
    blocks = [Block(64, i, i + i % 2) for i in range(8)]
    rounds = [
        [chunk("a", i, range(i, i + 1)), chunk("b", i + 1, range(i + 1, i + 2))]
        for i in range(0, 8, 2)
    ]
    offsets, size = arrange([Chunk(["loop"], 0, 8, range(0), rounds)], blocks)
    assert offsets[::2] == [offsets[0]] * 4
    assert size == 64 * 5


def test_what_takes_the_place_of_another_lies_there():
    blocks = [Block(64, 0, 5), Block(64, 1, 2), Block(64, 2, 5, root=0)]
    offsets, _ = arrange([chunk("a", i, range(i, i + 1)) for i in range(3)], blocks)
    assert offsets[2] == offsets[0] != offsets[1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_a_plan_keeps_apart_what_lives_together(drawn):
    blocks = [Block(64 * size, first, first + life) for size, first, life in drawn]
    blocks.sort(key=lambda block: block.first)
    offsets, size = plan(blocks)
    assert not overlapping(blocks, offsets)
    assert size <= sum(block.size for block in blocks)


# ------------------------------------------------------------------------------------ programs


def results(function, arrays, monkeypatch, long):
    """Return the results of a program, of which only text from `long` lines is rolled."""
    monkeypatch.setattr(native, "LONG", long)
    monkeypatch.setattr(products, "SHORT", 0)  # what is written out is added in any order
    monkeypatch.setattr(sharing, "_FAMILIES", OrderedDict())  # a program of its own
    compiled = ag.compile(function, audit=False)  # which would record the third call
    for scale in (0.5, 0.75):
        compiled(*(scale * x for x in arrays))
    found = compiled(*arrays)
    (program,) = compiled.programs
    assert program.is_native and "run 1 time" in compiled.explain()
    return flat(found), program


def flat(tree):
    if isinstance(tree, tuple | list):
        return [x for part in tree for x in flat(part)]
    return [np.asarray(tree)]


def alike(function, arrays, monkeypatch):
    """Check that a program with loops, one without and the function itself return the same."""
    got, program = results(function, arrays, monkeypatch, 0)
    straight, other = results(function, arrays, monkeypatch, math.inf)
    for one, two, three in zip(got, straight, flat(function(*arrays)), strict=True):
        assert one.tobytes() == two.tobytes()
        np.testing.assert_allclose(one, three, rtol=1e-9, atol=1e-12)
    return program, other


def numbers(*shapes):
    rng = np.random.default_rng(len(shapes))
    return [rng.normal(size=shape) / 2 for shape in shapes]


def states(w, u, h, xs):
    for x in xs:
        h = ag.tanh(x @ u + h @ w)
    return ag.sum(h * h)


def two_bodies(w, u, h, xs):
    for t in range(len(xs)):
        h = ag.tanh(h @ w) if t % 2 else ag.sigmoid(xs[t] @ u + h)
    return ag.sum(h)


def nested(w, u, h, xs):
    for x in xs:
        y = h
        for _ in range(4):
            y = y @ w
        h = ag.sin(y + x @ u)
    return ag.sum(h * h)


def backwards(w, u, h, xs):
    for x in xs[::-1]:
        h = ag.tanh(h @ w) * (x @ u)
    return ag.sum(h)


def first_and_last_are_others(w, u, h, xs):
    h = ag.exp(h @ w) + 1.0
    for x in xs[1:-1]:
        h = ag.tanh(h @ w + x @ u)
    return ag.sum(ag.sqrt(h * h + xs[-1] @ u))


def all_states_count(w, u, h, xs):
    total = 0.0
    for x in xs:
        h = ag.tanh(x @ u + h @ w)
        total = total + ag.sum(h * h)
    return total


# With how many rounds: as few as make long text, of which four alike become a loop.
HOST_LOOPS = {
    states: 8,
    two_bodies: 12,
    nested: 6,
    backwards: 6,
    first_and_last_are_others: 8,
    all_states_count: 8,
}


WRITTEN_OUT = (states, nested)  # which takes long to compile


@pytest.fixture(scope="module")
def rerolled():
    """By host loop its gradient, the arguments, the results with loops, and the program."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for function, steps in HOST_LOOPS.items():
            gradient = ag.value_and_grad(function, argnums=(0, 1, 2))
            arrays = [np.abs(x) for x in numbers((4, 4), (3, 4), (2, 4), (steps, 2, 3))]
            found[function] = gradient, arrays, *results(gradient, arrays, patch, 0)
    return found


@pytest.mark.parametrize("function", HOST_LOOPS, ids=lambda f: f.__name__)
def test_a_loop_of_the_host_gives_the_same(function, rerolled):
    gradient, arrays, got, program = rerolled[function]
    assert "for r1" in program.segments[0].source
    for one, two in zip(got, flat(gradient(*arrays)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("function", WRITTEN_OUT, ids=lambda f: f.__name__)
def test_a_loop_of_the_host_gives_the_same_bits(function, rerolled, monkeypatch):
    gradient, arrays, got, program = rerolled[function]
    straight, other = results(gradient, arrays, monkeypatch, math.inf)
    assert [x.tobytes() for x in got] == [x.tobytes() for x in straight]
    lengths = [len(p.segments[0].source.splitlines()) for p in (program, other)]
    assert lengths[0] < 0.9 * lengths[1]


@pytest.mark.parametrize("shape", [(), (3000,)], ids=str)
def test_a_chain_of_elementwise_steps_gives_the_same_bits(shape, monkeypatch):
    monkeypatch.setattr(fuse, "LONG", 32)
    monkeypatch.setattr(fuse, "ROUND", 8)

    def logistic(a, x):
        for _ in range(20):
            x = a * x * (1.0 - x)
        return ag.sum(x)

    arrays = [np.full(shape, 2.5), np.full(shape, 0.3)]
    program, other = alike(ag.value_and_grad(logistic, argnums=(0, 1)), arrays, monkeypatch)
    assert "for r1" in program.segments[0].source
    assert "for r1" not in other.segments[0].source


def test_what_loops_leave_over_is_a_function_that_gives_the_same_bits(monkeypatch, rerolled):
    monkeypatch.setattr(leftovers, "MANY", 4)
    monkeypatch.setattr(leftovers, "WORTH", 2)
    sources = []
    for gradient, arrays, wanted, _ in rerolled.values():
        got, program = results(gradient, arrays, monkeypatch, 0)
        assert [x.tobytes() for x in got] == [x.tobytes() for x in wanted]
        sources.append(program.segments[0].source)
    assert sum(source.count(" left0(") > 1 for source in sources) >= 2


def test_lines_that_loops_leave_over():
    line = "for i0 in range(4):\n    w[{} + i0] = c[i0] * F(2.0)\n    w[{}] = f(int({}), int(7))"
    body = line.format("3", "5", "9").split("\n")
    loop = Chunk(["for r1 in range(64):"], 1, 64, range(0), [[Chunk(body, 1, 1, range(0))]] * 64)
    ends = [chunk(line.format(*given), 0) for given in ((8, 5, 1), (0, 5, 2))]
    once = chunk("for i0 in range(4):\n    w[i0] = c[0]\n    w[1] = w[0]", 70)
    given = [[ends[0], loop, once, ends[1]]]
    assert shortened(given, ["w", "c"]) == (given, [])  # too short
    ((*found,),), (function,) = shorter(given, 3)
    assert [x.lines for x in found] == [
        ["left0(w, c, int(8), int(1))"],
        loop.lines,
        once.lines,
        ["left0(w, c, int(0), int(2))"],
    ]
    assert function == (
        "@apart\ndef left0(w, c, p0, p1):\n"
        "    for i0 in range(4):\n"
        "        w[p0 + i0] = c[0 + i0] * F(2.0)\n"
        "        w[5] = f(p1, int(7))\n"
    )
    loop.rounds = loop.rounds[1:]  # what is left over may take its time
    assert shorter(given, 3) == (given, [])


def shorter(given, worth):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leftovers, "WORTH", worth)
        return shortened(given, ["w", "c"])


def test_results_of_every_round(monkeypatch):
    def all_states(w, h):
        found = []
        for _ in range(12):
            h = ag.tanh(h @ w)
            found.append(h)
        return found

    alike(all_states, numbers((3, 3), (2, 3)), monkeypatch)


def test_hundreds_of_steps_are_short(monkeypatch):
    lengths = []
    for steps in (50, 300):
        arrays = numbers((4, 4), (3, 4), (2, 4), (steps, 2, 3))
        gradient = ag.value_and_grad(states, argnums=(0, 1))
        got, program = results(gradient, arrays, monkeypatch, native.LONG)
        np.testing.assert_allclose(got[1], flat(gradient(*arrays))[1], rtol=1e-9, atol=1e-12)
        lengths.append(len(program.segments[0].source.splitlines()))
    assert lengths[0] == lengths[1] < 150


def test_a_running_sum_has_one_place():
    arrays = numbers((40, 40), (3, 40), (2, 40), (50, 2, 3))
    compiled = ag.compile(ag.value_and_grad(states, argnums=(0,)))
    for scale in (0.5, 0.75):
        compiled(*(scale * x for x in arrays))
    (program,) = compiled.programs
    gradient = arrays[0].nbytes
    assert program.segments[0].size < 50 * gradient / 4


def test_programs_of_many_lines_are_several_functions(monkeypatch):
    monkeypatch.setattr(assembly, "PIECE", 20)
    arrays = numbers((4, 4), (3, 4), (2, 4), (4, 2, 3))
    gradient = ag.value_and_grad(states, argnums=(0, 1))
    got, program = results(gradient, arrays, monkeypatch, math.inf)
    assert "def part0_1(" in program.segments[0].source
    np.testing.assert_allclose(got[1], flat(gradient(*arrays))[1], rtol=1e-9, atol=1e-12)


def read_again_later(x, w):
    a = x @ w
    return (ag.sin(a) @ w) @ a


def read_in_two_orders(x, w):
    a = x @ w
    return (a + a[::-1]) @ w


def read_for_two_results(x, w):
    a = x @ w
    return ag.sin(a) @ (a * 3.0)


@pytest.mark.parametrize("function", (read_again_later, read_in_two_orders, read_for_two_results))
def test_only_what_is_read_for_the_last_time_is_overwritten(function, monkeypatch):
    arrays = numbers((4, 4), (4, 4))
    (got,), _ = results(function, arrays, monkeypatch, native.LONG)
    np.testing.assert_allclose(got, np.asarray(function(*arrays)), rtol=1e-12)


def test_what_is_read_for_the_last_time_is_overwritten(monkeypatch):
    x, w = numbers((8, 8), (8, 8))
    _, program = results(lambda x, w: ag.sin(x @ w), [x, w], monkeypatch, native.LONG)
    assert program.segments[0].size == x.nbytes
