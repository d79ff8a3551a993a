"""Indexing, joining and moving natively: what the samples of the operations do not cover."""

import re
import warnings
from collections import Counter

import numpy as np
import pytest
from segments import compiled, traces
from test_lowering import THOROUGH

import autograd_core as ag
from autograd_core.compiler.fuse import units
from autograd_core.compiler.native import Segment, lowers, moves
from autograd_core.compiler.prepare import is_pointwise, prepared

RNG = np.random.default_rng(0)
X = RNG.integers(-99, 99, (4, 5, 6)).astype(np.float64)  # whole: sums are exact in any order
LAYOUTS = {
    "rows": lambda x: x,
    "columns": lambda x: ag.transpose(x, axes=(2, 1, 0)),
    "backwards": lambda x: ag.flip(x, axis=1),
    "every second": lambda x: x[::2, :, ::-2],
    "repeated": lambda x: ag.broadcast_to(x[:, :1], shape=(4, 5, 6)),
}
KINDS = ("float32", "float64", "int64", "int16", "bool")
TWO = np.array([[1, -1, 1], [0, 2, 1]])
INDICES = {
    "an integer": 1,
    "the last": (-1, -1, -1),
    "all": (),
    "new axes": (None, 1, ..., None),
    "an array": TWO,
    "evenly spaced": np.array([0, 1]),
    "twice the same": np.array([1, 1]),
    "one element": (0, [1], 2),
    "an array at the end": (..., TWO),
    "arrays together": (TWO, TWO[:, :1]),
    "arrays apart": ([0, 1, 1], slice(None), [2, 0, 2]),
    "arrays and slices": (slice(None, None, -1), [1, 0], slice(0, 2)),
    "an integer beside an array": (0, slice(None), [2, -1]),
    "a new axis beside arrays": ([1, 0], None, [0, 0]),
    "truths": np.array([True, False, True, True]),
    "truths of two axes": X[:, :, 0] > 0,
    "truths of all axes": X > 0,
    "truths beside integers": (np.array([True, False, True, True]), [2, 0, 1]),
    "one truth": (True, slice(1, 3)),
    "one truth of NumPy": np.True_,
    "small integers": np.array([0, 2, 0], np.int8),
    "an array of one number": np.array(1),
}


def dtype_for(kind):
    return kind if kind.startswith("float") else "float32"


def chosen(kind):
    """Return the names of the indices to try with a type: each of them meets two of the five."""
    first = KINDS.index(kind)
    return [name for i, name in enumerate(INDICES) if THOROUGH or (i + first) % 5 < 2]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_index(kind):
    names = chosen(kind)

    def taken(x):
        return tuple(ag.getitem(x, index=INDICES[name]) + 0 for name in names)

    compiled(taken, X.astype(kind), dtype=dtype_for(kind), names=names)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_an_index_of_an_array_in_any_layout(layout):
    indices = (TWO[:, :2] % 2, (..., [2, 0, -1]), ([1, 0], slice(3), [2, 2]))
    compiled(lambda x: tuple(layout(x)[index] for index in indices), X, dtype="float64")


@pytest.mark.parametrize("kind", KINDS)
def test_scattering_at_every_kind_of_index(kind):
    names = chosen(kind)

    def scattered(*parts):
        pairs = zip(names, parts, strict=True)
        return tuple(ag.scatter(x, index=INDICES[name], shape=X.shape) for name, x in pairs)

    parts = [np.array(X[INDICES[name]], kind) for name in names]
    compiled(scattered, *parts, dtype=dtype_for(kind), names=names)


def test_scattering_repeats_what_is_smaller():
    def scattered(*parts):
        return tuple(ag.scatter(x, index=(TWO, slice(None)), shape=X.shape) for x in parts)

    compiled(scattered, np.array(3.0), X[0, 0, :1], X[0, :1, :], dtype="float64")


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_what_is_scattered_is_added_where_the_sum_lies(kind):
    names = chosen(kind)

    def summed(x, *parts):
        kept, out = x * 2, x * 3
        for name, part in zip(names, parts, strict=True):
            scattered = ag.scatter(part, index=INDICES[name], shape=X.shape)
            out = scattered + out if len(name) % 2 else out + scattered
        twice = ag.scatter(parts[0], index=INDICES[names[0]], shape=X.shape)
        return out, kept + twice, kept - twice, kept + ag.scatter(x[0], index=0, shape=X.shape)

    parts = [np.array(X[INDICES[name]], kind) for name in names]
    compiled(summed, X.astype(kind), *parts, dtype=kind)
    trace, wanted = traces(summed, X.astype(kind), *parts)
    steps = prepared(trace.steps, [trace.value(x._value) for x in wanted])
    counts = Counter(step.name for step in steps)
    # Only what is read twice, and what is not added, is an array of zeros.
    assert counts["scatter"] == 1 and counts["scatter_add"] == len(names) + 1


