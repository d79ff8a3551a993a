"""Functions that move, join, repeat, accumulate, sort and select: NumPy's semantics, and kinks."""

import re

import numpy as np
import pytest

import autograd_core as ag

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(3, 4))
VECTOR = RNG.normal(size=6)
CUBE = RNG.normal(size=(2, 3, 4))
NUMBER = np.array(1.5)
EMPTY = np.zeros((0, 3))
WHOLE = np.arange(12).reshape(3, 4)
TRUTHS = MATRIX > 0
OPERANDS = (MATRIX, VECTOR, CUBE, NUMBER, EMPTY, WHOLE, TRUTHS, MATRIX.astype(np.float32))
AXES = (None, 0, 1, -1, 2, 5, (0, 1), ())

ONE_AXIS = "sort argsort cumsum cumprod argmax argmin diff unstack trapezoid"
SEVERAL = "flip prod all any count_nonzero median ptp nansum nanmean nanvar nanmax nanmin squeeze"
WIDTHS = (0, 1, (1, 2), ((1, 2), (0, 1)), ((1, 2), (0, 1), (2, 2)))
MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def calls():
    """Yield (function's name, what follows the operand, options)."""
    for name in "ravel copy atleast_1d atleast_2d atleast_3d diagflat fliplr flipud".split():
        yield name, (), {}
    for axis in AXES:
        for name in ONE_AXIS.split() + SEVERAL.split():
            yield name, (), {"axis": axis}
        for name in "prod all argmax median ptp nansum nanstd nanprod average".split():
            yield name, (), {"axis": axis, "keepdims": True}
        for name, given in (
            *(("roll", 1), ("roll", (1, 2)), ("repeat", 2), ("repeat", [1, 2, 0])),
            *(("take", [2, 0, -1]), ("take", 1), ("delete", 1), ("delete", [0, -1])),
            *(("split", 2), ("split", [1, 2]), ("array_split", 3), ("array_split", [2, 1, -1])),
            *(("quantile", 0.3), ("percentile", [[30, 50]]), ("expand_dims", axis)),
        ):
            yield name, (given,) if given is axis else (given, axis), {}
    for k in (-5, -1, 0, 1, 2):
        yield from ((name, (k,), {}) for name in ("tril", "triu", "diag", "rot90", "diagonal"))
        yield from ((name, (k, -1, 0), {}) for name in ("diagonal", "trace"))
        yield "rot90", (k, (1, 0)), {}
    for reps in (2, 0, (2, 1), (1, 2, 1, 3)):
        yield "tile", (reps,), {}
    for width in WIDTHS:
        yield from (("pad", (width, mode), {}) for mode in MODES)
        yield "pad", (width,), {"constant_values": (1, 2)}
    for source, destination in (
        (0, -1),
        ([0, 1], [-1, 0]),
        (0, 7),
        ([0, 0], [0, 1]),
        ([0], [0, 1]),
    ):
        yield "moveaxis", (source, destination), {}
    for name in ("hsplit", "vsplit", "dsplit"):
        yield from ((name, (cut,), {}) for cut in (2, [1], 0))
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        yield from (("quantile", (q,), {"method": method}) for q in (0.25, 0.5, 0.37, 1.2))
    yield from (("diff", (n,), {}) for n in (0, 2, 9, -1))
    yield "diff", (), {"prepend": 0, "append": 1.5}
    yield from (("swapaxes", pair, {}) for pair in ((0, 1), (0, -1), (0, 4)))
    yield from (("rollaxis", pair, {}) for pair in ((1,), (-1, 1), (0, 9)))


def parts(result):
    """Return the arrays of a result, which may be a sequence of them."""
    if isinstance(result, (list, tuple)):
        return [array for part in result for array in parts(part)]
    return [result.numpy() if isinstance(result, ag.Tensor) else np.asarray(result)]


def attempt(function, *arguments, **named):
    """Return the result, or the error in its place."""
    try:
        with np.errstate(all="ignore"):
            return function(*arguments, **named)
    except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        return error


# Where the answers may differ, and why.
ELSEWHERE = {
    "median": "of nothing: an error, as for mean",
    "quantile": "of truth values: they count as 0 and 1",
    "percentile": "of truth values: they count as 0 and 1",
    "average": "of nothing along an axis that is not there",
}


NARROW = ("diff", "percentile", "quantile")  # where NumPy widens float32 for a Python number


def odd(name, x):
    return name in ELSEWHERE and (x.size < 2 or x.dtype == bool)


