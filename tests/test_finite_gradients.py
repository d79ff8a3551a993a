"""The check that gradients are finite, where they are products: by bounds, or as they are stored.

Whatever is not finite is found before anything is updated, and what is finite is updated, however
large the numbers on the way are.
"""

import os
import re

import numpy as np
import pytest
from twins import step_of

import autograd_core as ag
import nn
import optim
from autograd_core.compiler.running import Stale
from autograd_core.kernels import team, tiling
from autograd_core.kernels.jit import compile_source
from autograd_core.kernels.products import ROOM, product_source

pytestmark = [
    pytest.mark.usefixtures("four_threads"),
    pytest.mark.skipif(
        os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="nothing is compiled"
    ),
]

# By rows of a batch, columns in and out. Beyond 2^24 multiplications the BLAS makes the product.
BOUNDED, STORED, SHARED = (136, 256, 512), (40, 96, 64), (100, 180, 130)
SIZES = {"bounded": BOUNDED, "stored": STORED, "shared": SHARED}


def training(sizes, dtype=np.float32):
    """Return two equal trainings of one weight, of the inner product of x w' and another array."""
    rows, width, out = sizes
    rng = np.random.default_rng(0)
    start = rng.normal(size=(out, width)).astype(dtype)
    found = []
    for compiled in (True, False):
        weight = ag.tensor(start.copy(), requires_grad=True)
        optimizer = optim.SGD([weight], lr=1e-3)

        def step(x, g, weight=weight, optimizer=optimizer):
            loss = ag.sum((x * 1.0) @ weight.T * g * 0.5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        found.append((ag.compile(step) if compiled else step, weight))
    return found


def batch(sizes, dtype=np.float32, seed=1):
    rows, width, out = sizes
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, width)).astype(dtype), rng.normal(size=(rows, out)).astype(dtype)


def trained(sizes, dtype=np.float32):
    (compiled, weight), (eager, other) = training(sizes, dtype)
    for seed in range(4):
        given = batch(sizes, dtype, seed)
        compiled(*given)
        eager(*given)
    return compiled, weight, eager, other


def run(compiled, *arrays):
    """Run the program alone: what it does not do is not done."""
    with np.errstate(all="ignore"):
        compiled.programs[0].run(arrays)


def put(array, value, place=(3, 5)):
    array[place] = value