PIECES = {  # indices, whether each is fresh, and whether all is covered
    "columns": (((..., 0), (..., slice(1, 4)), (..., slice(4, None))), (1, 1, 1), True),
    "backwards": (((..., slice(None, None, -2)), (..., slice(0, None, 2))), (1, 1), True),
    "corners": (
        ((0,), (slice(1, 4), -1), (slice(1, None), slice(-1)), (0, 0)),
        (1, 1, 1, 0),
        True,
    ),
    "a part": (((..., 2), (..., slice(3, 5))), (1, 1), False),
    "over another": (((..., slice(0, 4)), (..., slice(3, 6))), (1, 0), False),
    "over what comes later": (((0,), (slice(0, 2),), (slice(1, 4),)), (1, 0, 0), False),
    "an array": (((..., slice(0, 4)), (..., [4, 5])), (1,), False),
    "a new axis": (((None, slice(0, 2)), (slice(2, 4), None)), (1, 1), True),
}


@pytest.mark.parametrize(("indices", "fresh", "covered"), PIECES.values(), ids=PIECES)
def test_slices_that_are_scattered_to_one_array(indices, fresh, covered):
    def joined(*parts):
        total, *others = (
            ag.scatter(part * 1.5, index=index, shape=X.shape)
            for index, part in zip(indices, parts, strict=True)
        )
        for other in others:
            total = total + other
        return total

    parts = [X[index] for index in indices]
    compiled(joined, *parts, dtype="float64")
    trace, (wanted,) = traces(joined, *parts)
    steps = prepared(trace.steps, [trace.value(wanted._value)])
    found = [s.piece for s in steps if s.name.startswith("scatter") and s.piece is not None]
    assert [piece.fresh for piece in found] == [*map(bool, fresh)]
    assert {piece.covered for piece in found} == {covered}


def test_slices_so_far_are_an_array_of_their_own_if_somebody_reads_them():
    def joined(one, two, three):
        parts = zip((slice(0, 2), slice(2, 4), slice(4, 6)), (one, two, three), strict=True)
        first, second, third = (
            ag.scatter(part * 1.5, index=(..., place), shape=X.shape) for place, part in parts
        )
        two = first + second
        return (two + third) * two

    compiled(joined, X[..., :2], X[..., 2:4], X[..., 4:], dtype="float64")


def test_slices_are_written_to_what_is_given_away():
    def joined(x):
        return ag.grad(lambda x: ag.sum(x[:, :1] * ag.sum(x[:, 1:] ** 2, axis=1, keepdims=True)))(
            x
        )

    x = RNG.uniform(0.5, 1.5, (3000, 4))
    program = ag.compile(joined, audit=False)
    for factor in (0.9, 1.1, 1.0):
        got = program(factor * x)
    np.testing.assert_allclose(got, joined(x), rtol=1e-12)
    (segment,) = program.programs[0].segments
    (given,) = segment.given
    assert len(re.findall(rf"{given.name}\[.* = ", segment.source)) == 2
    assert "int(0)\n" not in segment.source.replace("return int(0)\n", "")


def test_views_of_what_comes_from_outside_do_not_part_loops():
    def looked_at(x):
        one = x[:, :2] * 2.0
        two = ag.tanh(x[:, 2:4]) * one
        return two - ag.transpose(x, axes=(1, 0))[4:, :2] - ag.square(x[:, 4:])

    x = X[:2, 0]
    compiled(looked_at, x, dtype="float64")
    trace, _ = traces(looked_at, x)
    assert len([unit for unit in units(trace.steps, moves) if any(map(is_pointwise, unit))]) == 1


# ------------------------------------------------------------------- positions that are data