CALLS = list(calls())
NAMES = list(dict.fromkeys(name for name, _, _ in CALLS))


@pytest.mark.filterwarnings("ignore:Mean of empty", "ignore:Degrees of", "ignore:All-NaN")
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", NAMES)
def test_what_numpy_gives_and_refuses(name):
    function = getattr(np, name)
    for _, given, options in (call for call in CALLS if call[0] == name):
        for x in OPERANDS:
            want = attempt(function, x, *given, **options)
            if odd(name, x) or (isinstance(want, Exception) and x.size == 0):
                continue
            got = attempt(function, ag.tensor(x), *given, **options)
            told = f"{name}({x.dtype}{list(x.shape)}, {given}, {options})"
            if isinstance(want, Exception):
                assert isinstance(got, Exception), f"{told}: NumPy says {want!r}"
                continue
            assert not isinstance(got, Exception), f"{told}: {got!r}"
            assert type(got) is ag.Tensor or type(got) is type(want), told
            for mine, its in zip(parts(got), parts(want), strict=True):
                dtype = np.float32 if x.dtype == np.float32 and name in NARROW else its.dtype
                assert (mine.shape, mine.dtype) == (its.shape, dtype), told
                np.testing.assert_allclose(mine, its, rtol=1e-6, atol=1e-6, err_msg=told)


PAIRS = (
    *(("hstack", {}), ("vstack", {}), ("dstack", {}), ("column_stack", {}), ("block", {})),
    *(("meshgrid", named) for named in ({}, {"indexing": "ij"}, {"sparse": True})),
    *(("convolve", {"mode": mode}) for mode in ("full", "same", "valid")),
    *(("correlate", {"mode": mode}) for mode in ("full", "same", "valid")),
    *(("broadcast_arrays", {}), ("append", {}), ("append", {"axis": 0})),
)


@pytest.mark.parametrize(("name", "named"), PAIRS)
def test_pairs_of_arrays(name, named):
    function = getattr(np, name)
    listed = name.endswith("stack") or name == "block"
    for x in (MATRIX, VECTOR, CUBE[:, 0], VECTOR[:2]):
        for y in (VECTOR, VECTOR[1:5], MATRIX, MATRIX[:1, :1]):
            tensors = [ag.tensor(x, requires_grad=True), y]
            want = attempt(function, *([[x, y]] if listed else [x, y]), **named)
            got = attempt(function, *([tensors] if listed else tensors), **named)
            assert isinstance(want, Exception) == isinstance(got, Exception), (want, got)
            if not isinstance(want, Exception):
                for mine, its in zip(parts(got), parts(want), strict=True):
                    np.testing.assert_allclose(mine, its, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_does_not_widen(dtype):
    x = ag.tensor(MATRIX, dtype=dtype)
    for result in (
        *(ag.diff(x, prepend=0.0), ag.pad(x, 1, constant_values=0.5), ag.quantile(x, [0.3])),
        *(ag.median(x), ag.average(x), ag.nanmean(x), ag.select([TRUTHS], [x], 1.5)),
        *(ag.trapezoid(x, dx=0.5), ag.percentile(x, 30)),
    ):
        assert result.dtype == dtype


# ------------------------------------------------------------------- derivatives at kinks


def gradient(f, x):
    return ag.grad(lambda x: ag.sum(f(x)))(np.asarray(x, float))


def weighted(f, weights):
    """Return Σ w f, so that the shares of equal elements can be told apart."""
    return lambda x: f(x) * np.asarray(weights, float)


TIES = {
    "cummax": (weighted(ag.cummax, [1, 2, 4]), [1, 1, 1], [7, 0, 0]),
    "cummin": (weighted(ag.cummin, [1, 2, 4]), [2, 1, 1], [1, 6, 0]),
    "sort": (weighted(ag.sort, [1, 2, 4]), [1, 1, 0], [2, 4, 1]),
    "median": (ag.median, [1, 1, 0, 2], [0.5, 0.5, 0, 0]),
    "nanmax": (ag.nanmax, [np.nan, 1, 1], [0, 0.5, 0.5]),
    "ptp": (ag.ptp, [0, 1, 1], [-1, 0.5, 0.5]),
    "nanstd": (ag.nanstd, [np.nan, 2, 2], [0, 0, 0]),
    "nanmean": (ag.nanmean, [np.nan, 2, 4], [0, 0.5, 0.5]),
    "nanprod": (ag.nanprod, [np.nan, 2, 0], [0, 0, 2]),
    "take": (lambda x: ag.take(x, [0, 0, -1]), [3, 4, 5], [2, 0, 1]),
    "nested tuple": (lambda x: x[((0, 0, 2),)], [3, 4, 5], [2, 0, 1]),
    "truths": (lambda x: x[[True, False, True]], [3, 4, 5], [1, 0, 1]),
}


@pytest.mark.parametrize("name", TIES)
def test_equal_elements_and_repeated_places(name):
    f, x, want = TIES[name]
    np.testing.assert_array_equal(gradient(f, x), want)


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3), (1, 2, 3), (0, 1, 2, 3)])
def test_products_with_zeros_have_every_derivative(zeros):
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[list(zeros)] = 0.0
    others = [np.prod(np.delete(x, i)) for i in range(4)]
    np.testing.assert_allclose(ag.grad(ag.prod)(x), others, rtol=1e-15)
    pairs = [[np.prod(np.delete(x, [i, j])) * (i != j) for i in range(4)] for j in range(4)]
    np.testing.assert_allclose(ag.hessian(ag.prod)(x), pairs, rtol=1e-15)
    last = ag.hessian(lambda x: ag.cumprod(x)[-1])(x)
    np.testing.assert_allclose(last, pairs, rtol=1e-15)


