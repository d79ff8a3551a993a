"""Averages of the weights: their formulas, their use, and their part in a training."""

import copy

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim

PATH = np.random.default_rng(0).normal(size=(12, 3))


def leaf(values=(0.0, 0.0, 0.0)):
    return ag.tensor(np.array(values), requires_grad=True)


def walked(make, path=PATH):
    """Return the average after a walk of one tensor along `path`."""
    w = leaf()
    average = make([w])
    for value in path:
        w.assign(value)
        average.update()
    return average, w


def value(average):
    return average.averages["0"]


# --- formulas -----------------------------------------------------------------------------------


def test_the_exponential_average_begins_with_the_first_weights():
    d, n = 0.8, len(PATH)
    weights = (1 - d) * d ** np.arange(n - 1, -1, -1)
    weights[0] = d ** (n - 1)
    average, _ = walked(lambda m: optim.EMA(m, d))
    np.testing.assert_allclose(value(average), weights @ PATH, rtol=1e-13)


def test_the_corrected_average_has_weights_that_sum_to_one():
    # m_t = d m_{t-1} + (1 - d) theta_t from m_0 = 0, divided by 1 - d^t
    d, m = 0.8, 0.0
    for theta in PATH:
        m = d * m + (1 - d) * theta
    average, _ = walked(lambda m: optim.EMA(m, d, correct_bias=True))
    np.testing.assert_allclose(value(average), m / (1 - d ** len(PATH)), rtol=1e-13)


def test_the_warmed_up_average_decays_by_no_more_than_1_plus_t_over_10_plus_t():
    m = PATH[0]
    for t, theta in enumerate(PATH[1:], start=1):
        d = min(0.3, (1 + t) / (10 + t))
        m = d * m + (1 - d) * theta
    average, _ = walked(lambda m: optim.EMA(m, 0.3, warm_up=True))
    np.testing.assert_allclose(value(average), m, rtol=1e-13)


def test_the_plain_average_is_the_mean():
    average, _ = walked(optim.SWA)
    np.testing.assert_allclose(value(average), PATH.mean(0), rtol=1e-13)
    average, _ = walked(lambda m: optim.SWA(m, start=2, every=3))
    np.testing.assert_allclose(value(average), PATH[2::3].mean(0), rtol=1e-13)


def test_averages_keep_the_dtype():
    w = ag.tensor(np.zeros(3, np.float32), requires_grad=True)
    average = optim.EMA([w], 0.5)
    average.update()
    average.update()
    assert value(average).dtype == np.float32
    average.copy_to()
    assert w.dtype == np.float32


# --- use ----------------------------------------------------------------------------------------


def test_applied_gives_the_weights_back_however_it_ends():
    average, w = walked(optim.SWA)
    with average.applied():
        np.testing.assert_allclose(w.numpy(), PATH.mean(0), rtol=1e-13)
    np.testing.assert_array_equal(w.numpy(), PATH[-1])
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    np.testing.assert_array_equal(w.numpy(), PATH[-1])


def test_a_graph_recorded_before_refuses_to_be_swept_with_other_weights():
    average, w = walked(optim.SWA)
    loss = (w * w).sum()
    with average.applied(), pytest.raises(ag.MutationError):
        loss.backward()


def test_averages_are_written_into_a_model_built_alike():
    model, other = (nn.MLP([2, 3, 1], rng=np.random.default_rng(seed)) for seed in (0, 1))
    average = optim.EMA(model)
    average.update()
    before = model.state_dict()
    for parameter in model.parameters():
        parameter.assign(parameter.numpy() + 1.0)
    average.copy_to(other)
    for name, array in before.items():
        np.testing.assert_array_equal(other.state_dict()[name], array)


class Centred(nn.Module):
    """A model with statistics, as batch normalization has them."""

    def __init__(self):
        self.w = nn.Parameter([1.0], np.float64)
        self.running_mean = ag.tensor([0.0])
        self.seen = ag.tensor(0)
        self.momentum = 0.1
        self.fail = False

    def reset_running_stats(self):
        self.running_mean.assign([0.0])
        self.seen.assign(0)

    def forward(self, x):
        if self.training:
            n = self.seen.item() + 1
            part = self.momentum if self.momentum is not None else 1.0 / n
            mean = self.running_mean.numpy()
            self.running_mean.assign(mean + part * (np.mean(x) - mean))
            self.seen.assign(n)
        if self.fail:
            raise RuntimeError("broken")
        return self.w * (x - self.running_mean.numpy())


def test_buffers_are_copied_or_averaged():
    for buffers, expected in (("copy", 3.0), ("average", 2.0)):
        model = Centred()
        average = optim.SWA(model, buffers=buffers)
        for i in (1, 2, 3):
            model.running_mean.assign([float(i)])
            model.seen.assign(i)
            average.update()
        assert average.averages["running_mean"] == expected
        assert average.averages["seen"] == 3


