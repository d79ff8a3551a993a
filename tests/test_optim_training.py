"""Schedules at work, early stopping, and the training loop."""

import importlib
import math
import signal

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim


def leaf(values):
    return ag.tensor(values, requires_grad=True)


def any_optimizer(lr=1.0):
    return optim.SGD([leaf([1.0])], lr)


def rates(optimizer, schedule, steps):
    seen = []
    for _ in range(steps):
        seen.append(optimizer.lr)
        schedule.step()
    return seen


# --- schedules ----------------------------------------------------------------------------------


def test_exponential_decay_is_a_straight_line_in_the_logarithm():
    optimizer = any_optimizer(0.5)
    log = np.log(rates(optimizer, optim.ExponentialLR(optimizer, 0.9), 20))
    np.testing.assert_allclose(log, math.log(0.5) + math.log(0.9) * np.arange(20), rtol=1e-13)


def test_inverse_time_decay_is_a_power_of_the_step():
    optimizer = any_optimizer(0.5)
    schedule = optim.InverseTimeLR(optimizer, decay=0.1, power=0.75)
    seen = rates(optimizer, schedule, 20)
    np.testing.assert_allclose(seen, 0.5 / (1 + 0.1 * np.arange(20)) ** 0.75, rtol=1e-14)
    assert schedule.lr(10**6, 0.5) / schedule.lr(10**5, 0.5) == pytest.approx(10**-0.75, rel=1e-4)


def test_inverse_time_decay_converges_with_noise_and_too_fast_a_decay_does_not():
    def distance(power):
        rng = np.random.default_rng(0)
        x = leaf([10.0])
        optimizer = optim.SGD([x], lr=0.5)
        schedule = optim.InverseTimeLR(optimizer, 1.0, power)
        for _ in range(3000):
            x.grad = x.numpy() + rng.normal(size=1)
            optimizer.step()
            schedule.step()
        return abs(x.item())

    assert distance(1.0) < 0.4
    assert distance(3.0) > 2.0  # the rates sum to less than the way to go


def test_a_product_multiplies_factors_and_a_sequence_starts_each_part_anew():
    optimizer = any_optimizer()
    warm = optim.LinearLR(optimizer, 0.25, 1.0, total_iters=3)
    cosine = optim.CosineAnnealingLR(optimizer, 4)
    decay = optim.ExponentialLR(optimizer, 0.5)
    sequence = optim.SequentialLR(optimizer, [warm, cosine], [3])
    both = optim.ChainedScheduler([sequence, decay])
    for step, rate in enumerate(rates(optimizer, both, 8)):
        part = warm.lr(step, 1.0) if step < 3 else cosine.lr(step - 3, 1.0)
        assert rate == pytest.approx(part * 0.5**step, rel=1e-14)


def test_plateau_takes_part_in_sequences_and_products():
    optimizer = any_optimizer()
    warm = optim.LinearLR(optimizer, 0.5, 1.0, total_iters=2)
    plateau = optim.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    sequence = optim.SequentialLR(optimizer, [warm, plateau], [2])
    decay = optim.ExponentialLR(optimizer, 0.5)
    schedule = optim.ChainedScheduler([sequence, decay])
    seen = [optimizer.lr]
    for _ in range(5):
        schedule.step(1.0)  # never better: best at step 2, bad at 3 and 4
        seen.append(optimizer.lr)
    factors = [0.5, 0.75, 1.0, 1.0, 1.0, 0.1]
    np.testing.assert_allclose(seen, factors * 0.5 ** np.arange(6), rtol=1e-14)


def test_plateau_makes_no_reduction_that_would_not_matter():
    optimizer = any_optimizer()
    schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, eps=0.3)
    seen = []
    for _ in range(4):
        schedule.step(1.0)
        seen.append(optimizer.lr)
    assert seen == [1.0, 0.5, 0.5, 0.5]


def test_warm_up_then_restarts_then_plateau():
    optimizer = any_optimizer()
    parts = [
        optim.LinearLR(optimizer, 0.1, 1.0, total_iters=2),
        optim.CosineAnnealingWarmRestarts(optimizer, 2, 2),
        optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0),
    ]
    schedule = optim.SequentialLR(optimizer, parts, [2, 8])
    seen = rates(optimizer, schedule, 8)
    expected = [0.1, 0.55, 1.0, 0.5, 1.0, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]
    np.testing.assert_allclose(seen, expected, rtol=1e-14)
    for metric in (1.0, 1.0, 2.0):
        schedule.step(metric)
    assert optimizer.lr == 0.25


