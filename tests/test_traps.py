"""Traps: what a program must not take for granted; each is done right, or refused in words."""

import copy
import math

import numpy as np
import pytest
from twins import (
    VECTORS,
    batches,
    check,
    close,
    layer,
    same_training,
    small,
    step_of,
    twins,
)

import autograd_core as ag
import nn
import optim
from autograd_core.declare import COMPOSITES


def test_a_branch_on_a_value_is_taken_anew():
    def function(x):
        return ag.sum(x) * 2.0 if ag.sum(x) > 1.0 else ag.sum(x) - 5.0

    check(function, VECTORS)


def test_a_loop_as_long_as_a_value_says():
    def function(x):
        while ag.sum(x * x) > 0.5:
            x = x * 0.5
        return ag.sum(x)

    check(function, VECTORS)


@pytest.mark.parametrize("read", [float, lambda t: t.item(), lambda t: t.numpy() * 1.0])
def test_a_number_that_the_host_has_read(read):
    def function(x):
        return ag.sum(x) * float(read(ag.max(x)))

    check(function, VECTORS, runs=0)


def test_an_array_computed_without_operations_is_no_constant():
    def function(x):
        return ag.sum(x * np.sin(np.asarray(x.numpy())))

    check(function, VECTORS, runs=0)


def test_equal_inputs_prove_no_constant():
    source = np.array([1.0, 2.0, 3.0])

    def function(x):
        return ag.sum(x * np.array(source))

    compiled = ag.compile(function)
    x = np.ones(3)
    compiled(x), compiled(x), compiled(x)
    assert "equal inputs" in compiled.explain()
    assert float(compiled(2.0 * x)) == 12.0
    assert float(compiled(3.0 * x)) == 18.0


def test_an_array_that_is_captured_is_read_at_every_run():
    weights = np.ones(4)

    def function(x):
        return ag.sum(x * weights)

    compiled = ag.compile(function)
    for i, (x,) in enumerate(VECTORS):
        weights[:] = i
        close(compiled(x).numpy(), function(x))


def test_a_constant_that_is_assigned_and_then_read():
    state = ag.tensor(np.zeros(4))

    def function(x):
        state.data = x * 2.0
        return state + 1.0

    check(function, VECTORS)


def test_a_closure_that_changes():
    factor = 1.0

    def function(x):
        return ag.sum(x) * factor

    compiled = ag.compile(function)
    for i, (x,) in enumerate(VECTORS):
        factor = 1.0 + i // 4
        close(compiled(x).numpy(), np.asarray(function(x)))
    assert len(compiled.kinds) == 2


SETTINGS = {"power": 2}
scale_of_module = 3.0


def test_globals_that_change():
    def function(x):
        return ag.sum(x ** SETTINGS["power"]) * scale_of_module

    compiled = ag.compile(function)
    try:
        for i, (x,) in enumerate(VECTORS):
            SETTINGS["power"] = 2 + i // 4
            close(compiled(x).numpy(), np.asarray(function(x)))
    finally:
        SETTINGS["power"] = 2


def test_labels_stay_on_the_way_of_operations():
    one, two = (_classifier() for _ in range(2))
    step = ag.compile(one[0])
    rng = np.random.default_rng(0)
    for i in range(8):
        x = rng.normal(size=(6, 5)).astype(np.float32)
        y = rng.integers(0, 3, 6)
        y[: i % 3] = -100  # ignored
        got, want = step(x, y), two[0](x, ag.tensor(y))
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=3e-6)
    for p, q in zip(one[1].parameters(), two[1].parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-4, atol=1e-6)
    assert "run 5 times" in step.explain(), step.explain()
    with pytest.raises(ag.ShapeError, match="labels from 0 to 2"):
        step(x, np.full(6, 3))


def _classifier():
    model = small(dtype=np.float32)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    return step_of(model, optimizer, nn.CrossEntropyLoss(label_smoothing=0.1)), model


class Experiment:
    """An object whose method is compiled: it notes what nobody reads, and changes a setting."""

    def __init__(self):
        self.factor = 1.0
        self.last = None

    def scaled(self, x):
        return ag.sum(x) * self.factor

    def run(self, x):
        return self.scaled(ag.tanh(x))


def test_of_an_object_the_attributes_that_are_read_count():
    experiment = Experiment()
    compiled = ag.compile(experiment.run)
    for i, (x,) in enumerate(VECTORS * 2):
        experiment.factor = 1.0 + i // 8
        experiment.last = compiled(ag.tensor(x))
        close(experiment.last.numpy(), experiment.run(ag.tensor(x)).numpy())
    assert len(compiled.kinds) == 2, compiled.explain()