def test_statistics_become_plain_means_over_the_batches():
    model = nn.Sequential(Centred(), Centred())
    model.eval()
    model[1].train()
    optim.update_bn([(np.full(2, v), None) for v in (1.0, 2.0, 6.0)], model)
    assert model[0].running_mean.item() == pytest.approx(3.0)
    assert model[0].seen.item() == 3
    assert [layer.momentum for layer in model.children()] == [0.1, 0.1]
    assert [layer.training for layer in model.children()] == [False, True]
    optim.update_bn([np.ones(2)], model)
    assert model[0].running_mean.item() == 1.0


def test_statistics_stay_when_the_pass_fails():
    model = Centred()
    model.running_mean.assign([7.0])
    model.fail = True
    with pytest.raises(RuntimeError, match="broken"):
        optim.update_bn([np.ones(2)], model)
    assert (model.running_mean.item(), model.momentum, model.training) == (7.0, 0.1, True)


def test_a_model_without_statistics_is_left_alone():
    optim.update_bn([], nn.Linear(2, 1))


@pytest.mark.parametrize(
    "make", [optim.SWA, lambda m: optim.EMA(m, 0.5, correct_bias=True, every=2, start=3)]
)
@pytest.mark.parametrize("cut", [0, 1, 5])
def test_a_saved_average_continues_as_if_never_interrupted(make, cut):
    whole, _ = walked(make)
    part, _ = walked(make, PATH[:cut])
    w = leaf()
    other = make([w])
    other.load_state_dict(copy.deepcopy(part.state_dict()))
    for theta in PATH[cut:]:
        w.assign(theta)
        other.update()
    np.testing.assert_array_equal(value(other), value(whole))
    assert other.count == whole.count


# --- in a training ------------------------------------------------------------------------------

X = np.random.default_rng(1).normal(size=(24, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]])


def mse(prediction, target):
    return ((prediction - target) ** 2).mean()


class Line(nn.Module):
    def __init__(self):
        self.w = nn.Parameter(np.zeros((3, 1)), np.float64)

    def forward(self, x):
        return x @ self.w


def test_fit_averages_steps_or_epochs_and_leaves_the_average():
    for unit, make in (("step", optim.EMA), ("epoch", optim.SWA)):
        model, path = Line(), []
        average = make(model) if make is optim.SWA else make(model, 0.5)
        keep = [lambda m, path=path: path.append(m.w.numpy().copy())]
        optim.fit(
            model,
            mse,
            (X, Y),
            optim.SGD(model.parameters(), 0.05),
            epochs=3,
            batch_size=8,
            averaging=average,
            after_step=keep,
            progress=False,
        )
        taken = path if unit == "step" else path[2::3]
        assert average.count == len(taken)
        expected, _ = walked_tensors(make, taken)
        np.testing.assert_allclose(model.w.numpy(), expected, rtol=1e-13)


def walked_tensors(make, path):
    w = leaf(np.zeros((3, 1)))
    average = make([w]) if make is optim.SWA else make([w], 0.5)
    for theta in path:
        w.assign(theta)
        average.update()
    return value(average), w


def test_validation_judges_the_average_and_training_goes_on_with_the_weights():
    losses, plain, judged = [], Line(), Line()
    for model, averaging in ((plain, None), (judged, True)):
        average = optim.EMA(model, 0.9) if averaging else None
        history = optim.fit(
            model,
            mse,
            (X, Y),
            optim.SGD(model.parameters(), 0.05),
            epochs=3,
            validation=(X, Y),
            averaging=average,
            progress=False,
        )
        losses.append(history)
    assert losses[0]["loss"] == losses[1]["loss"]  # the average does not disturb the training
    assert losses[0]["val_loss"] != losses[1]["val_loss"]
    final = float(mse(judged(X), Y))
    assert final == pytest.approx(losses[1]["val_loss"][-1], rel=1e-12)


def test_early_stopping_keeps_the_best_average():
    model = Line()
    average = optim.EMA(model, 0.9)
    history = optim.fit(
        model,
        mse,
        (X, Y),
        optimizer := optim.SGD(model.parameters(), 0.05),
        epochs=8,
        validation=(X, Y),
        averaging=average,
        early_stopping=optim.EarlyStopping(patience=100),
        schedule=optim.LambdaLR(optimizer, lambda epoch: 1.0 if epoch < 4 else 40.0),
        progress=False,
    )
    best = min(history["val_loss"])
    assert best < history["val_loss"][-1]
    assert float(mse(model(X), Y)) == pytest.approx(best, rel=1e-12)


# --- refusals -----------------------------------------------------------------------------------