def test_groups_keep_their_own_base_rates():
    groups = [{"params": [leaf([1.0])]}, {"params": [leaf([1.0])], "lr": 0.5}]
    optimizer = optim.SGD(groups, lr=1.0)
    schedule = optim.StepLR(optimizer, 1, 0.5)
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 0.25]
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]


def plateau_in_a_sequence(optimizer):
    parts = [
        optim.LinearLR(optimizer, 0.5, total_iters=2),
        optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1),
    ]
    return optim.SequentialLR(optimizer, parts, [2])


def test_a_saved_schedule_continues_as_if_never_interrupted():
    whole, first, second = any_optimizer(), any_optimizer(), any_optimizer()
    losses = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    one, part = plateau_in_a_sequence(whole), plateau_in_a_sequence(first)
    for loss in losses:
        one.step(loss)
    for loss in losses[:5]:
        part.step(loss)
    other = plateau_in_a_sequence(second)
    other.load_state_dict(part.state_dict())
    assert second.lr == first.lr
    for loss in losses[5:]:
        other.step(loss)
    assert second.lr == whole.lr == 0.25
    assert other.state_dict() == one.state_dict()


def test_last_epoch_continues_a_closed_form():
    optimizer, later = any_optimizer(), any_optimizer()
    schedule = optim.CosineAnnealingLR(optimizer, 10)
    for _ in range(4):
        schedule.step()
    optim.CosineAnnealingLR(later, 10, last_epoch=3)
    assert later.lr == optimizer.lr


# --- early stopping -----------------------------------------------------------------------------


def regression(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype("float32")
    return x, x @ np.array([[1.0], [-2.0], [0.5]], "float32")


def mse(prediction, target):
    return ((prediction - target) ** 2).mean()


def small_model(seed=0):
    return nn.MLP([3, 8, 1], activation="tanh", rng=np.random.default_rng(seed))


def weights(model):
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


class Recorder:
    """Remember the weights after every epoch."""

    def __init__(self, model):
        self.model = model
        self.paths = []

    def __call__(self, row):
        self.paths.append(weights(self.model))


def diverging(model, stopping, epochs=8, **options):
    """Train at a rate that is first good and then ruinous, so that the best epoch is early."""
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    schedule = optim.LambdaLR(optimizer, lambda epoch: 1.0 if epoch < 3 else 30.0)
    recorder = Recorder(model)
    history = optim.fit(
        model,
        mse,
        regression(),
        optimizer,
        epochs=epochs,
        validation=regression(seed=1),
        early_stopping=stopping,
        schedule=schedule,
        callbacks=[recorder, *options.pop("callbacks", [])],
        progress=False,
        **options,
    )
    return history, recorder


@pytest.mark.parametrize("patience", [2, 1000])
def test_best_weights_are_restored_whether_or_not_patience_runs_out(patience):
    model = small_model()
    history, recorder = diverging(model, optim.EarlyStopping(patience=patience))
    best = int(np.nanargmin(history["val_loss"]))
    assert best < len(history["val_loss"]) - 1
    assert history.best_epoch == history["epoch"][best]
    assert history.stopped_by == ("early stopping" if patience == 2 else "epochs")
    if patience == 1000:
        np.testing.assert_array_equal(weights(model), recorder.paths[best])
    loss = mse(model(regression(seed=1)[0]), regression(seed=1)[1]).item()
    assert loss == pytest.approx(history["val_loss"][best], rel=1e-5)


def test_ctrl_c_ends_training_with_the_best_weights_and_the_history():
    def interrupt(row):
        if row["epoch"] == 6:
            raise KeyboardInterrupt

    model = small_model()
    history, recorder = diverging(model, optim.EarlyStopping(), callbacks=[interrupt])
    assert history.stopped_by == "interrupt"
    assert history["epoch"] == [1, 2, 3, 4, 5, 6]
    best = int(np.nanargmin(history["val_loss"]))
    np.testing.assert_array_equal(weights(model), recorder.paths[best])


def test_ctrl_c_within_an_epoch_drops_that_epoch():
    calls = []

    def interrupted(prediction, target):
        calls.append(1)
        if len(calls) == 13:  # 10 batches an epoch
            signal.raise_signal(signal.SIGINT)
        return mse(prediction, target)

    model = small_model()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    data = regression()
    history = optim.fit(
        model, interrupted, data, optimizer, epochs=5, batch_size=4, progress=False
    )
    assert history["epoch"] == [1]
    assert {len(column) for column in history.values()} == {1}


def test_an_exception_restores_the_best_weights_and_goes_on():
    def fail(row):
        if row["epoch"] == 6:
            raise RuntimeError("disk full")

    model = small_model()
    stopping = optim.EarlyStopping()
    paths = []
    with pytest.raises(RuntimeError, match="disk full"):
        diverging(model, stopping, callbacks=[lambda row: paths.append(weights(model)), fail])
    np.testing.assert_array_equal(weights(model), paths[stopping.best_epoch])


def test_early_stopping_can_serve_again():
    stopping = optim.EarlyStopping(patience=2)
    first, _ = diverging(small_model(), stopping)
    second, _ = diverging(small_model(), stopping)
    assert first == second


def test_nan_is_never_an_improvement():
    stopping = optim.EarlyStopping(patience=2)
    assert [stopping.update(m) for m in (math.nan, 3.0, math.nan, math.nan)] == [0, 0, 0, 1]
    assert (stopping.best, stopping.best_epoch) == (3.0, 1)


# --- fit ----------------------------------------------------------------------------------------


class Spy(nn.Module):
    """A linear model that notes what it is shown, and in which mode."""

    def __init__(self):
        self.w = nn.Parameter([[0.0]])
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, np.asarray(x).ravel().tolist()))
        return x @ self.w


