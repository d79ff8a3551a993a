"""Slopes are computed with their values, where that spares an exponential and costs no memory."""

import numpy as np
import pytest
from segments import traces
from test_lowering import run

import autograd_core as ag
from autograd_core.compiler import native
from autograd_core.compiler.fuse import LARGE, units
from autograd_core.compiler.native import Segment, moves
from autograd_core.compiler.slopes import PULL, SMALL, with_slopes
from autograd_core.declare import OPS

RNG = np.random.default_rng(0)
PULLS = {
    match[1].partition("_slope(")[0]: OPS[op.name]
    for op in OPS.values()
    if (match := PULL.fullmatch(str(op.facets.get("scalar"))))
}
CHOICES = ("hard", "leaky", "relu", "softshrink", "softsign")  # no series in the slope


def swept(name, rows=6, **attributes):
    """Return a function whose value is read by a product, before the pull; and its arrays."""

    def function(x, w):
        x = x * 1.5
        y = OPS[name](x, **attributes)
        ct = ag.matmul(y, w)
        return PULLS[name](ct, x, **attributes)

    return function, RNG.normal(size=(rows, 4)), RNG.normal(size=(4, 4))


def names(function, *arrays):
    """Return the names of the steps, as they become."""
    trace, wanted = traces(function, *arrays)
    needed = {trace.value(x._value) for x in wanted}
    return [s.name for unit in with_slopes(units(trace.steps, moves), needed) for s in unit]


def found(monkeypatch, function, arrays, dtype):
    """Return what machine code makes of a function, with slopes in their places and without."""
    trace, wanted = traces(function, *(x.astype(dtype) for x in arrays))
    values = [trace.value(x._value) for x in wanted]
    arrays = [x.astype(dtype) for x in arrays]
    texts = [Segment(trace.steps, set(values), dtype).source]
    results = [run(trace, arrays, values, dtype)]
    monkeypatch.setattr(native, "with_slopes", lambda units, needed: units)
    texts.append(Segment(trace.steps, set(values), dtype).source)
    results.append(run(trace, arrays, values, dtype))
    return texts, results


@pytest.mark.parametrize("name", PULLS)
def test_every_activation_with_a_series_has_its_slope_beside_it(name):
    function, *arrays = swept(name)
    slopes = [n for n in names(function, *arrays) if n.endswith("_slope")]
    assert slopes == ([] if name.startswith(CHOICES) else [f"{name}_slope"])


@pytest.mark.parametrize(
    ("name", "attributes", "dtype"),
    [("tanh", {}, "float64"), ("gelu", {}, "float32"), ("elu", {"alpha": 0.7}, "float32")],
)
def test_no_bit_changes(monkeypatch, name, attributes, dtype):
    function, *arrays = swept(name, **attributes)
    (new, old), (one, other) = found(monkeypatch, function, arrays, dtype)
    assert new != old
    forward = new[new.index(f"= {name}(") : new.index("product")]
    assert f"= {name}_slope(" in forward
    assert f"{name}_slope(" not in new[new.index("product") :]
    np.testing.assert_array_equal(one, other)


def test_an_exact_zero_wins_over_an_infinity_as_before(monkeypatch):
    def function(x, c):
        ct = ag.sum(ag.sigmoid(x)) * c
        return PULLS["sigmoid"](ct, x)

    x = np.array([-np.inf, 900.0, 0.3, 0.3, -900.0])
    c = np.array([np.inf, -np.inf, 0.0, np.nan, np.nan])
    _, ((one,), (other,)) = found(monkeypatch, function, [x, c], "float64")
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, [0.0, 0.0, 0.0, np.nan, np.nan])


def test_an_operand_that_is_kept_anyway_is_enough():
    rows = SMALL // 4 + 1

    def kept(x, w):
        x = x * 1.5
        ct = ag.matmul(ag.tanh(x), w)
        return PULLS["tanh"](ct, x) * x

    x, w = RNG.normal(size=(rows, 4)), RNG.normal(size=(4, 4))
    assert "tanh_slope" not in names(kept, x, w)
    assert "tanh_slope" in names(kept, x[:-1], w)  # small
    assert "tanh_slope" in names(*swept("tanh", rows))


def test_what_is_one_loop_stays_one():
    def alone(ct, x):
        return ag.tanh(x) * PULLS["tanh"](ct, x)

    assert names(alone, *RNG.normal(size=(2, 5))) == ["tanh", "tanh_pull", "multiply"]


def test_a_cosine_moves_to_the_sine(monkeypatch):
    def swinging(x, w):
        x = x * 1.5
        ct = ag.matmul(ag.sin(x), w) + 2.0
        return ct * ag.cos(x)

    arrays = RNG.normal(size=(6, 4)), RNG.normal(size=(4, 4))
    assert names(swinging, *arrays) == ["multiply", "sin", "cos", "matmul", "add", "multiply"]
    _, (one, other) = found(monkeypatch, swinging, arrays, "float64")
    np.testing.assert_array_equal(one, other)


def test_what_a_loop_adds_up_stays_there():
    def summed(x, w):
        x = x * 1.5
        ct = ag.matmul(ag.sin(x), w) + 2.0
        return ct, ag.sum(ag.cos(x))

    arrays = RNG.normal(size=(LARGE // 4, 4)), RNG.normal(size=(4, 4))
    assert names(summed, *arrays) == ["multiply", "sin", "matmul", "add", "cos", "sum"]
    trace, wanted = traces(summed, *arrays)
    values = [trace.value(x._value) for x in wanted]
    _, total = run(trace, arrays, values, "float64")
    np.testing.assert_allclose(total, np.sum(np.cos(1.5 * arrays[0])), rtol=1e-13)


@pytest.mark.parametrize("rows", [6, SMALL // 4 + 1])
def test_of_several_slopes_at_most_one_takes_the_place_of_a_large_operand(rows):
    def function(x, w):
        x = x * 1.5
        ct = ag.matmul(ag.elu(x, alpha=2.0), w)
        pulls = [PULLS["elu"](ct, x, alpha=alpha) for alpha in (1.0, 2.0, 1.0)]
        return (*pulls, ag.exp(x) * ct)

    arrays = RNG.normal(size=(rows, 4)), RNG.normal(size=(4, 4))
    slopes = [name for name in names(function, *arrays)[2:] if name != "pulled"]
    large = ["matmul", *["elu_pull"] * 3, "exp", "multiply"]
    assert slopes == (["elu_slope"] * 2 + ["exp", "matmul", "multiply"] if rows == 6 else large)


def test_memory_does_not_grow(monkeypatch):
    """The value lies where the product was, and the slope where the operand would have been."""

    def layer(x, w):
        x = ag.matmul(x, w) + 1.0
        total = ag.sum(ag.tanh(x))
        return PULLS["tanh"](total, x)

    trace, wanted = traces(layer, RNG.normal(size=(200, 4)), RNG.normal(size=(4, 4)))
    values = {trace.value(x._value) for x in wanted}
    size = Segment(trace.steps, values, "float64").size
    monkeypatch.setattr(native, "with_slopes", lambda units, needed: units)
    assert size == Segment(trace.steps, values, "float64").size


def test_an_update_parts_what_comes_before_from_what_comes_after():
    trace, _ = traces(*swept("tanh"))
    *before, product, pull = trace.steps
    update = native.Update(lambda p: None, (before[0].reads[0],), {}, (0,), None)
    steps = [*before, product, update, pull]
    assert with_slopes([[step] for step in steps], {pull.result}) == [[step] for step in steps]
