"""A training whose loss stops being finite ends, and says where and what to try."""

import warnings

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim

X = np.random.default_rng(0).normal(size=(96, 3))
Y = X[:, :1].copy()
BAD = Y.copy()
BAD[70] = np.inf  # in the batch of step 9 of 12, without shuffling

WAYS = {
    "eager": {"compile": False},
    "compiled": {"compile": True},
    "accumulated": {"accumulate": 2, "batch_size": 4},
    "one by one": {"compile": True, "metrics": {"error": lambda p, y: float(np.abs(p).mean())}},
    "penalized": {"compile": True, "regularizer": nn.L2(1e-3)},
}


def train(target=Y, epochs=6, lr=0.01, data=slice(None), **options):
    rng = np.random.default_rng(0)
    layers = [nn.Linear(3, 5, rng=rng, dtype=np.float64), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(5, 1, rng=rng, dtype=np.float64))
    options = {"batch_size": 8, "shuffle": False, "progress": False, **options}
    if "early_stopping" in options:
        options["validation"] = (X, Y)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    rows = X[data], target[data]
    history = optim.fit(model, nn.MSELoss(), rows, optimizer, epochs=epochs, **options)
    return history, model


def weights(model):
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_a_loss_that_is_not_finite_ends_the_training_before_its_step(options):
    with pytest.warns(RuntimeWarning) as caught:
        history, model = train(BAD, **options)
    (warning,) = caught
    text = str(warning.message)
    assert "fit: a finite loss at step 9 (epoch 1), but got inf" in text
    assert "lower lr" in text and "clip_norm=1.0" in text and "terminate_on_nan=False" in text
    assert warning.filename == __file__
    assert history.stopped_by == "nan" and history == {}
    clean = {**options, "compile": False, "epochs": 1, "data": slice(0, 64)}
    expected, other = train(Y, **clean)
    assert expected.stopped_by == "epochs"
    np.testing.assert_allclose(weights(model), weights(other), rtol=1e-10)
    assert not model.training


def test_a_loss_that_grows_beyond_all_bounds_is_found_alike():
    found = []
    for compile in (False, True):
        with pytest.warns(
            RuntimeWarning, match=r"a finite loss at step \d+ \(epoch \d+\)"
        ) as caught:
            with np.errstate(all="ignore"):
                model = nn.Linear(3, 1, rng=0, dtype=np.float64)
                optimizer = optim.SGD(model.parameters(), lr=30.0)
                options = {"epochs": 200, "batch_size": 8, "compile": compile, "progress": False}
                history = optim.fit(model, nn.MSELoss(), (X, Y), optimizer, **options)
        assert history.stopped_by == "nan" and np.isfinite(history["loss"]).all()
        assert np.isfinite(weights(model)).all()
        found.append((str(caught[0].message), len(history["loss"])))
    assert found[0] == found[1]


@pytest.mark.parametrize("compile", [False, True])
def test_it_can_be_told_to_go_on(compile):
    with np.errstate(all="ignore"):
        history, model = train(BAD, terminate_on_nan=False, compile=compile)
    assert history.stopped_by == "epochs" and len(history["loss"]) == 6
    assert not np.isfinite(history["loss"][-1])


@pytest.mark.parametrize("compile", [False, True])
def test_an_infinite_loss_with_finite_gradients_ends_it_too(compile):
    def loss(prediction, y):
        return ag.mean((prediction - ag.minimum(y, 1.0)) ** 2) + ag.max(y) * 1e300

    x, y = np.tile(X, (6, 1)), np.zeros((576, 1))
    y[60 * 8] = 1e9
    model = nn.Linear(3, 1, rng=0, dtype=np.float64)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    options = {"batch_size": 8, "shuffle": False, "progress": False, "compile": compile}
    said = pytest.warns(RuntimeWarning, match=r"at step 61 \(epoch 1\), but got inf")
    with said, np.errstate(over="ignore"):
        optim.fit(model, loss, (x, y), optimizer, **options)
    assert np.isfinite(weights(model)).all()


def test_the_best_weights_are_restored():
    stop = optim.EarlyStopping(patience=50)
    with pytest.warns(RuntimeWarning, match="finite loss"), np.errstate(all="ignore"):
        history, model = train(Y, epochs=400, lr=8.0, early_stopping=stop, compile=False)
    assert history.stopped_by == "nan"
    assert history.best_epoch is not None
    judged = float(np.mean((model(X).numpy() - Y) ** 2))
    np.testing.assert_allclose(judged, min(history["val_loss"]), rtol=1e-9)


def test_other_trainings_go_on():
    def training(target):
        model = nn.Linear(3, 1, rng=0, dtype=np.float64)
        optimizer = optim.SGD(model.parameters(), lr=0.01)
        return {"model": model, "optimizer": optimizer, "data": (X, target)}

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        histories = optim.fit_many(
            [training(Y), training(BAD), training(Y)],
            loss=nn.MSELoss(),
            epochs=5,
            progress=False,
            workers=1,
        )
    assert [history.stopped_by for history in histories] == ["epochs", "nan", "epochs"]
    assert len(caught) == 1 and "finite loss" in str(caught[0].message)


def test_the_option_is_a_truth():
    with pytest.raises((TypeError, ValueError), match="terminate_on_nan"):
        train(terminate_on_nan="yes")