def taken(x, places, axis):
    """Return what is taken, and what its pullback makes of it."""
    out = ag.take(x, places, axis=axis)
    named = {"shape": x.shape, "axis": axis, "mode": "raise"}
    return out, ag.OPS["take_pull"](out, places, **named)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_taking_along_any_axis(layout):
    places = np.array([[1, -1], [0, -2], [1, 1]], np.int32)

    def all_taken(x, places):
        x, found = layout(x), []
        for axis in (None, 0, -1, 1):
            lines = [1 if i != (axis or 0) % 3 else -1 for i in range(3)]
            lines = ag.reshape(places, shape=(-1,) if axis is None else tuple(lines))
            found += [*taken(x, places, axis), ag.take_along_axis(x, lines, axis=axis)]
        return tuple(found)

    compiled(all_taken, X, places, dtype="float64")


def test_taking_what_is_not_float():
    places = np.array([2, 0, 2], np.uint8)

    def all_taken(places, *arrays):
        return tuple(result for x in arrays for result in taken(x, places, 0))

    compiled(all_taken, places, *(X.astype(kind) for kind in KINDS if kind != "float64"))


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_positions_beyond_the_ends(mode):
    places = np.array([-9, -1, 0, 3, 4, 10**6])  # NumPy subtracts one by one
    compiled(lambda x, places: ag.take(x, places, axis=0, mode=mode), X, places, dtype="float64")


@pytest.mark.parametrize("place", [4, -5, 2**62])
@pytest.mark.parametrize("axis", [0, -3])
def test_a_run_with_a_position_that_is_not_there_is_given_up(place, axis):
    @ag.compile
    def taken(x, places):
        x = x * 2.0
        return ag.take(x, places, axis=axis), ag.take_along_axis(
            x, places[:, None, None], axis=axis
        )

    for places in ([0, 1], [2, -4], [3, 3]):
        taken(ag.tensor(X), ag.tensor(np.array(places)))
    with pytest.raises(IndexError, match="take: positions that exist"):
        taken(ag.tensor(X), ag.tensor(np.array([0, place])))


def test_lines_that_repeat():
    rows, places = X[0, :1], np.array([[0, 2], [5, 5], [-1, 1]])

    def along(x, places):
        out = ag.take_along_axis(x, places, axis=1)
        return out, ag.OPS["take_along_axis_pull"](out, places, shape=x.shape, axis=1)

    compiled(along, rows, places, dtype="float64")


def test_a_program_sees_that_positions_have_changed():
    rows, chosen, columns = np.array([0, 1]), X[:, 0, 0] > 0, np.array([0, 1, 2, 3])

    @ag.compile
    def taken(x, columns):
        return x[rows] * 2.0, x[chosen] * 2.0, x[np.arange(4), columns] * 2.0

    for _ in range(4):
        taken(ag.tensor(RNG.normal(size=(4, 5))), ag.tensor(columns))
    rows[:], chosen[:], columns[:] = [3, 2], ~chosen, [4, 4, 0, -1]
    x = RNG.normal(size=(4, 5))
    wanted = 2.0 * x[rows], 2.0 * x[chosen], 2.0 * x[np.arange(4), columns]
    for got, want in zip(taken(ag.tensor(x), ag.tensor(columns)), wanted, strict=True):
        np.testing.assert_array_equal(got.numpy(), want)


# ------------------------------------------------------------------------- joining, moving


def test_joining_different_types_and_layouts():
    arrays = [X, X[::-1], X > 0, X.astype(np.int32)]
    shapes = {0: (2, 5, 4), 1: (4, 2, 4), -1: (4, 5, 1), None: (3, 1, 2)}

    def joined(a, b, c, d):
        found = []
        for axis, shape in shapes.items():
            cut = tuple(map(slice, shape))
            several = (a[:4, :5, :4], b[cut], c[:, :, :4]), (d, c), (c, c)
            found += [ag.concatenate(parts, axis=axis) for parts in several]
        return tuple(found)

    compiled(joined, *arrays, dtype="float64")


def test_stacking():
    def stacked(x, y):
        parts = x, ag.flip(x), y > 0
        return tuple(ag.stack(parts, axis=axis) for axis in (0, 2, -1, -4))

    compiled(stacked, X, X.copy(), dtype="float64")


def test_stacking_numbers():
    compiled(lambda x: ag.stack((x[0, 0, 0], x[1, 1, 1])), X, dtype="float64")


ROLLS = (
    (0, 0),
    (7, 1),
    (-1, None),
    ((1, 2), None),
    ((1, -2, 9), (0, 1, 2)),
    (3, (0, -1)),
    ((1, 1), 0),
)