def test_training_and_evaluation():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 4, rng=rng, dtype=np.float64), nn.Dropout(0.5, rng=1))
    twin = copy.deepcopy(model)
    compiled = ag.compile(lambda x: model(x))
    for i, (x,) in enumerate(VECTORS):
        for part in (model, twin):
            part.train(i % 2 == 0)
        close(compiled(x).numpy(), twin(x).numpy())


def test_python_arguments_are_seen():
    def function(x, factor, name="sum", **options):
        return getattr(ag, name)(x) * factor * options.get("sign", 1)

    calls = [(x, float(i % 3), "sum" if i % 2 else "max") for i, (x,) in enumerate(VECTORS * 3)]
    check(function, calls)


def test_shapes_and_dtypes_change_back_and_forth():
    def function(x):
        return ag.sum(ag.tanh(x))

    rng = np.random.default_rng(0)
    shapes = [(3,), (4,), (3,), (2, 3), (3,), (4,), (3,), (2, 3)] * 2
    calls = [(rng.normal(size=shape).astype("df"[i % 2]),) for i, shape in enumerate(shapes)]
    check(function, calls)


def test_results_belong_to_the_caller():
    compiled = ag.compile(lambda x: (x, x * 2.0, x))
    kept = [compiled(x) for (x,) in VECTORS]
    for (x,), (same, twice, also) in zip(VECTORS, kept, strict=True):
        close(same.numpy(), x)
        close(twice.numpy(), 2.0 * x)
        assert not np.shares_memory(same.numpy(), also.numpy())
        assert not np.shares_memory(same.numpy(), x)


def test_gradients_belong_to_the_caller():
    one, two = twins(lambda params: optim.SGD(params, lr=0.1))
    kept = []
    for x, y in batches():
        one[0](x, y), two[0](x, y)
        kept.append([(p.grad, q.grad.copy()) for p, q in _pairs(one, two)])
    for pairs in kept:
        for got, want in pairs:
            close(got, want)


def _pairs(one, two):
    return zip(one[1].parameters(), two[1].parameters(), strict=True)


def test_gradients_accumulate_where_nobody_forgets_them():
    models = [small(), small()]

    def of(model):
        def collect(x, y):
            loss = nn.MSELoss()(model(x), y)
            loss.backward()
            return loss

        return collect

    compiled, plain = ag.compile(of(models[0])), of(models[1])
    for i, (x, y) in enumerate(batches(9)):
        compiled(x, y), plain(x, y)
        for p, q in zip(*(m.parameters() for m in models), strict=True):
            close(p.grad, q.grad)
        if i == 4:
            for model in models:
                model.zero_grad()


def changing_gradients(change):
    """Return a maker of optimizers that change the gradients first."""

    def make(params):
        params = list(params)
        optimizer = optim.SGD(params, lr=0.1)
        plain = optimizer.step

        def changed():
            change(params)
            plain()

        optimizer.step = changed
        return optimizer

    return make


def test_gradients_changed_by_the_host_are_not_lost():
    def halve(params):
        for p in params:
            p.grad *= 0.5

    one, two = twins(changing_gradients(halve))
    same_training(one, two, batches())
    assert "hold of a gradient" in one[0].explain()


CLIPPINGS = {
    "norm": lambda p: optim.clip_grad_norm_(p, 0.01),
    "large norm": lambda p: optim.clip_grad_norm_(p, 1e3),
    "largest": lambda p: optim.clip_grad_norm_(p, 0.01, norm_type=math.inf),
    "order 3": lambda p: optim.clip_grad_norm_(p, 0.01, norm_type=3.0, eps=0.0),
    "finite": lambda p: optim.clip_grad_norm_(p, 0.01, error_if_nonfinite=True),
    "value": lambda p: optim.clip_grad_value_(p, 0.01),
    "both": lambda p: (optim.clip_grad_value_(p, 0.02), optim.clip_grad_norm_(p, 0.01)),
}


@pytest.mark.parametrize("clip", CLIPPINGS.values(), ids=CLIPPINGS)
def test_clipping_is_part_of_the_program(clip):
    one, two = twins(changing_gradients(clip), model_of=layer)
    same_training(one, two, batches())
    assert "a program" in one[0].explain(), one[0].explain()