def test_products_beyond_the_largest_float_have_a_derivative_within():
    x = np.array([1e200, 1e-200, 1e200, 1e-200])
    np.testing.assert_allclose(ag.grad(ag.prod)(x), 1 / x, rtol=1e-12)
    with np.errstate(over="ignore"):
        huge = ag.grad(lambda x: ag.cumprod(x)[0])(np.full(4, 1e200))
    np.testing.assert_array_equal(huge, [1, 0, 0, 0])


def test_many_equal_elements_keep_their_order():
    x = np.repeat([1.0, 0.0, 2.0], 40)
    order = ag.argsort(x)
    np.testing.assert_array_equal(order, [*range(40, 80), *range(40), *range(80, 120)])
    weights = RNG.normal(size=120)
    np.testing.assert_array_equal(gradient(weighted(ag.sort, weights), x)[order], weights)


def test_a_number_reduced_along_an_axis_it_does_not_have():
    np.testing.assert_array_equal(gradient(lambda x: np.sum(x, axis=0), 2.0), 1.0)
    np.testing.assert_array_equal(gradient(lambda x: np.max(x, axis=-1), 2.0), 1.0)


@pytest.mark.parametrize("obj", [1, -1, 4, [2, 0, 2], slice(0, 2), np.array([True, False, True])])
def test_insertion_before_places(obj):
    for axis in (None, 0, 1):
        want = attempt(np.insert, MATRIX, obj, 9.0, axis)
        got = attempt(np.insert, ag.tensor(MATRIX), obj, 9.0, axis)
        assert isinstance(got, Exception) == isinstance(want, Exception)
        if not isinstance(want, Exception):
            np.testing.assert_array_equal(got.numpy(), want)


def test_a_full_turn_is_a_copy():
    assert not np.shares_memory(ag.rot90(MATRIX, 4), MATRIX)


def test_nan_and_infinity_in_order_statistics():
    assert np.isnan(ag.median(np.array([1.0, np.nan, 2.0])))
    assert np.isnan(ag.quantile(np.array([1.0, np.nan, 2.0]), 0.0))
    assert ag.median(np.array([1.0, np.inf, np.inf])) == np.inf
    assert ag.median(np.array([1.0, 2.0, np.inf, np.inf])) == np.inf
    got = ag.cummax(np.array([1.0, np.nan, 5.0]))
    np.testing.assert_array_equal(got, np.maximum.accumulate([1.0, np.nan, 5.0]))


# -------------------------------------------------------------- positions that are tensors


def test_positions_may_be_tensors():
    x, y = ag.tensor(VECTOR, requires_grad=True), ag.tensor(VECTOR[::-1].copy())
    order = np.argsort(VECTOR[::-1], kind="stable")
    for picked in (x[ag.argsort(y)], ag.take(x, ag.argsort(y)), x[ag.argsort(y),]):
        np.testing.assert_array_equal(picked.numpy(), VECTOR[order])
    rows = ag.tensor(MATRIX, requires_grad=True)
    best = ag.argmax(rows, axis=1, keepdims=True)
    picked = ag.take_along_axis(rows, best, axis=1)
    np.testing.assert_array_equal(picked.numpy(), MATRIX.max(axis=1, keepdims=True))
    picked.sum().backward()
    np.testing.assert_array_equal(rows.grad, np.isclose(MATRIX, MATRIX.max(axis=1)[:, None]))
    assert rows[rows > 0].shape == (int((MATRIX > 0).sum()),)