REFUSED = {
    "not a model": (
        lambda: optim.EMA(0.5),
        "EMA: a model, or an iterable of its parameters, but got a float. "
        "Pass an nn.Module, or a list of tensors.",
    ),
    "nothing": (
        lambda: optim.SWA(iter([])),
        "SWA: at least one tensor to average, but got none. "
        "Pass a list; a generator gives its items only once.",
    ),
    "arrays": (
        lambda: optim.EMA([np.ones(3)]),
        "EMA: tensors that are leaves, but got a ndarray. "
        "Pass an nn.Module, or model.parameters().",
    ),
    "results": (
        lambda: optim.EMA([leaf() * 2]),
        "EMA: tensors that are leaves, but got a result. "
        "Pass an nn.Module, or model.parameters().",
    ),
    "decay": (
        lambda: optim.EMA([leaf()], 1.0),
        "EMA: decay must be a number from 0 to below 1, but got 1.0. Pass decay=0.999.",
    ),
    "two corrections": (
        lambda: optim.EMA([leaf()], warm_up=True, correct_bias=True),
        "EMA: either warm_up or correct_bias, but got both. "
        "Choose one, they serve the same purpose.",
    ),
    "start": (
        lambda: optim.SWA([leaf()], start=-1),
        "SWA: start must be a whole number from 0, but got -1. Pass start=0.",
    ),
    "every": (
        lambda: optim.SWA([leaf()], every=0),
        "SWA: every must be a whole number from 1, but got 0. Pass every=1.",
    ),
    "buffers": (
        lambda: optim.SWA([leaf()], buffers="skip"),
        "SWA: buffers must be 'copy' or 'average', but got 'skip'. Pass buffers='copy'.",
    ),
    "unit": (
        lambda: optim.SWA([leaf()], unit="batch"),
        "SWA: unit must be 'step' or 'epoch', but got 'batch'. Pass unit='step'.",
    ),
    "too early to copy": (
        lambda: optim.EMA([leaf()]).copy_to(),
        "EMA.copy_to: averages of at least one update, but got none so far. "
        "Call update() in training.",
    ),
    "too early to apply": (
        lambda: optim.EMA([leaf()]).applied().__enter__(),
        "EMA.applied: averages of at least one update, but got none so far. "
        "Call update() in training.",
    ),
    "another model": (
        lambda: walked(optim.SWA)[0].copy_to([leaf([1.0])]),
        "SWA.copy_to: 0 of shape (1,), but got (3,). Use a model built alike.",
    ),
    "more tensors": (
        lambda: walked(optim.SWA)[0].copy_to([leaf(), leaf()]),
        "SWA.copy_to: the names 0, 1, but got 0. Use a model built alike.",
    ),
    "state": (
        lambda: optim.EMA([leaf()]).load_state_dict({"a": 1}),
        "EMA.load_state_dict: the entries kind, calls, count, averages, but got {'a': 1}. "
        "Pass what state_dict() returned.",
    ),
    "state of another kind": (
        lambda: optim.EMA([leaf()]).load_state_dict(optim.SWA([leaf()]).state_dict()),
        "EMA.load_state_dict: the state of a EMA, but got that of a SWA. "
        "Load it into an equal average.",
    ),
    "state of another model": (
        lambda: optim.EMA([leaf()]).load_state_dict(optim.EMA([leaf([1.0])]).state_dict()),
        "EMA.load_state_dict: 0 of shape (3,), but got (1,). Use a model built alike.",
    ),
    "state without names": (
        lambda: optim.EMA([leaf()]).load_state_dict(
            optim.EMA([leaf()]).state_dict() | {"averages": 3}
        ),
        "EMA.load_state_dict: the names 0, but got a int. Use a model built alike.",
    ),
    "state of negative length": (
        lambda: optim.EMA([leaf()]).load_state_dict(
            optim.EMA([leaf()]).state_dict() | {"count": -1}
        ),
        "EMA.load_state_dict: count must be a whole number from 0, but got -1. Pass count=0.",
    ),
    "statistics of a function": (
        lambda: optim.update_bn([], abs),
        "update_bn: a model second, but got a builtin_function_or_method. Pass an nn.Module.",
    ),
    "statistics of nothing": (
        lambda: optim.update_bn([], Centred()),
        "update_bn: at least one batch, but got none. "
        "Pass a list; a generator gives its items only once.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name):
    call, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message


def test_the_average_is_not_averaged():
    average, _ = walked(optim.SWA)
    with average.applied(), pytest.raises(ag.GraphError) as caught:
        average.update()
    assert str(caught.value) == (
        "SWA.update: the weights that are trained, but got an update within applied(). "
        "Train outside of the block."
    )
    average.update()


def test_a_failed_load_changes_nothing():
    average, _ = walked(optim.SWA)
    before = average.state_dict()
    with pytest.raises(ValueError):
        average.load_state_dict(before | {"averages": {"0": ["a", "b", "c"]}})
    after = average.state_dict()
    np.testing.assert_array_equal(after.pop("averages")["0"], before.pop("averages")["0"])
    assert after == before