def test_clipping_of_weights_of_two_dtypes():
    def run(compiled):
        p, q = ag.tensor([3.0, 4.0], requires_grad=True), nn.Parameter(np.float32([2.0]))
        optimizer = optim.SGD([p, q], lr=0.1)

        def step(x):
            loss = (p * x).sum() + (q * 2.0).sum()
            optimizer.zero_grad()
            loss.backward()
            norm = optim.clip_grad_norm_([p, q], 1.0)
            optimizer.step()
            return ag.multiply(norm, 1.0)

        step = ag.compile(step) if compiled else step
        norms = [float(step(np.array([1.0, i]))) for i in range(6)]
        return norms, p.numpy(), q.numpy()

    for found, expected in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_gradients_from_outside_are_clipped_anew():
    def run(compiled):
        p = ag.tensor([3.0, 4.0], requires_grad=True)
        optimizer = optim.SGD([p], lr=0.1)

        def step(x):
            optim.clip_grad_value_([p], 1.0)
            optimizer.step()
            return x + 1.0

        step = ag.compile(step) if compiled else step
        for i in range(8):
            p.grad = [0.3 * i, -0.4 * i]
            step(np.array([1.0 * i]))
        assert not compiled or "a program" in step.explain(), step.explain()
        return p.numpy()

    np.testing.assert_allclose(run(True), run(False), rtol=1e-14)


def test_clipping_raises_in_a_program_as_it_does_without():
    p = ag.tensor([1.0, 2.0], requires_grad=True)

    @ag.compile
    def step(x):
        p.grad = None
        (p * x).sum().backward()
        optim.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)

    for i in range(5):
        step(np.array([1.0, 2.0 + i]))
    with pytest.raises(ValueError, match="clip_grad_norm_: finite gradients, but got inf"):
        step(np.array([1.0, np.inf]))


def test_an_overwritten_parameter_is_seen():
    one, two = twins(lambda params: optim.SGD(params, lr=0.1))

    def overwrite(i, optimizer):
        if i == 5:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p.assign(p.numpy() * 0.5)
        if i == 7:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    p.data[...] *= 0.5

    same_training(one, two, batches(10), overwrite)


def test_a_replaced_parameter_is_seen():
    model = small()
    compiled = ag.compile(lambda x: model(x))
    rng = np.random.default_rng(3)
    for i in range(8):
        x = rng.normal(size=(2, 5))
        if i == 5:
            model[0].weight = nn.Parameter(rng.normal(size=(8, 5)), dtype=np.float64)
        close(compiled(x).numpy(), model(x).numpy())


def test_a_converted_model_is_seen():
    models = [small(dtype=np.float32) for _ in range(2)]
    compiled = ag.compile(lambda x: ag.tanh(models[0](x)))
    rng = np.random.default_rng(3)
    with ag.no_grad():
        for i in range(12):
            if i in (5, 9):
                for model in models:
                    model.astype(np.float64 if i == 5 else np.float32)
            x = rng.normal(size=(2, 5)).astype(np.float32)
            close(compiled(x).numpy(), ag.tanh(models[1](x)).numpy())
    assert "a captured array has another shape, dtype or layout now" in compiled.explain()


def test_a_captured_array_that_is_resized_is_seen():
    weights = np.ones(6)
    compiled = ag.compile(lambda x: ag.sum(ag.exp(x * weights)))
    rng = np.random.default_rng(0)
    for i in range(8):
        if i == 4:
            weights.shape = (2, 3)
        x = rng.normal(size=(2, 3) if i >= 4 else 6)
        close(compiled(x).numpy(), ag.sum(ag.exp(ag.tensor(x) * weights)).numpy())


def test_running_statistics_move():
    models = [nn.BatchNorm1d(5, dtype=np.float64) for _ in range(2)]
    compiled = ag.compile(lambda x: models[0](x))
    for x, _ in batches():
        close(compiled(x).numpy(), models[1](x).numpy())
        close(models[0].running_mean.numpy(), models[1].running_mean.numpy())


def test_a_gradient_that_is_not_finite_comes_from_the_careful_sweep():
    def function(x):
        return ag.sum(ag.where(x > 0, ag.sqrt(x), 0.0))

    gradient = ag.compile(ag.grad(function))
    with np.errstate(invalid="ignore"):
        for shift in (1.0, 2.0, 3.0, 4.0, 0.0, 5.0):
            x = np.array([1.0, 0.0, 4.0]) + shift
            close(gradient(x), ag.grad(function)(x))


def test_an_exception_changes_nothing():
    fail = [False]
    model = small()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def function(x, y):
        loss = nn.MSELoss()(model(x), y)
        loss.backward()
        if fail[0]:
            raise RuntimeError("as asked")
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step = ag.compile(function)
    data = list(batches(6))
    for x, y in data[:4]:
        step(x, y)
    before = [p.numpy().copy() for p in model.parameters()]
    fail[0] = True
    with pytest.raises(RuntimeError, match="as asked"):
        step(*data[4])
    fail[0] = False
    for p, array in zip(model.parameters(), before, strict=True):
        close(p.numpy(), array)


def test_nested_and_recursive():
    inner = ag.compile(lambda x: ag.tanh(x) * 2.0)
    check(lambda x: ag.sum(inner(x) * inner(x)), VECTORS)

    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    check(lambda x: ag.sum(power(x, 3)), VECTORS)


