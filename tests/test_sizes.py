"""One machine code for arrays of any size: right at each, and made but once or twice."""

import numpy as np
import pytest
from twins import step_of

import autograd_core as ag
import nn
import optim
from autograd_core.compiler.native import Segment
from autograd_core.kernels import building

RNG = np.random.default_rng(5)
SIZES = (16, 9, 12, 5, 31, 7, 24, 3)


def made(compiled, calls):
    """Return how many kernels the calls compile, and whether all went by a program."""
    before = dict(building.count)
    for arguments in calls:
        compiled(*arguments)
    return sum(building.count[kind] - before[kind] for kind in before)


def both(function, arguments, compiled):
    """Call both, with what the compiled one has learned before; compare."""
    with ag.no_grad():
        want, got = function(*arguments), compiled(*arguments)
    want, got = (x if isinstance(x, tuple) else (x,) for x in (want, got))
    for one, other in zip(want, got, strict=True):
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), rtol=2e-12, atol=1e-13)


def gradients(x, w):
    def loss(x, w):
        h = ag.softmax(ag.tanh(x @ w) + ag.mean(x, axis=0)[:4], axis=-1)
        return ag.mean(ag.logsumexp(h * ag.cumsum(x[:, :4], axis=0), axis=0)) + ag.var(x[:, ::2])

    return ag.value_and_grad(loss, argnums=(0, 1))(x, w)


def recurrence(x, w):
    h = w[0]
    for t in range(len(x)):
        h = ag.tanh(w @ h + x[t])
    return ag.sum(h * h)


FUNCTIONS = {
    "reductions, products and slices": (
        lambda x, w: (lambda v, g: (v, *g))(*gradients(x, w)),
        lambda n: (RNG.normal(size=(n, 6)), RNG.normal(size=(6, 4))),
    ),
    "two sizes that vary": (
        lambda x, y: (ag.sum(x @ y, axis=1), ag.exp(x[:, :1] - ag.max(y, axis=1))),
        lambda n: (RNG.normal(size=(n, 2 * n)), RNG.normal(size=(2 * n, 3))),
    ),
    "a recurrence over the first axis": (
        ag.grad(recurrence, argnums=1),
        lambda n: (RNG.normal(size=(n + 40, 3)), RNG.normal(size=(3, 3))),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_at_every_size(name):
    function, arguments = FUNCTIONS[name]
    compiled = ag.compile(function, dynamic=None if "two" in name else True)
    for n in SIZES[:5]:
        for _ in range(3):
            both(function, arguments(n), compiled)
    assert len(compiled.programs) == 5, compiled.explain()


def test_few_sizes_are_compiled():
    def function(x, y):  # that no other test knows
        return ag.value_and_grad(lambda x: ag.mean(ag.cos(x @ y) * ag.arctan(x[:, 1:5])))(x)

    def arguments(n):
        return RNG.normal(size=(n, 6)), RNG.normal(size=(6, 4))

    compiled = ag.compile(function)
    counts = [made(compiled, [arguments(n) for _ in range(3)]) for n in SIZES]
    assert all(counts[:2]) and sum(map(bool, counts[2:])) <= 1, counts
    apart = ag.compile(function, dynamic=False)
    assert all(made(apart, [arguments(n + 100) for _ in range(3)]) for n in SIZES[:2])


def test_the_first_text_is_written_for_all_sizes_once(monkeypatch):
    counts = []
    known = Segment.announce
    monkeypatch.setattr(
        Segment, "announce", lambda self: counts.append(self._general) or known(self)
    )
    compiled = ag.compile(lambda x: ag.sum(ag.log1p(x * x) * ag.arctan(x)))
    for n in SIZES[:4]:
        made(compiled, [(RNG.normal(size=n),) for _ in range(3)])
    assert counts == [False, True, True]


def test_training_on_batches_of_any_size():
    rng = np.random.default_rng(2)
    models = [nn.MLP([6, 8, 3], rng=np.random.default_rng(1)) for _ in range(2)]
    steps = []
    for model in models:
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        steps.append(step_of(model, optimizer, nn.CrossEntropyLoss()))
    compiled = ag.compile(steps[1])
    sizes = SIZES[:4]
    for n in (*sizes, *sizes, *sizes):
        x, y = ag.tensor(rng.normal(size=(n, 6)).astype(np.float32)), rng.integers(0, 3, n)
        steps[0](x, ag.tensor(y))
        compiled(x, ag.tensor(y))
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=2e-4, atol=2e-6)
    assert len(compiled.programs) == len(sizes)


def test_two_programs_for_other_sizes_run_at_once():
    """Each has its own numbers: what one size is must not be seen by another."""
    compiled = ag.compile(ag.value_and_grad(lambda x: ag.sum(ag.exp(x) * x)))
    xs = [RNG.normal(size=n) for n in (*SIZES, *SIZES)]
    for _ in range(3):
        for x in xs:
            compiled(x + RNG.normal())
    want = [ag.value_and_grad(lambda x: ag.sum(ag.exp(x) * x))(x) for x in xs]
    for (value, gradient), (v, g) in zip(want, [compiled(x) for x in xs], strict=True):
        np.testing.assert_allclose(v, value, rtol=1e-13)
        np.testing.assert_allclose(g, gradient, rtol=1e-13)