BAD = {
    "a NaN in X": lambda x, g: put(x, np.nan),
    "infinity in X": lambda x, g: put(x, np.inf),
    "a NaN in G": lambda x, g: put(g, np.nan),
    "infinity in G": lambda x, g: put(g, -np.inf),
    "a NaN that meets zeros": lambda x, g: (put(x, np.nan), g.fill(0.0)),
    "infinity in the last element": lambda x, g: put(g, np.inf, (-1, -1)),
    "one term that is too large": lambda x, g: (put(x, 1e30), put(g, 1e30)),
    "a sum that is too large": lambda x, g: (x.fill(3e19), g.fill(1e18)),
    "sums of both signs": lambda x, g: (x.fill(1e19), g.fill(1e20), g[::2].__imul__(-1.0)),
}
FINE = {
    "X beyond what squares can be": lambda x, g: (put(x, 1e20), g.__imul__(1e-6)),
    "G beyond what squares can be": lambda x, g: (put(g, 1e25), x.__imul__(1e-6)),
    # Of one sign, Σ 0 g, which sums in any order make 0 Σ g, would overflow: it need not be sharp.
    "squares that overflow": lambda x, g: (x.fill(1e17), np.copysign(1e17, g, out=g)),
    "all too small for squares": lambda x, g: (x.fill(1e-30), g.fill(1e-30)),
    "an infinity that could cancel": lambda x, g: (put(x, 1e19), put(g, 1e19)),
    "zeros": lambda x, g: (x.fill(0.0), g.fill(0.0)),
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_how_they_are_checked(sizes):
    compiled, *_ = trained(sizes)
    source = "".join(segment.source for segment in compiled.programs[0].segments)
    by_bound = re.search(r"if not is_bounded\(.+\) and not is_finite\(", source)
    shared = "_shared" * (sizes is SHARED and team.shares_products())
    as_stored = re.search(rf"= sproduct_\w+_checked{shared}\(", source)
    if sizes is BOUNDED:
        assert by_bound and not as_stored
    else:
        assert not by_bound
        assert as_stored or tiling.machine() is None


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_what_is_not_finite_is_found_before_anything_is_updated(sizes, spoil):
    compiled, weight, eager, other = trained(sizes)
    x, g = batch(sizes)
    spoil(x, g)
    before = weight.numpy().copy()
    with pytest.raises(Stale, match="a gradient at .* is not finite"):
        run(compiled, x, g)
    np.testing.assert_array_equal(weight.numpy(), before)
    with np.errstate(all="ignore"):
        compiled(x, g)
        eager(x, g)
    np.testing.assert_allclose(weight.numpy(), other.numpy(), rtol=1e-4)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("change", FINE.values(), ids=FINE)
def test_what_is_finite_is_updated(sizes, change):
    compiled, weight, eager, other = trained(sizes)
    x, g = batch(sizes)
    change(x, g)
    run(compiled, x, g)
    with np.errstate(all="ignore"):
        eager(x, g)
    assert np.isfinite(other.numpy()).all()
    np.testing.assert_allclose(weight.numpy(), other.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("big", [1e200, 1e154, 1e300])
def test_double_precision_has_bounds_of_its_own(big):
    compiled, weight, eager, other = trained(BOUNDED, np.float64)
    x, g = batch(BOUNDED, np.float64)
    x.fill(big)
    g.fill(1e8 / big)
    run(compiled, x, g)
    eager(x, g)
    np.testing.assert_allclose(weight.numpy(), other.numpy(), rtol=1e-10)
    g.fill(big)
    before = weight.numpy().copy()
    with pytest.raises(Stale, match="not finite"):
        run(compiled, x, g)
    np.testing.assert_array_equal(weight.numpy(), before)


def test_a_network_goes_on_as_it_did():
    models = [
        nn.Sequential(nn.Linear(256, 512, rng=0), nn.ReLU(), nn.Linear(512, 2, rng=1))
        for _ in range(2)
    ]
    plain, other = (
        step_of(model, optim.Adam(model.parameters(), lr=1e-3), nn.MSELoss()) for model in models
    )
    compiled = ag.compile(plain)
    rng = np.random.default_rng(2)
    for i in range(8):
        x = rng.normal(size=(136, 256)).astype(np.float32)
        y = rng.normal(size=(136, 2)).astype(np.float32)
        x[0, 0] = 1e20 if i == 5 else x[0, 0]  # nothing is proved, all is finite
        np.testing.assert_allclose(compiled(x, y).numpy(), other(x, y).numpy(), rtol=1e-3)
    assert "is_bounded" in "".join(s.source for s in compiled.programs[0].segments)
    assert "not finite" not in compiled.explain()


# ------------------------------------------------------------------------------ the product


@pytest.mark.parametrize("place", [(0, 0), (17, 20), (-1, -1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_plain_product_tells_whether_it_is_finite(dtype, place):
    sizes = tiling.Sizes(dtype, 21, 23, 5, False, False, 5, 23, 23, False, True)
    a, b = np.ones((21, 5), dtype), np.ones((5, 23), dtype)
    c = np.empty((21, 23), dtype)
    addresses = [array.ctypes.data for array in (a, b, c)]
    assert tiling.plain(*sizes)(*addresses, 0) == 0.0
    a[place[0]] = b[:, place[1]] = np.finfo(dtype).max
    with np.errstate(all="ignore"):
        assert np.isnan(tiling.plain(*sizes)(*addresses, 0))


@pytest.mark.skipif(tiling.machine() is None, reason="a processor without tiles")
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("dtype", "large"), [("float32", 1e30), ("float64", 1e200)])
def test_every_element_of_a_product_counts(dtype, large, transposed):
    m, n, k = 17, 45, 9
    product = product_source(dtype, m, n, k, "a", "b", "c", transpose_b=transposed, checked=True)
    call = product.call.replace(ROOM, "room")
    number = f"np.{dtype}"
    lines = ["import numpy as np", product.definition]
    lines.append(f"def multiply(a, b, c, room, out):\n    view(out, 1, {number})[0] = {call}\n")
    multiply = compile_source("multiply", "\n".join(lines), "(intp, intp, intp, intp, intp)")
    a, b = np.ones((m, k), dtype), np.ones((n, k) if transposed else (k, n), dtype)
    c, room, out = np.empty((m, n), dtype), np.empty(product.room, dtype), np.empty(1, dtype)
    addresses = [array.ctypes.data for array in (a, b, c, room, out)]
    column = b[:, 0] if transposed else b[0]
    multiply(*addresses)
    assert out[0] == 0.0
    for i, j in np.ndindex(m, n):
        a[i, 0] = column[j] = large
        multiply(*addresses)
        assert np.isnan(out[0]) and np.isinf(c).sum() == np.isinf(c[i, j]) == 1
        a[i, 0] = column[j] = 1.0


def test_only_tiles_are_checked():
    if tiling.machine() is not None:
        assert product_source("float32", 32, 32, 32, "a", "b", "c", checked=True).checked
    assert not product_source("float32", 32, 32, 32, "a", "b", "c").checked
    assert not product_source("float32", 300, 999, 999, "a", "b", "c", checked=True).checked
    assert not product_source("float32", 32, 2, 2, "a", "b", "c", checked=True).checked