def spy_on(n, batch_size, epochs, **options):
    x = np.arange(n, dtype="float32").reshape(-1, 1)
    model = Spy()
    optimizer = optim.SGD(model.parameters(), lr=1e-6)
    options.setdefault("progress", False)
    history = optim.fit(
        model, mse, (x, 2 * x), optimizer, epochs=epochs, batch_size=batch_size, **options
    )
    return model, history


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (10, 5), (10, 100), (1, 1)])
def test_every_example_once_an_epoch_in_ceil_n_over_b_iterations(n, batch_size):
    model, _ = spy_on(n, batch_size, epochs=3)
    iterations = math.ceil(n / batch_size)
    assert len(model.seen) == 3 * iterations
    orders = []
    for epoch in range(3):
        batches = [rows for _, rows in model.seen[epoch * iterations :][:iterations]]
        orders.append(sum(batches, []))
        assert sorted(orders[-1]) == list(range(n))
        assert all(len(batch) == batch_size for batch in batches[:-1])
    assert n == 1 or orders[0] != orders[1] != orders[2]


def test_shuffling_comes_from_the_generator_alone():
    np.random.seed(0)  # noqa: NPY002
    first, _ = spy_on(10, 3, 2, rng=7)
    np.random.seed(1)  # noqa: NPY002
    second, _ = spy_on(10, 3, 2, rng=np.random.default_rng(7))
    third, _ = spy_on(10, 3, 2, rng=8)
    assert first.seen == second.seen != third.seen
    plain, _ = spy_on(4, 2, 2, shuffle=False)
    assert [rows for _, rows in plain.seen] == [[0, 1], [2, 3]] * 2


def test_modes_are_switched():
    x = np.ones((4, 1), "float32")
    model, history = spy_on(4, 2, 2, validation=(x, x))
    assert [mode for mode, _ in model.seen] == [True, True, False] * 2
    assert model.training is False
    assert history["val_loss"][0] == pytest.approx(1.0, abs=1e-4)


def test_validation_is_not_recorded():
    recorded = []

    def loss(prediction, target):
        recorded.append(prediction.requires_grad)
        return mse(prediction, target)

    x = np.ones((4, 1), "float32")
    model = Spy()
    optimizer = optim.SGD(model.parameters())
    optim.fit(model, loss, (x, x), optimizer, epochs=1, validation=(x, x), progress=False)
    assert recorded == [True, False]