def test_many_rows_of_a_table():
    table = ag.tensor(RNG.normal(size=(50, 8)), requires_grad=True)
    words = RNG.integers(-50, 50, (4, 100))
    weights = RNG.normal(size=(4, 100, 8))
    (table[words] * weights).sum().backward()
    want = np.zeros((50, 8))
    np.add.at(want, words, weights)
    np.testing.assert_allclose(table.grad, want, rtol=1e-12, atol=1e-12)


def test_sums_by_integers():
    weights = ag.tensor(VECTOR, requires_grad=True)
    sums = np.bincount(np.array([0, 3, 3, 1, 0, 3]), weights, minlength=6)
    np.testing.assert_allclose(sums.numpy(), np.bincount([0, 3, 3, 1, 0, 3], VECTOR, 6))
    sums[3].backward()
    np.testing.assert_array_equal(weights.grad, [0, 1, 1, 0, 0, 1])


# ------------------------------------------------------------------------ at the door

METHODS = {
    "cumsum": lambda x: x.cumsum(1),
    "cumprod": lambda x: x.cumprod(axis=0),
    "prod": lambda x: x.prod(axis=1, keepdims=True),
    "argsort": lambda x: x.argsort(0),
    "argmax": lambda x: x.argmax(),
    "all": lambda x: (x > -9).all(),
    "any": lambda x: (x > 0).any(axis=0),
    "take": lambda x: x.take([1, 0], axis=1),
    "repeat": lambda x: x.repeat([1, 0, 2], axis=0),
    "compress": lambda x: x.compress([True, False, True], axis=0),
    "diagonal": lambda x: x.diagonal(1),
    "trace": lambda x: x.trace(),
    "flatten": lambda x: x.flatten(),
    "ravel": lambda x: x.ravel(),
    "squeeze": lambda x: x[None].squeeze(axis=0),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "mT": lambda x: x.mT,
    "copy": lambda x: x.copy(),
    "searchsorted": lambda x: x[0].cumsum(0).searchsorted([0.5]),
    "nonzero": lambda x: x.nonzero()[1],
    "clip by position": lambda x: np.clip(x, -0.5, 0.5),
    "clip, older names": lambda x: np.clip(x, a_min=-0.5, a_max=None),
    "clip, newer names": lambda x: np.clip(x, max=0.5),
    "where": lambda x: np.where(x > 0)[0],
    "amax": lambda x: np.amax(x, 0),
    "concat": lambda x: np.concat([x, x], axis=1),
    "permute_dims": lambda x: np.permute_dims(x, (1, 0)),
    "unique": lambda x: np.unique(np.sign(x)),
    "isin": lambda x: np.isin(element=x, test_elements=[1.0]),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_numpys_names(name):
    got = METHODS[name](ag.tensor(MATRIX, requires_grad=True))
    np.testing.assert_array_equal(parts(got)[0], METHODS[name](MATRIX))


def test_second_names_at_the_top():
    assert ag.amax is ag.max and ag.concat is ag.concatenate and ag.permute_dims is ag.transpose


MISTAKES = {
    "sort in place": (lambda x: x.sort(), ag.GraphError, "x.sort()..ag.sort"),
    "fill": (lambda x: x.fill(0.0), ag.GraphError, "x.fill()..x.data"),
    "put": (lambda x: x.put([0], 1.0), ag.GraphError, "x.put()..scatter"),
    "resize": (lambda x: x.resize(2), ag.GraphError, "x.resize()..pad"),
    "axis of squeeze": (
        lambda x: ag.squeeze(x, 0),
        ag.ShapeError,
        "squeeze..(3, 4)..0..not equal",
    ),
    "axis of expand_dims": (lambda x: ag.expand_dims(x, 7), ag.ShapeError, "expand_dims..7"),
    "axis of moveaxis": (lambda x: ag.moveaxis(x, 0, 5), ag.ShapeError, "moveaxis..5"),
    "axis of unstack": (lambda x: ag.unstack(x, 2), ag.ShapeError, "unstack..(3, 4)..2"),
    "axis of repeat": (lambda x: ag.repeat(x, 2, axis=2), ag.ShapeError, "repeat..2"),
    "axis of cumsum": (lambda x: ag.cumsum(x, axis=2), ag.ShapeError, "cumsum..(3, 4)..axis=2"),
    "axis of the wrong type": (lambda x: ag.diff(x, axis=(0, 1)), ag.DTypeError, "axis=(0, 1)"),
    "split": (lambda x: ag.split(x, 2), ag.ShapeError, "divides the 3..2..array_split"),
    "no section": (lambda x: ag.array_split(x, 0), ag.ShapeError, "split..at least one..0"),
    "vsplit": (lambda x: ag.vsplit(x[0], 2), ag.ShapeError, "vsplit..2 axes..(4,)"),
    "indexing": (
        lambda x: ag.meshgrid(x[0], indexing="yx"),
        ag.UnknownNameError,
        "meshgrid..'yx'",
    ),
    "mode of pad": (lambda x: ag.pad(x, 1, "mean"), ag.UnknownNameError, "pad..edge..'mean'"),
    "width of pad": (lambda x: ag.pad(x, -1), ag.ShapeError, "pad..at least 0..-1..Slice"),
    "widths of pad": (lambda x: ag.pad(x, (1, 2, 3)), ag.ShapeError, "pad..(3, 4)..(1, 2, 3)"),
    "diag": (lambda x: ag.diag(x[None]), ag.ShapeError, "diag..(1, 3, 4)..diagonal"),
    "diff": (lambda x: ag.diff(x, -1), ag.ShapeError, "diff..at least 0..-1"),
    "convolve": (lambda x: ag.convolve(x, x), ag.ShapeError, "two vectors..(3, 4)"),
    "mode of convolve": (
        lambda x: ag.convolve(x[0], x[0], "half"),
        ag.UnknownNameError,
        "convolve..'half'",
    ),
    "q": (lambda x: ag.quantile(x, 1.2), ag.ShapeError, "quantile..0 to 1..1.2"),
    "q in percent": (lambda x: ag.percentile(x, -3), ag.ShapeError, "percentile..0 to 100..-3"),
    "q on the tape": (lambda x: ag.quantile(x, x[0]), ag.DTypeError, "quantile..tape..numpy()"),
    "method": (
        lambda x: ag.quantile(x, 0.5, method="hazen"),
        ag.UnknownNameError,
        "quantile..midpoint..'hazen'",
    ),
    "median of nothing": (
        lambda x: ag.median(x[:0]),
        ag.ShapeError,
        "median..at least one..(0, 4)",
    ),
    "weights": (
        lambda x: ag.average(x, 0, weights=[1.0, 2.0]),
        ag.ShapeError,
        "average..(2,)..(3, 4)",
    ),
    "places that are not whole": (lambda x: ag.take(x, [0.5]), ag.DTypeError, "take..float64"),
    "places on the tape": (lambda x: ag.take(x, x[0]), ag.DTypeError, "take..integer positions"),
    "select": (lambda x: ag.select([], []), ag.ShapeError, "select..at least one..none"),
    "select, unequal": (lambda x: ag.select([x > 0], []), ag.ShapeError, "select..fit"),
    "unknown option": (lambda x: ag.tile(x, reps=2, axis=1), ag.DTypeError, "tile..axis"),
    "choose": (
        lambda x: ag.choose([0, 2], [x, x]),
        ag.ShapeError,
        "choose..[0, 2]..shape (3, 4)..invalid entry",
    ),
    "insert": (lambda x: ag.insert(x, 0, 1.0, axis=3), ag.ShapeError, "insert..(3, 4)..axis 3"),
    "counts": (lambda x: ag.bincount(np.array([0.5])), ag.DTypeError, "bincount..float64"),
}
FORM = re.compile(r"^[^:]+: .+, but got .+\. .+\.$", re.DOTALL)


@pytest.mark.parametrize("name", MISTAKES)
def test_message(name):
    mistake, kind, words = MISTAKES[name]
    with pytest.raises(kind) as caught:
        mistake(ag.tensor(MATRIX, requires_grad=True))
    text = str(caught.value)
    assert re.search(".*".join(map(re.escape, words.split(".."))), text, re.DOTALL), text
    assert FORM.match(text), f"not of the form what / got / do: {text}"


def test_a_refused_call_leaves_the_arrays_as_they_were():
    x = ag.tensor(MATRIX, requires_grad=True)
    for mistake in ("sort", "fill", "put", "resize", "partition"):
        with pytest.raises(ag.GraphError):
            getattr(x, mistake)(0)
    np.testing.assert_array_equal(x.numpy(), MATRIX)
