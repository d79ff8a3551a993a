"""A compiled training is the same training."""

import numpy as np
import pytest
from twins import steps_at_once

import nn
import optim
from optim import learner

RNG = np.random.default_rng(7)
X = RNG.normal(size=(150, 6)).astype(np.float32)
Y = (X @ RNG.normal(size=(6, 3)) + 0.1 * RNG.normal(size=(150, 3))).argmax(axis=1)


def train(compile, epochs=6, batch_size=30, model=None, schedule=None, **options):
    """Train a small classifier; return its history, its parameters, and the optimizer."""
    rng = np.random.default_rng(3)
    model = nn.MLP([6, 8, 3], activation="tanh", rng=rng) if model is None else model(rng)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    if schedule is not None:
        options["schedule"] = schedule(optimizer)
    history = optim.fit(
        model,
        nn.CrossEntropyLoss(),
        (X, Y),
        optimizer,
        epochs=epochs,
        batch_size=batch_size,
        progress=False,
        compile=compile,
        **options,
    )
    return history, [p.numpy().copy() for p in model.parameters()], optimizer


def accuracy(prediction, target):
    return float(np.mean(prediction.argmax(axis=-1) == target))


def with_dropout(rng):
    return nn.Sequential(
        nn.Linear(6, 8, rng=rng), nn.Dropout(0.3, rng=rng), nn.Linear(8, 3, rng=rng)
    )


def with_norm(rng):
    # The gradient of a bias would be rounding alone, which Adam scales up.
    first = nn.Linear(6, 8, bias=False, rng=rng)
    return nn.Sequential(first, nn.BatchNorm1d(8), nn.Linear(8, 3, rng=rng))


OPTIONS = {
    "plain": {},
    "a last batch of fewer rows": {"batch_size": 32},
    "whole batches": {"batch_size": 32, "drop_last": True},
    "in order": {"shuffle": False},
    "one row": {"batch_size": 1, "epochs": 2},
    "regularizer": {"regularizer": nn.L2(1e-2)},
    "clipped": {"clip_norm": 0.1, "clip_value": 0.05},
    "rate of each step": {
        "schedule": lambda o: optim.OneCycleLR(o, max_lr=0.05, total_steps=40),
        "schedule_every": "step",
    },
    "rate of each epoch": {"schedule": lambda o: optim.ExponentialLR(o, 0.5)},
    "metrics": {"metrics": {"accuracy": accuracy}},
    "validation": {"validation": (X, Y), "metrics": {"accuracy": accuracy}},
    "rows within epochs": {"validate_every": 7, "validation": (X, Y)},
    "augmented": {"augment": lambda rng, x: x + rng.normal(scale=0.1, size=x.shape).astype("f")},
    "accumulated": {"accumulate": 2},
    "constrained": {"after_step": [nn.MaxNorm(0.5)]},
    "dropout": {"model": with_dropout},
    "batch norm": {"model": with_norm},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_compiled_training_is_the_same_training(options):
    history, parameters, optimizer = train(True, **options)
    expected, others, other = train(False, **options)
    assert history.keys() == expected.keys() and optimizer.lr == other.lr
    for name in expected:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-4, err_msg=name)
    for mine, right in zip(parameters, others, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-3, atol=1e-5)
    steps = [slot.step for slot in optimizer.param_groups[0].slots]
    assert steps == [slot.step for slot in other.param_groups[0].slots]


def test_many_steps_run_in_one_call(monkeypatch):
    seen = steps_at_once(monkeypatch)
    train(True, epochs=30)
    assert max(seen) >= 4 and sum(seen) > 60


def test_the_history_is_the_same_however_many_steps_run_in_one_call(monkeypatch):
    def double(rng):  # sums of a few losses in single precision are exact
        return nn.MLP([6, 8, 3], activation="tanh", rng=rng, dtype=np.float64)

    given = {"batch_size": 8, "model": double, "regularizer": nn.L2(1e-3)}
    whole, *_ = train(True, **given)
    monkeypatch.setattr(learner, "adapted", lambda steps, seconds, tried: 1 + steps % 3)
    parts, *_ = train(True, **given)
    assert dict(whole) == dict(parts)


def training(seed, **options):
    model = nn.MLP([6, 4, 3], activation="tanh", rng=np.random.default_rng(seed))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    return {"model": model, "optimizer": optimizer, "rng": seed, **options}


def test_trainings_side_by_side_are_the_same_trainings():
    common = {"data": (X, Y), "loss": nn.CrossEntropyLoss(), "validation": (X, Y)}
    common |= {"epochs": 12, "batch_size": 30}
    for options in ({}, {"compile": False}):
        together = [training(seed) for seed in range(5)]
        alone = [training(seed) for seed in range(5)]
        histories = optim.fit_many(together, workers=3, progress=False, **common, **options)
        for mine, other, history in zip(together, alone, histories, strict=True):
            expected = optim.fit(**{**common, "compile": True, **options, **other}, progress=False)
            assert history == expected and history.stopped_by == "epochs"
            pairs = zip(mine["model"].parameters(), other["model"].parameters(), strict=True)
            assert all(np.array_equal(p.numpy(), q.numpy()) for p, q in pairs)


def test_each_training_stops_by_itself():
    jobs = [training(s, early_stopping=optim.EarlyStopping(patience=s)) for s in (1, 2, 4)]
    common = {"data": (X[:20], Y[:20]), "loss": nn.CrossEntropyLoss(), "validation": (X, Y)}
    histories = optim.fit_many(jobs, epochs=300, progress=False, **common)
    assert all(history.stopped_by == "early stopping" for history in histories)
    assert len({len(history["epoch"]) for history in histories}) > 1


def test_what_side_by_side_refuses():
    jobs = [training(0), training(1)]
    common = {"data": (X, Y), "loss": nn.CrossEntropyLoss(), "progress": False}
    with pytest.raises(optim.many.GraphError, match="an optimizer for each|optimizer for each"):
        optim.fit_many([jobs[0], {**jobs[1], "optimizer": jobs[0]["optimizer"]}], **common)
    with pytest.raises(TypeError, match="a list of dictionaries"):
        optim.fit_many(jobs[0], **common)
    with pytest.raises(ValueError, match="a model in each training"):
        optim.fit_many([{"optimizer": jobs[0]["optimizer"]}], **common)
    with pytest.raises(ValueError, match="as many inputs as targets"):
        optim.fit_many(jobs, **{**common, "data": (X, Y[:3])})