def test_fit_is_gradient_descent():
    # L(w) = mean of x^2 (w - 2)^2, so each step multiplies w - 2 by 1 - 2 lr mean(x^2).
    x = np.arange(1.0, 4.0).reshape(-1, 1)
    w = leaf([[0.0]])
    optim.fit(lambda x: x @ w, mse, (x, 2 * x), optim.SGD([w], lr=0.01), epochs=5, progress=False)
    assert w.item() - 2.0 == pytest.approx(-2.0 * (1 - 0.02 * 14 / 3) ** 5, rel=1e-12)


def test_losses_are_means_over_examples_not_over_batches():
    # Rows 0, 1 | 2: with w = 0 the squared errors are 0, 4 | 16.
    model, history = spy_on(3, 2, 1, shuffle=False, metrics={"ones": lambda p, y: 1.0})
    assert history["loss"][0] == pytest.approx(20 / 3, rel=1e-4)
    assert history["ones"] == [1.0]


def test_history_is_a_table():
    pandas = pytest.importorskip("pandas")
    data = regression()
    model = small_model()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    history = optim.fit(
        model,
        mse,
        data,
        optimizer,
        epochs=4,
        validation=data,
        regularizer=nn.L2(1e-3),
        schedule=optim.ExponentialLR(optimizer, 0.5),
        metrics={"mae": lambda p, y: np.abs(p - y).mean()},
        progress=False,
    )
    frame = pandas.DataFrame(history)
    columns = ["epoch", "loss", "penalty", "mae", "val_loss", "val_mae", "lr"]
    assert list(frame.columns) == columns
    assert frame.shape == (4, 7)
    assert isinstance(history, dict)
    np.testing.assert_allclose(frame["lr"], [0.01, 0.005, 0.0025, 0.00125])


def test_schedule_can_count_batches_and_plateau_then_listens_each_epoch():
    data = regression(8)
    model = small_model()
    optimizer = optim.SGD(model.parameters(), lr=1e-9)
    parts = [
        optim.LinearLR(optimizer, 0.5, total_iters=2),
        optim.ReduceLROnPlateau(optimizer, factor=0.1, patience=0, eps=0.0),
    ]
    history = optim.fit(
        model,
        mse,
        data,
        optimizer,
        epochs=4,
        batch_size=2,
        schedule=optim.ChainedScheduler(parts),
        schedule_every="step",
        progress=False,
    )
    # Nothing moves at such a rate: the first loss is the best, every further one a plateau.
    np.testing.assert_allclose(history["lr"], [0.5e-9, 1e-9, 1e-10, 1e-11])


def test_clipping_and_regularizer_take_part():
    data = regression()
    model = small_model()
    before = weights(model)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    optim.fit(model, mse, data, optimizer, epochs=1, batch_size=40, clip_norm=1e-3, progress=False)
    assert np.linalg.norm(weights(model) - before) == pytest.approx(1e-3, rel=1e-2)
    model = small_model()
    before = weights(model)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    optim.fit(
        model, mse, data, optimizer, epochs=1, batch_size=40, clip_value=1e-3, progress=False
    )
    assert np.abs(weights(model) - before).max() == pytest.approx(1e-3, rel=1e-2)
    heavy, light = small_model(), small_model()
    for model, penalty in ((heavy, nn.L2(1.0)), (light, None)):
        optimizer = optim.SGD(model.parameters(), lr=0.05)
        optim.fit(model, mse, data, optimizer, epochs=20, regularizer=penalty, progress=False)
    assert np.linalg.norm(weights(heavy)) < 0.5 * np.linalg.norm(weights(light))


def test_ready_made_batches_and_labels():
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(4, 3)), np.array([0, 1, 1, 0])) for _ in range(3)]
    model = nn.MLP([3, 2], rng=rng)
    optimizer = optim.Adam(model.parameters())
    loss = nn.CrossEntropyLoss()
    history = optim.fit(model, loss, batches, optimizer, epochs=2, progress=False)
    assert len(history["loss"]) == 2
    once = optim.fit(model, loss, iter(batches), optimizer, epochs=1, progress=False)
    assert len(once["loss"]) == 1