def test_operands_on_the_tape_are_differentiated_as_ever():
    compiled = ag.compile(lambda x: ag.sum(ag.sin(x)))
    for (x,) in VECTORS:
        close(ag.grad(compiled)(x), np.cos(x))
        leaf = ag.tensor(x, requires_grad=True)
        compiled(leaf).backward()
        close(leaf.grad, np.cos(x))
    assert "on the tape" in compiled.explain()


def test_a_result_that_can_be_differentiated_keeps_its_derivative():
    def outer(w):
        inner = ag.compile(lambda x: ag.sum(w * x * x))
        return sum((inner(np.full(3, float(i))) for i in range(6)), start=0.0)

    gradient = ag.grad(outer)(np.ones(3))
    close(gradient, np.full(3, float(sum(i * i for i in range(6)))))
    model = small()
    compiled = ag.compile(lambda x: ag.sum(model(x)))
    for x, _ in batches():
        model.zero_grad()
        compiled(x).backward()
        got = [p.grad for p in model.parameters()]
        model.zero_grad()
        ag.sum(model(x)).backward()
        for grad, p in zip(got, model.parameters(), strict=True):
            close(grad, p.grad)
    assert "can be differentiated" in compiled.explain()
    with ag.no_grad():
        for x, _ in batches():
            close(compiled(x).numpy(), ag.sum(model(x)).numpy())
    assert "a program" in compiled.explain()


def test_one_array_passed_twice_is_two_inputs():
    compiled = ag.compile(lambda x, y: ag.sum(x * x + 3.0 * y))
    for i in range(4):
        x = np.full(3, 1.0 + i)
        close(compiled(x, x).numpy(), np.asarray(3.0 * ((1.0 + i) ** 2 + 3.0 * (1.0 + i))))
    close(compiled(np.full(3, 1.0), np.full(3, 2.0)).numpy(), np.asarray(21.0))
    close(compiled(np.full(3, 2.0), np.full(3, 1.0)).numpy(), np.asarray(21.0))


def test_what_changes_from_call_to_call_is_found_by_the_audit():
    drifting = iter(range(1000))

    class Drift:
        def __call__(self, x):
            return x if next(drifting) < 2 else x * 2.0

    hidden = Drift()
    compiled = ag.compile(lambda x: ag.sum(hidden(x)))
    compiled(np.ones(3)), compiled(np.full(3, 2.0))
    with pytest.raises(ag.GraphError, match="does the same at every call"):
        compiled(np.full(3, 3.0))


def test_too_many_kinds_run_as_ever():
    compiled = check(lambda x, n: ag.sum(x) * n, [(VECTORS[0][0], n) for n in range(70)])
    assert "beyond" in compiled.explain()


def test_under_no_grad_and_within_a_recording():
    compiled = ag.compile(lambda x: ag.sum(ag.exp(x)))
    for (x,) in VECTORS:
        with ag.no_grad():
            close(compiled(x).numpy(), np.asarray(np.exp(x).sum()))


def test_several_threads():
    from concurrent.futures import ThreadPoolExecutor

    compiled = ag.compile(ag.value_and_grad(lambda x: ag.sum(ag.sin(x) * x)))

    def work(i):
        x = np.linspace(0.0, 1.0, 5) + i
        value, gradient = compiled(x)
        close(gradient, np.cos(x) * x + np.sin(x))
        return value

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(60)))


def test_a_program_can_be_read():
    compiled = ag.compile(lambda x: ag.sum(ag.tanh(x) * 2.0))
    for (x,) in VECTORS:
        compiled(x)
    source = compiled.programs[0].source
    assert source.startswith("def run(x0):") and "native" in source
    (segment,) = compiled.programs[0].segments
    assert "tanh(x0_)" in segment.source


@pytest.mark.parametrize("name", ["norm", "einsum", "var", "logsumexp"])
def test_some_composites(name):
    function = COMPOSITES.get(name) or getattr(ag, name)
    if name == "einsum":
        check(lambda x: function("i,i->", x, x), VECTORS)
    else:
        check(lambda x: function(x), VECTORS)


def test_what_fails_after_an_update_does_not_repeat_it():
    w = ag.tensor(np.ones(4), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    @ag.compile
    def step(x, places):
        optimizer.zero_grad()
        ag.sum(w * x).backward()
        optimizer.step()
        return ag.sum(ag.OPS["take"](x, places, axis=0) * 2.0)

    for i in range(6):
        step(np.ones(4) + i, np.array([0, 3]))
    before = w.numpy().copy()
    with pytest.raises(IndexError):
        step(np.ones(4), np.array([0, 4]))
    np.testing.assert_array_equal(w.numpy(), before - 0.5)
