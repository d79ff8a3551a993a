"""Functions that are alike share a program: never more than their recordings prove equal."""

import gc
import threading
import weakref

import numpy as np
import pytest
from twins import step_of

import autograd_core as ag
import nn
import optim
from autograd_core.compiler import kind as kinds
from autograd_core.compiler import sharing

RNG = np.random.default_rng(11)
X = RNG.normal(size=(90, 4)).astype(np.float32)
Y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """The programs that are made, not shared, of which none is known at the beginning."""
    found = []

    def noted(*args):
        found.append(kinds_program(*args))
        return found[-1]

    kinds_program = kinds.Program
    monkeypatch.setattr(kinds, "Program", noted)
    monkeypatch.setattr(sharing, "_FAMILIES", type(sharing._FAMILIES)())
    return found


@pytest.fixture
def alone(monkeypatch):
    """A switch: from now on no program is shared."""
    return lambda: monkeypatch.setattr(kinds, "find", lambda *_: None)


def dense(seed, activation="tanh"):
    return nn.MLP([4, 6, 1], activation=activation, rng=np.random.default_rng(seed))


def with_dropout(seed):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(4, 6, rng=rng), nn.Dropout(0.4, rng=rng), nn.Linear(6, 1, rng=rng)
    )


def with_norm(seed):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(4, 6, rng=rng), nn.BatchNorm1d(6), nn.Linear(6, 1, rng=rng))


def fit(seed, model=dense, optimizer=optim.Adam, rows=None, **options):
    """Train a model on so many rows, or all; return its history and its parameters."""
    made = model(seed)
    options = {"epochs": 12, "batch_size": 20, "rng": seed, **options}
    history = optim.fit(
        made,
        nn.MSELoss(),
        (X[:rows], Y[:rows]),
        optimizer(made.parameters(), lr=0.01 * (seed + 1)),
        compile=True,
        progress=False,
        **options,
    )
    return dict(history), [p.numpy().copy() for p in made.parameters()]


def same(one, other):
    return one[0] == other[0] and all(map(np.array_equal, one[1], other[1]))


CASES = {  # with as many rows as make whole batches there is less to compile
    "Adam": {},
    "momentum": {
        "optimizer": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9, nesterov=True),
        "rows": 80,
    },
    "AdamW": {"optimizer": optim.AdamW, "rows": 80},
    "RMSprop": {"optimizer": optim.RMSprop, "rows": 80},
    "dropout": {"model": with_dropout, "rows": 80},
    "batch norm": {"model": with_norm, "rows": 80},
    "clipped": {"clip_norm": 0.1, "clip_value": 0.05, "regularizer": nn.L2(1e-3), "rows": 80},
    "validation": {"validation": (X[:33], Y[:33]), "rows": 80},
    "a batch of one": {"batch_size": 89},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_shared_program_learns_the_same_to_the_last_bit(case, made, alone):
    shared = [fit(seed, **case) for seed in range(3)]
    of_the_first = len(made)
    fit(5, **case)
    assert len(made) == of_the_first
    alone()
    assert all(same(fit(seed, **case), one) for seed, one in enumerate(shared))
    assert len(made) >= 2 * of_the_first


def test_only_the_first_is_recorded_more_than_once(made, monkeypatch):
    recorded = []
    recording = kinds.Recording

    class Noted(recording):
        def __init__(self, *args):
            recorded.append(1)
            super().__init__(*args)

    monkeypatch.setattr("autograd_core.compiler.compiled.Recording", Noted)
    fit(0)
    first = len(recorded)
    fit(1)
    assert first >= 4 and len(recorded) == first + 2  # one for each size of a batch


# ------------------------------------------------------------------ what is not the same program


def scaled(weight, factor):
    w = ag.tensor(weight, requires_grad=True)

    def step(x):
        optimizer.zero_grad()
        loss = (w * x * factor).sum()
        loss.backward()
        optimizer.step()
        return loss

    optimizer = optim.SGD([w], lr=0.1)
    return ag.compile(step), w


def run(step, calls=6):
    return [step(np.array([1.0, 2.0, 0.5]) * (i + 1)).item() for i in range(calls)]


def test_constants_count_bit_by_bit(made):
    weight = [1.0, 2.0, 3.0]
    expected = {}
    for factor in (2.0, 3.0, 2, True, 0.0, -0.0, np.float32(2)):
        expected[repr(factor)] = run(scaled(weight, factor)[0])
        assert len(made) == len(expected)
    for factor in (2.0, 3.0, 0.0, -0.0):  # the same again
        assert run(scaled(weight, factor)[0]) == expected[repr(factor)]
    assert len(made) == len(expected)