def test_a_callback_can_end_the_training():
    rows = []
    callbacks = [lambda row: np.bool_(row["epoch"] == 3), rows.append, lambda row: len(row)]
    _, history = spy_on(4, 2, 10, callbacks=callbacks)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert history["epoch"] == [1, 2, 3]
    assert history.stopped_by == "callback"


def test_progress_is_silent_plain_or_a_bar(capfd, monkeypatch):
    spy_on(4, 2, 2)
    assert capfd.readouterr() == ("", "")
    spy_on(4, 2, 2, progress=True)
    assert "epoch 2/2" in capfd.readouterr().err

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    spy_on(4, 2, 2, progress=True)
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert lines[0].startswith("epoch 1/2  loss ")
    spy_on(4, 2, 1, progress=True, validate_every=1)
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[:3] for line in lines] == [["epoch", "1/1", "loss"]] * 2


# --- fit: steps, rounds, hooks ------------------------------------------------------------------


def steps_of(model=None, **options):
    """Train a small model and return the weights after every step, and the history."""
    model = model or small_model()
    path = []
    options = {"epochs": 2, "batch_size": 5, "progress": False, "loss": mse, **options}
    optimizer = options.pop("optimizer", None) or optim.SGD(model.parameters(), lr=0.05)
    data = options.pop("data", regression())
    hooks = [*options.pop("after_step", []), lambda model: path.append(weights(model))]
    loss = options.pop("loss")
    history = optim.fit(model, loss, data, optimizer, after_step=hooks, **options)
    return path, history


def test_several_batches_make_one_step_by_the_gradient_of_their_mean():
    x, y = (a.astype("float64") for a in regression(41))  # 9 batches: the last step has one of 1
    paths = []
    for options in ({"batch_size": 15}, {"batch_size": 5, "accumulate": 3}):
        path, history = steps_of(
            small_model().astype("float64"), data=(x, y), regularizer=nn.L2(0.1), **options
        )
        paths.append((path, history))
    (whole, one), (parts, other) = paths
    assert len(whole) == len(parts) == 2 * 3
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    np.testing.assert_allclose(other["loss"], one["loss"], rtol=1e-12)


def test_clipping_sees_the_gradient_of_all_accumulated_batches():
    norms = []

    def clip(parameters):
        norms.append(optim.clip_grad_norm_(parameters, 1e9))

    data = regression()
    steps_of(data=data, batch_size=10, epochs=1, accumulate=4, clip=clip, shuffle=False)
    model = small_model()
    mse(model(data[0]), data[1]).backward()
    assert norms == [pytest.approx(optim.clip_grad_norm_(model.parameters(), 1e9), rel=1e-5)]


def test_validation_within_epochs():
    path, history = steps_of(
        batch_size=10, epochs=3, validation=regression(seed=1), validate_every=3
    )
    assert len(path) == 12  # 4 steps an epoch
    assert history["step"] == [3, 6, 9, 12]
    assert history["epoch"] == [1, 2, 3, 3]
    assert len(history["val_loss"]) == 4
    _, short = steps_of(batch_size=10, epochs=3, validate_every=5)
    assert (short["step"], short["epoch"]) == ([5, 10, 12], [2, 3, 3])  # the rest is not lost


def test_rounds_report_the_means_since_the_last_report():
    losses = []

    def noted(prediction, target):
        losses.append(mse(prediction, target))
        return losses[-1]

    _, history = steps_of(loss=noted, batch_size=10, epochs=1, validate_every=2)
    pairs = np.array([loss.item() for loss in losses]).reshape(2, 2)
    np.testing.assert_allclose(history["loss"], pairs.mean(1), rtol=1e-6)


def test_training_mode_returns_after_a_validation_within_an_epoch():
    x = np.ones((6, 1), "float32")
    model, _ = spy_on(6, 2, 1, validation=(x, x), validate_every=1)
    assert [mode for mode, _ in model.seen] == [True, False] * 3


def test_patience_in_steps_does_not_depend_on_how_often_one_validates():
    stops = []
    for every in (1, 2, 4):
        stopping = optim.EarlyStopping(patience=8, unit="step")
        optimizer = optim.SGD((model := small_model()).parameters(), lr=0.0)
        _, history = steps_of(
            model,
            optimizer=optimizer,
            epochs=10,
            batch_size=10,
            validation=regression(seed=1),
            validate_every=every,
            early_stopping=stopping,
        )
        stops.append(history["step"][-1])
        assert history.stopped_by == "early stopping"
        assert stopping.best_step == every
    assert stops == [9, 10, 12]  # the first validation is the best, 8 steps later is the end