@pytest.mark.parametrize("kind", [*KINDS[1:], "columns"])
def test_rolling(kind):
    def rolled(x):
        x = ag.transpose(x) if kind == "columns" else x
        return tuple(ag.roll(x, shift, axis) for shift, axis in ROLLS)

    compiled(rolled, X if kind == "columns" else X.astype(kind), dtype="float64", names=ROLLS)


@pytest.mark.parametrize("k", [-9, -3, 0, 2, 9])
def test_triangles_of_any_layout_and_type(k):
    def triangles(x, *others):
        arrays = [*(layout(x) for layout in LAYOUTS.values()), *others]
        return tuple(cut(x, k=k) for x in arrays for cut in (ag.tril, ag.triu))

    x = np.where(X > 0, X, np.nan)  # what is left out counts for nothing
    compiled(triangles, x, X.astype(np.int32), X[0, 0].copy(), dtype="float64")


def test_diagonals_are_views():
    x = RNG.integers(-9, 9, (3, 2, 3, 3)).astype(np.float64)
    take, put = ag.OPS["take_diagonal"], ag.OPS["put_diagonal"]
    labels = ("i", "j", "i", "i")

    def both(x):
        found = take(ag.flip(x, axis=0), labels=labels)
        return found + 1.0, put(found, labels=labels, shape=x.shape)

    compiled(both, x, dtype="float64")
    compiled(lambda x: take(x, labels=("i", "i")) > 0, np.arange(9).reshape(3, 3))


# ------------------------------------------------------------------------------ conversions


WHOLE = ["bool", "int8", "uint8", "int32", "int64"]


def converted(*dtypes):
    """Return a function that converts to several types."""
    return lambda x: tuple(ag.OPS["astype"](x, dtype=dtype) for dtype in dtypes)


@pytest.mark.parametrize("before", ["bool", "int8", "int64", "uint64", "float32", "float64"])
def test_conversions(before):
    numbers = np.array([[0.0, 1.0, -1.9, 100.7], [2.0, 99.0, 1e-9, -0.0]])
    x = np.abs(numbers).astype(before) if before == "uint64" else numbers.astype(before)
    if before.startswith("float"):
        after = [*WHOLE, "float32", "float64"]
        compiled(lambda x: converted(*after)(ag.transpose(x)), x, dtype=before, names=after)
    else:
        compiled(lambda x: converted(*WHOLE, "float64")(ag.transpose(x)), x, dtype="float64")
        compiled(lambda x: converted("float32")(ag.transpose(x)), x, dtype="float32")


def test_conversions_keep_or_cut_digits_as_numpy():
    big = np.array([2**62 + 1, -(2**63), 300, 2**32 + 7])
    compiled(converted("int8", "uint8", "int32", "uint64", "float32"), big, dtype="float32")
    compiled(converted("float64"), big, dtype="float64")
    special = np.array([np.nan, np.inf, -np.inf, 1e300, 2.0**-149])
    with warnings.catch_warnings(action="ignore"):
        compiled(converted("float32", "bool"), special, dtype="float64")


def test_what_has_no_defined_conversion_runs_by_itself():
    trace, _ = traces(lambda x: ag.OPS["astype"](x, dtype="uint64"), np.arange(3.0))
    assert not lowers(trace.steps[-1], "float64")
    trace, _ = traces(lambda x: ag.OPS["astype"](x, dtype="float16"), np.arange(3.0))
    assert not lowers(trace.steps[-1], "float64")


# ------------------------------------------------------------------------------------ texts


def test_rows_at_places_are_copied_in_loops_of_their_own():
    trace, wanted = traces(lambda x, i: ag.take(x, i, axis=0) * 2.0, X[:, 0].copy(), np.arange(3))
    text = Segment(trace.steps, {trace.value(wanted[0]._value)}, "float64").source
    position = text.index("k_from =")
    assert text.index("i0 in") < position < text.index("i1 in")  # read once for each row


def test_many_elements_are_moved_by_several_threads():
    x, places = RNG.normal(size=(300, 500)), RNG.integers(0, 300, 400)

    def moved(x, places):
        out = ag.take(x, places, axis=0)
        named = {"shape": x.shape, "axis": 0, "mode": "raise"}
        return out, ag.OPS["take_pull"](ag.floor(out), places, **named), out[:, [3, 1, 1, 4]]

    compiled(moved, x, places, dtype="float64")


def test_even_positions_need_no_table():
    trace, wanted = traces(lambda x: x[[3, 1]] * 2.0, X)
    text = Segment(trace.steps, {trace.value(wanted[0]._value)}, "float64").source
    assert "k_from" not in text