def test_arrays_made_out_of_sight_count_by_their_content(made):
    def doubled(array):
        return ag.compile(lambda x: (x * ag.tensor(array * 2.0)).sum())

    for factor in (1.0, 4.0):
        assert run(doubled(factor * np.ones(3))) == [7.0 * factor * (i + 1) for i in range(6)]
    assert len(made) == 2
    run(doubled(np.ones(3)))
    assert len(made) == 2


def test_code_counts():
    def times(x):
        return (x * 2.0).sum()

    def plus(x):
        return (x + 2.0).sum()

    def either(function):
        return ag.compile(lambda x: function(x))

    assert run(either(times)) == [7.0 * (i + 1) for i in range(6)]
    assert run(either(plus)) == [3.5 * (i + 1) + 6.0 for i in range(6)]


def test_what_the_host_reads_is_proved_anew(made):
    def clipped():
        w = ag.tensor(1.0)

        def step(x):
            return x.sum() * 2.0 if w > 0.0 else x.sum()

        return ag.compile(step), w

    (one, _), (other, w) = clipped(), clipped()
    run(one)
    w.assign(-1.0)
    assert run(other) == [3.5 * (i + 1) for i in range(6)] and len(made) == 2


def test_tied_and_separate_tensors_are_not_alike(made):
    def product(a, b):
        return ag.compile(lambda x: (x * a * b).sum())

    a, b = ag.tensor([1.0, 2.0, 3.0]), ag.tensor([1.0, 2.0, 3.0])
    tied, separate = product(a, a), product(a, b)
    assert run(tied) == run(separate) and len(made) == 2
    b.assign([0.0, 0.0, 0.0])
    assert separate(np.ones(3)).item() == 0.0 and tied(np.ones(3)).item() == 14.0


def test_other_layouts_are_other_programs(made):
    a = np.arange(9.0).reshape(3, 3)
    for weight in (a, np.asfortranarray(a)):
        w = ag.tensor(weight)
        step = ag.compile(lambda x, w=w: ag.exp(w * x * 0.01).sum())
        right = [np.exp(a * np.array([1.0, 2.0, 0.5]) * (i + 1) * 0.01).sum() for i in range(6)]
        np.testing.assert_allclose(run(step), right)
    assert len(made) == 2


# -------------------------------------------------------------------------- each has its own


def trained(seed, **options):
    model = dense(seed)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.5, **options)
    return model, optimizer, step_of(model, optimizer, nn.MSELoss())


def learn(step, calls=12):
    return [float(step(X[i : i + 20], Y[i : i + 20])) for i in range(calls)]


def test_changes_of_one_do_not_reach_the_other(made):
    pairs = [[trained(seed) for seed in (0, 1, 2)] for _ in range(2)]
    steps = [[ag.compile(step) for *_, step in pairs[0]], [step for *_, step in pairs[1]]]
    before = [list(map(learn, row)) for row in steps]
    np.testing.assert_allclose(*before, rtol=1e-4)
    assert len(made) == 1
    for (model, optimizer, _), (_, second, _), (_, third, _) in pairs:
        second.lr = 0.1
        next(model.parameters()).requires_grad_(False)
        third.param_groups[0]["nesterov"] = True
        optimizer.momentum = 0.8
    after = [list(map(learn, row)) for row in steps]
    np.testing.assert_allclose(*after, rtol=1e-4)
    frozen = [next(row[0][0].parameters()).numpy() for row in pairs]
    np.testing.assert_allclose(*frozen, rtol=1e-4)


def test_a_pattern_keeps_no_model_alive(made):
    model, optimizer, step = trained(0)
    compiled = ag.compile(step)
    learn(compiled)
    slots = optimizer.param_groups[0].slots
    arrays = [a for slot in slots for a in (slot.parameter._value, slot.cell, *slot.arrays)]
    things = (model, optimizer, *model.parameters(), *arrays, optimizer.param_groups[0].settings)
    gone = [weakref.ref(x) for x in things]
    del model, optimizer, step, compiled, slots, arrays, things
    made.clear()
    gc.collect()
    assert not [x() for x in gone if x() is not None]
    learn(ag.compile(trained(1)[2]))
    assert not made


def test_an_audit_that_finds_a_change_ends_the_sharing(made):
    factor = [np.ones(3)]  # an array counts by identity, its content is read by the host

    def step():
        return ag.compile(lambda x: (x * ag.tensor(factor[0] * 2.0)).sum())

    first = step()
    run(first, 4)
    factor[0] *= 3.0
    with pytest.raises(ag.errors.GraphError, match="does the same at every call"):
        run(first, 8)
    assert run(step()) == [21.0 * (i + 1) for i in range(6)]