def test_the_best_weights_within_an_epoch_are_restored():
    model = small_model()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    schedule = optim.LambdaLR(optimizer, lambda step: 1.0 if step < 6 else 30.0)
    stopping = optim.EarlyStopping(patience=1000)
    path, history = steps_of(
        model,
        optimizer=optimizer,
        epochs=3,
        batch_size=10,
        validation=regression(seed=1),
        validate_every=1,
        early_stopping=stopping,
        schedule=schedule,
        schedule_every="step",
    )
    best = int(np.nanargmin(history["val_loss"]))
    assert best % 4 != 3  # not the end of an epoch
    np.testing.assert_array_equal(weights(model), path[best])
    assert stopping.best_step == best + 1
    assert history.best_epoch == history["epoch"][best]


def test_relative_improvements():
    stopping = optim.EarlyStopping(patience=1, min_delta=0.1, min_delta_mode="rel")
    assert [stopping.update(m) for m in (100.0, 89.0, 81.0)] == [False, False, True]
    stopping = optim.EarlyStopping(patience=1, min_delta=0.1, min_delta_mode="rel")
    assert [stopping.update(m) for m in (-100.0, -111.0, -120.0)] == [False, False, True]
    stopping = optim.EarlyStopping(patience=1, min_delta=0.1, min_delta_mode="rel", mode="max")
    assert [stopping.update(m) for m in (-100.0, -89.0, -81.0)] == [False, False, True]


def test_every_kind_of_clipping_takes_part():
    kinds = {
        "norm": {"clip_norm": 1e-3},
        "largest": {"clip": lambda p: optim.clip_grad_norm_(p, 1e-3, norm_type=math.inf)},
        "value": {"clip_value": 1e-3},
        "adaptive": {"clip": lambda p: optim.clip_grad_adaptive_(p, 1e-3)},
    }
    moved = {}
    for name, options in kinds.items():
        model = small_model()
        before = weights(model)
        optimizer = optim.SGD(model.parameters(), lr=1.0)
        steps_of(model, optimizer=optimizer, epochs=1, batch_size=40, **options)
        moved[name] = weights(model) - before
    assert np.linalg.norm(moved["norm"]) == pytest.approx(1e-3, rel=1e-2)
    assert np.abs(moved["largest"]).max() == pytest.approx(1e-3, rel=1e-2)
    assert np.abs(moved["value"]).max() == pytest.approx(1e-3, rel=1e-2)
    assert 0 < np.linalg.norm(moved["adaptive"]) <= 1e-3 * np.linalg.norm(before) * 1.001


def test_a_constraint_acts_after_each_step():
    def nonnegative(model):
        for parameter in model.parameters():
            parameter.assign(np.maximum(parameter.numpy(), 0.0))

    path, _ = steps_of(after_step=[nonnegative])
    assert np.min(path) == 0.0
    assert np.min(steps_of()[0]) < 0.0


def test_weights_of_the_examples_reach_the_loss_and_the_metrics():
    x, y = regression()
    w = (np.arange(40) < 20).astype("float32")

    def weighted(prediction, target, weight):
        return (weight.reshape(-1, 1) * (prediction - target) ** 2).mean()

    _, history = steps_of(
        data=(x, y, w),
        loss=weighted,
        metrics={"weight": lambda p, y, w: w.mean()},
        validation=(x, y, w),
    )
    assert history["weight"] == pytest.approx([0.5, 0.5])
    assert history["val_weight"] == pytest.approx([0.5, 0.5])
    batches = [(x[:20], y[:20], w[:20]), (x[20:], y[20:], w[20:])]
    _, given = steps_of(data=batches, loss=weighted)
    assert len(given["loss"]) == 2


def test_augmentation_varies_training_inputs_only():
    seen = []

    def double(rng, x):
        seen.append(rng)
        return 2 * x

    x = np.arange(1.0, 5.0, dtype="float32").reshape(-1, 1)
    rng = np.random.default_rng(0)
    model, _ = spy_on(4, 2, 1, augment=double, validation=(x, x), rng=rng, shuffle=False)
    assert model.seen == [(True, [0, 2]), (True, [4, 6]), (False, [1, 2, 3, 4])]
    assert all(used is rng for used in seen)


