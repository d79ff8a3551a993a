"""Epochs that are done before they are reported: nobody can tell, but for the time it takes."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from test_gate import needs_words
from twins import same

import nn
import optim
from autograd_core.compiler import relay
from optim import ahead, history, learner, trainer
from optim.training import Wish

pytestmark = needs_words

RNG = np.random.default_rng(5)
X = RNG.normal(size=(1200, 4)).astype(np.float32)
Y = np.sin(X[:, :1] * 2) + 0.1 * RNG.normal(size=(1200, 1)).astype(np.float32)
HELD_OUT = X[:40], Y[:40]


class Watched(optim.EarlyStopping):
    """Somebody's own."""


@pytest.fixture
def at_once(monkeypatch):
    """How many epochs were done at once, each time."""
    found = []
    run = ahead.Ahead._run

    def noted(self, *given):
        epochs = run(self, *given)
        found.append(len(epochs))
        return epochs

    monkeypatch.setattr(ahead.Ahead, "_run", noted)
    for module in (ahead, learner):  # whatever the clock says
        monkeypatch.setattr(module, "adapted", lambda steps, *_: max(8 * steps, 40))
    return found


@contextmanager
def nobody_looks_ahead():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "look_ahead", lambda *_: None)
        yield


def mean_squared_error(prediction, target, *weights):
    error = (prediction - target) ** 2
    return (error * weights[0]).mean() if weights else error.mean()


def small():
    return nn.MLP([4, 6, 1], activation="tanh", rng=np.random.default_rng(1))


def train(
    rows=100,
    held_out=HELD_OUT,
    weighted=False,
    model=small,
    optimizer=optim.Adam,
    lr=0.01,
    data=None,
    schedule=None,
    averaging=None,
    **options,
):
    """Train; return the history, and everything that a training leaves."""
    model = model()
    updates = optimizer(model.parameters(), lr=lr)
    rng = np.random.default_rng(9)
    if data is None:
        data = (X[:rows], Y[:rows], *([np.abs(X[:rows, 1:2])] if weighted else []))
    options = {"epochs": 40, "batch_size": 20, "rng": rng, "compile": True, **options}
    if held_out is not None:
        options["validation"] = held_out
    if schedule is not None:
        schedule = options["schedule"] = schedule(updates)
    if averaging is not None:
        options["averaging"] = averaging(model)
    found = optim.fit(model, mean_squared_error, data, updates, progress=False, **options)
    weights = [p.numpy().copy() for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]
    count = schedule and schedule.last_epoch
    left = weights, grads, updates.state_dict(), rng.bit_generator.state, model.training, count
    return found, left


def alike(one, other):
    (history, left), (expected, others) = one, other
    assert same(dict(history), dict(expected))
    assert history.stopped_by == expected.stopped_by
    assert history.best_epoch == expected.best_epoch
    assert same(left, others)