def test_threads_that_begin_together(made):
    count, found = 8, {}
    start = threading.Barrier(count)

    def work(i):
        step, w = scaled([1.0, 2.0, 3.0 + i], 2.0)
        start.wait()
        found[i] = run(step, 30), w.numpy().tolist()

    crew = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    for i in range(count):
        step, w = scaled([1.0, 2.0, 3.0 + i], 2.0)
        assert found[i] == (run(step.function, 30), w.numpy().tolist())
    assert len(made) <= count


# ------------------------------------------------------------------------------ side by side


def job(seed, model=dense, optimizer=optim.Adam, **options):
    made = model(seed)
    return {
        "model": made,
        "optimizer": optimizer(made.parameters(), lr=0.02),
        "rng": seed,
    } | options


PAIRS = {  # each model and each optimizer; they know nothing of each other
    "Adam": (dense, optim.Adam),
    "Lion, dropout": (with_dropout, optim.Lion),
    "Adafactor, batch norm": (with_norm, optim.Adafactor),
}


@pytest.mark.parametrize(("model", "optimizer"), PAIRS.values(), ids=PAIRS)
def test_side_by_side_is_one_by_one(model, optimizer):
    rows = len(X) if model is dense else 80  # whole batches: there is less to compile
    common = {"data": (X[:rows], Y[:rows]), "loss": nn.MSELoss(), "validation": (X[:30], Y[:30])}
    common |= {"epochs": 40, "batch_size": 20, "progress": False}

    def jobs():
        patience = iter((1, 2, 3, 5, 8))
        return [
            job(s, model, optimizer, early_stopping=optim.EarlyStopping(patience=next(patience)))
            for s in range(5)
        ]

    together, apart = jobs(), jobs()
    histories = optim.fit_many(together, workers=3, **common)
    expected = [optim.fit(**common, **one, compile=True) for one in apart]
    assert histories == expected
    assert [h.stopped_by for h in histories] == [h.stopped_by for h in expected]
    for one, other in zip(together, apart, strict=True):
        pairs = zip(one["model"].parameters(), other["model"].parameters(), strict=True)
        assert all(np.array_equal(p.numpy(), q.numpy()) for p, q in pairs)


def test_a_failure_says_in_which_training():
    begun = []

    def broken(row):
        if row["epoch"] == 3:
            raise RuntimeError("no more")

    jobs = [job(seed, callbacks=[begun.append]) for seed in range(6)]
    jobs[1]["callbacks"] = [broken]
    common = {"data": (X, Y), "loss": nn.MSELoss(), "progress": False, "epochs": 5}
    with pytest.raises(RuntimeError, match="no more") as caught:
        optim.fit_many(jobs, workers=1, **common)
    assert caught.value.__notes__ == ["fit_many: in training 1, counted from 0"]
    assert len(begun) == 5  # the first has ended, the others have not begun


# ------------------------------------------------------------------------------------ audits


@pytest.mark.parametrize("optimizer", [optim.Adam, optim.Lion, optim.NAdam])
def test_an_audit_changes_no_bit(optimizer):
    found = []
    for audit in (True, False):
        start = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)
        w = ag.tensor(start, requires_grad=True)
        chosen = optimizer([w], lr=0.03)

        def step(x, w=w, chosen=chosen):
            chosen.zero_grad()
            loss = ag.tanh(x @ w.T).sum() + (w * w).sum()
            loss.backward()
            chosen.step()
            return loss

        compiled = ag.compile(step, audit=audit)
        losses = [compiled(X[i : i + 30]).item() for i in range(25)]
        found.append((losses, w.numpy().tobytes(), chosen.param_groups[0].slots[0].step))
    assert found[0] == found[1] and found[0][2] == 25


def test_an_audit_with_random_numbers_draws_once():
    rows = []
    for audit in (True, False):
        rng = np.random.default_rng(4)
        drop = nn.Dropout(0.5, rng=rng)
        compiled = ag.compile(lambda x, drop=drop: drop(x * 1.0), audit=audit)
        rows.append([compiled(X).numpy().tobytes() for _ in range(12)])
        rows.append([rng.random()])
    assert rows[0] == rows[2] and rows[1] == rows[3]


def test_gradients_that_were_there_before_are_each_ones_own(made):
    found = []
    for seed in range(3):
        model, _, _ = trained(seed)
        loss = nn.MSELoss()

        def collect(x, y, model=model, loss=loss):
            loss(model(x), y).backward()

        for function in (ag.compile(collect), collect):
            for parameter in model.parameters():
                parameter.grad = None
            for i in range(9):
                function(X[i : i + 20], Y[i : i + 20])
            found.append([p.grad.copy() for p in model.parameters()])
        for mine, right in zip(*found[-2:], strict=True):
            np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-6)