def test_augmentations():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5, 6)).astype("float32")
    flipped = optim.augment.flip(0.25)(rng, x)
    changed = (flipped != x).any((1, 2))
    np.testing.assert_array_equal(flipped[changed], x[changed][:, :, ::-1])
    assert 30 <= changed.sum() <= 70
    shifted = optim.augment.shift(2, fill=9.0)(rng, x)
    moves = set()
    padded = np.pad(x, [(0, 0), (2, 2), (2, 2)], constant_values=9)
    for before, after in zip(padded, shifted, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(before, (5, 6))
        [move] = np.argwhere((windows == after).all((2, 3)))
        moves.add(tuple(move.tolist()))
    assert len(moves) == 25  # every move from -2 to 2 along both axes, and no other
    noisy = optim.augment.noise(0.5)(rng, x)
    assert noisy.dtype == shifted.dtype == flipped.dtype == np.float32
    assert np.std(noisy - x) == pytest.approx(0.5, rel=0.03)
    both = optim.augment.compose(optim.augment.flip(1.0), optim.augment.flip(1.0, axis=1))
    np.testing.assert_array_equal(both(rng, x), x[:, ::-1, ::-1])


def test_a_schedule_by_steps_counts_updates_not_batches():
    model = small_model()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    steps_of(
        model,
        optimizer=optimizer,
        epochs=1,
        batch_size=10,
        accumulate=2,
        schedule=schedule,
        schedule_every="step",
    )
    assert (schedule.last_epoch, optimizer.lr) == (2, 0.25)


# --- clipping -----------------------------------------------------------------------------------


def clipped(clip, *gradients, values=None):
    parameters = [leaf(np.ones(np.shape(g)) if values is None else values) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    clip(parameters)
    return [parameter.grad for parameter in parameters]


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, 3.0, math.inf])
def test_the_clipped_norm_of_any_order_is_the_limit(order):
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(4, 3)), rng.normal(size=5)]
    flat = np.concatenate([g.ravel() for g in gradients])
    out = clipped(lambda p: optim.clip_grad_norm_(p, 0.5, order), *gradients)
    joint = np.concatenate([g.ravel() for g in out])
    assert np.linalg.norm(joint, order) == pytest.approx(0.5, rel=1e-5)
    np.testing.assert_allclose(joint / flat, (joint / flat)[0], rtol=1e-12)


def test_adaptive_clipping_limits_each_unit_to_a_part_of_its_weights():
    # |g_i| <= lambda max(|w_i|, eps): rows of a matrix, all but the first axis of more, a bias
    rng = np.random.default_rng(0)
    for shape in ((6, 4), (6, 2, 3), (5,), ()):
        w, g = rng.normal(size=shape), rng.normal(size=shape)
        if len(shape) > 1:
            w[0], g[1] = 0.0, 1e-6
        [out] = clipped(lambda p: optim.clip_grad_adaptive_(p, 0.1, 0.02), g, values=w)
        units = slice(None) if len(shape) > 1 else None
        for weight, before, after in zip(w[units], g[units], out[units], strict=True):
            most = 0.1 * max(np.linalg.norm(weight), 0.02)
            norm = np.linalg.norm(before)
            np.testing.assert_allclose(after, before * min(1.0, most / norm), rtol=1e-13)
    kept = clipped(optim.clip_grad_adaptive_, np.float32([[1e-5]]), values=np.float32([[1.0]]))
    assert kept[0].dtype == np.float32 and kept[0] == np.float32(1e-5)


def test_adaptive_clipping_of_gradients_whose_squares_overflow():
    [out] = clipped(lambda p: optim.clip_grad_adaptive_(p, 0.1), [[3e200, 4e200]])
    np.testing.assert_allclose(out, [[0.06 * math.sqrt(2), 0.08 * math.sqrt(2)]], rtol=1e-12)
    [out] = clipped(optim.clip_grad_adaptive_, [[math.nan, 1.0], [1.0, 0.0]])
    assert np.isnan(out[0]).all()  # it spreads within its unit instead of passing unseen