class Halved(optim.Schedule):
    """Somebody's own."""

    def lr(self, step, base):
        return base / 2 ** (step // 5)


class Backwards(Halved):
    """One that has to be told."""

    def advance(self):
        self.apply(max(self.last_epoch - 1, 0))


def warmed(updates):
    return optim.warm_up(optim.CosineAnnealingLR(updates, T_max=30), steps=10)


SCHEDULES = {
    "decay": lambda updates: optim.ExponentialLR(updates, 0.9),
    "steps": lambda updates: optim.StepLR(updates, 7),
    "cycles": lambda updates: optim.OneCycleLR(updates, 0.02, total_steps=400),
    "parts": warmed,
    "somebody's own": Halved,
}

CASES = {
    "plain": {},
    "a shorter batch": {"rows": 110},
    "the shorter batch left out": {"rows": 110, "drop_last": True},
    "one short batch": {"rows": 15},
    "in order": {"shuffle": False},
    "nothing held out": {"held_out": None},
    "two sizes held out": {"held_out": (X, Y)},
    "weighted": {"weighted": True, "held_out": None},
    "a penalty": {"regularizer": nn.L2(1e-3)},
    "clipped": {"clip_norm": 0.1},
    "momentum": {"optimizer": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9)},
    "averaged": {"optimizer": optim.ASGD},
    "by signs": {"optimizer": optim.Rprop},
    "anything goes": {"terminate_on_nan": False},
    **{f"a schedule of {name}": {"schedule": schedule} for name, schedule in SCHEDULES.items()},
    "a schedule of steps": {"schedule": SCHEDULES["steps"], "schedule_every": "step"},
    "a cycle by steps, and a shorter batch": {
        "schedule": SCHEDULES["cycles"],
        "schedule_every": "step",
        "rows": 110,
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_training_is_the_same_training(case, at_once):
    found = train(**case)
    assert max(at_once) > 2
    with nobody_looks_ahead():
        alike(found, train(**case))


STOPPING = {
    "impatient": {"patience": 1, "start_from": 12},
    "patient": {"patience": 9, "start_from": 4},
    "by steps": {"patience": 23, "unit": "step"},
    "hard to please": {"patience": 3, "min_delta": 0.05, "cumulative_delta": False},
}


SCHEDULED = {
    "no schedule": {},
    "by epochs": {"schedule": lambda o: optim.CosineAnnealingWarmRestarts(o, 10)},
    "by steps": {
        "schedule": lambda o: optim.CyclicLR(o, 0.04, 0.2, step_size_up=30),
        "schedule_every": "step",
        "optimizer": lambda p, lr: optim.SGD(p, lr=lr, momentum=0.9),
    },
}


@pytest.mark.parametrize("schedule", SCHEDULED.values(), ids=SCHEDULED)
@pytest.mark.parametrize("how", STOPPING.values(), ids=STOPPING)
@pytest.mark.parametrize("rows", [100, 110])
def test_early_stopping_stops_where_it_would(how, rows, schedule, at_once):
    given = {"rows": rows, "epochs": 200, "lr": 0.05, **schedule}
    found = train(early_stopping=optim.EarlyStopping(**how), **given)
    assert found[0].stopped_by == "early stopping" and max(at_once) > 1
    with nobody_looks_ahead():
        alike(found, train(early_stopping=optim.EarlyStopping(**how), **given))


@pytest.mark.parametrize("how", STOPPING.values(), ids=STOPPING)
def test_early_stopping_knows_how_soon_it_can_stop(how):
    rng = np.random.default_rng(0)
    for _ in range(20):
        stopping, steps, expected = optim.EarlyStopping(**how), 0, []
        for update in range(1, 60):
            expected.append(update - 1 + stopping.soonest(5))
            steps += 5
            if stopping.update(float(rng.normal()), step=steps):
                assert update >= max(expected)
                break
    stopping = optim.EarlyStopping(**how)
    soonest = stopping.soonest(5)
    stops = [stopping.update(0.0 if i == 0 else 1.0, step=5 * i + 5) for i in range(soonest + 1)]
    assert not any(stops[: soonest - 1]) and stops[-1]


@pytest.mark.parametrize("terminate", [True, False])
def test_a_loss_that_is_not_finite_is_met_where_it_would_be(terminate, at_once):
    def diverging():
        with np.errstate(all="ignore"), warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            given = {"optimizer": optim.SGD, "lr": 1.2, "epochs": 60, "model": steep}
            return train(terminate_on_nan=terminate, **given), [str(w.message) for w in seen]

    found, said = diverging()
    assert sum(at_once) > 4
    assert found[0].stopped_by == ("nan" if terminate else "epochs")
    assert not terminate or len(found[0]["loss"]) > 8
    with nobody_looks_ahead():
        expected, told = diverging()
    alike(found, expected)
    assert said == told and len(said) == terminate


def steep():
    """A model whose loss grows in each step, if the rate is not small."""
    return nn.Linear(4, 1, rng=np.random.default_rng(1))


@pytest.mark.parametrize("schedule", SCHEDULED.values(), ids=SCHEDULED)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("end", [6, 11, 23])
def test_after_an_interrupt_all_is_as_it_was_reported(
    end, early_stopping, schedule, at_once, monkeypatch
):
    def stopping():
        return optim.EarlyStopping(patience=100) if early_stopping else None

    def interrupted(self, row):
        if row["epoch"] == end:
            raise KeyboardInterrupt

    monkeypatch.setattr(history.Progress, "epoch", interrupted)
    found = train(early_stopping=stopping(), **schedule)
    assert max(at_once) > 2 and found[0].stopped_by == "interrupt"
    assert len(found[0]["loss"]) == end
    with nobody_looks_ahead():
        alike(found, train(early_stopping=stopping(), **schedule))


class Refused(Halved):
    """One that asks for what no optimizer takes."""

    def lr(self, step, base):
        return base if step < self.end else -1.0


@pytest.mark.parametrize(("unit", "end"), [("epoch", 17), ("step", 83), ("step", 85)])
def test_a_rate_that_is_refused_is_met_where_it_would_be(unit, end, at_once, monkeypatch):
    def refused(rows):
        seen = []
        monkeypatch.setattr(Refused, "end", end, raising=False)
        monkeypatch.setattr(history.Progress, "epoch", lambda self, row: seen.append(dict(row)))
        with pytest.raises(ValueError, match="lr"):
            train(rows, schedule=Refused, schedule_every=unit)
        return seen

    found = refused(100)
    assert max(at_once) > 2 and len(found) == (end if unit == "epoch" else (end - 1) // 5)
    with nobody_looks_ahead():
        assert same(found, refused(100))


@pytest.mark.parametrize("schedule", SCHEDULED.values(), ids=SCHEDULED)
@pytest.mark.parametrize("when", ["before", "after", "later"])
def test_an_interrupt_while_machine_code_runs(when, schedule, at_once, monkeypatch):
    seen = []
    machine, means = relay._machine, ahead._means

    def interrupted():
        if sum(map(bool, at_once)) == 1:
            seen.append(when)
            raise KeyboardInterrupt

    def code(name, signature):
        def run(words):
            if when == "before":
                interrupted()
            done = found(words)
            if when == "after":
                interrupted()
            return done

        found = machine(name, signature)
        return run if name == "run" else found

    def later(*given):
        if when == "later":
            interrupted()
        return means(*given)

    monkeypatch.setattr(relay, "_machine", code)
    monkeypatch.setattr(ahead, "_means", later)
    history, left = train(epochs=60, **schedule)
    assert seen == [when] and history.stopped_by == "interrupt"
    monkeypatch.undo()
    with nobody_looks_ahead():
        expected, others = train(epochs=len(history["loss"]), **schedule)
    assert dict(history) == dict(expected)
    assert left[1] == [None] * 4 and same([left[0], *left[2:]], [others[0], *others[2:]])


def test_a_wish_to_stop_is_heard_after_each_epoch(at_once):
    asked = iter([False] * 12)
    found = train(callbacks=[Wish(lambda: next(asked, True))])
    assert max(at_once) > 2 and found[0].stopped_by == "callback"
    found[0].stopped_by = "epochs"
    with nobody_looks_ahead():
        alike(found, train(epochs=13))


ACTING = {
    "a callback": lambda: {"callbacks": [lambda row: None]},
    "a schedule that observes": lambda: {"schedule": optim.ReduceLROnPlateau},
    "such a one among others": lambda: {
        "schedule": lambda o: optim.ChainedScheduler([Halved(o), optim.ReduceLROnPlateau(o)])
    },
    "one that advances in its own way": lambda: {"schedule": Backwards},
    "after each step": lambda: {"after_step": [nn.MaxNorm(0.5)]},
    "an average": lambda: {"averaging": optim.EMA},
    "an average of epochs": lambda: {"averaging": lambda m: optim.SWA(m, start=1)},
    "a metric": lambda: {"metrics": {"error": lambda p, y: float(abs(p - y).mean())}},
    "other examples": lambda: {"augment": lambda rng, x: x + rng.normal(size=x.shape)},
    "reports within epochs": lambda: {"validate_every": 2},
    "several batches for a step": lambda: {"accumulate": 2},
    "their own early stopping": lambda: {"early_stopping": Watched(patience=3)},
    "batches of their own": lambda: {"data": [(X[:20], Y[:20]), (X[20:50], Y[20:50])]},
    "no compiling": lambda: {"compile": False},
}


@pytest.mark.parametrize("act", ACTING.values(), ids=ACTING)
def test_who_acts_between_epochs_is_not_overtaken(act, at_once):
    train(**act())
    assert not at_once
