"""What a user reads when something is wrong with an optimizer, a schedule or a training."""

import numpy as np
import pytest

import autograd_core as ag
import optim
from optim.rule import rule

NAN, INF = float("nan"), float("inf")


def leaf(values=(1.0, 2.0)):
    return ag.tensor(np.array(values), requires_grad=True)


X = leaf()


def consumed():
    generator = iter([leaf()])
    list(generator)
    return generator


def other_schedule(optimizer):
    return optim.StepLR(optim.SGD([leaf()]), 1)


OPTIMIZERS = {
    "nan rate": (
        lambda: optim.SGD([X], lr=NAN),
        "SGD: lr must be a finite number from 0, but got nan. Pass lr=0.001.",
    ),
    "infinite rate": (
        lambda: optim.Adam([X], lr=INF),
        "Adam: lr must be a finite number from 0, but got inf. Pass lr=0.001.",
    ),
    "negative rate": (
        lambda: optim.LAMB([X], lr=-1.0),
        "LAMB: lr must be a finite number from 0, but got -1.0. Pass lr=0.001.",
    ),
    "rate in words": (
        lambda: optim.SGD([X], lr="fast"),
        "SGD: lr must be a finite number from 0, but got 'fast'. Pass lr=0.001.",
    ),
    "rate of a step that became nan": (
        lambda: setattr(optim.SGD([X]), "lr", NAN),
        "SGD: lr must be a finite number from 0, but got nan. Pass lr=0.001.",
    ),
    "rate of a group": (
        lambda: optim.SGD([X]).param_groups[0].__setitem__("lr", -0.5),
        "SGD: lr must be a finite number from 0, but got -0.5. Pass lr=0.001.",
    ),
    "betas": (
        lambda: optim.Adam([X], betas=(0.9, 1.0)),
        "Adam: betas must be a number from 0 to below 1, but got 1.0. Pass betas=(0.9, 0.999).",
    ),
    "one beta": (
        lambda: optim.Adam([X], betas=0.9),
        "Adam: betas must be 2 numbers, but got 0.9. Pass betas=(0.9, 0.999).",
    ),
    "momentum": (
        lambda: optim.SGD([X], momentum=9),
        "SGD: momentum must be a number from 0 to 1, but got 9.0. Pass momentum=0.0.",
    ),
    "flag": (
        lambda: optim.SGD([X], nesterov=1),
        "SGD: nesterov must be True or False, but got 1. Pass nesterov=True.",
    ),
    "largest norm": (
        lambda: optim.LAMB([X], max_grad_norm=0),
        "LAMB: max_grad_norm must be a finite number above 0, but got 0.0. "
        "Pass another max_grad_norm.",
    ),
    "nesterov alone": (
        lambda: optim.SGD([X], nesterov=True),
        "SGD: nesterov=True with momentum > 0 and dampening = 0, but got lr=0.001, momentum=0.0, "
        "dampening=0.0, weight_decay=0.0, nesterov=True, lr_in_velocity=False, maximize=False. "
        "Pass momentum=0.9, dampening=0.",
    ),
    "RMSprop with nesterov alone": (
        lambda: optim.RMSprop([X], nesterov=True),
        "RMSprop: nesterov=True with momentum > 0, but got lr=0.01, alpha=0.99, eps=1e-08, "
        "weight_decay=0.0, momentum=0.0, centered=False, eps_in_sqrt=False, "
        "lr_in_velocity=False, nesterov=True, maximize=False. Pass momentum=0.9.",
    ),
    "LARS with nesterov alone": (
        lambda: optim.LARS([X], momentum=0.0, nesterov=True),
        "LARS: nesterov=True with momentum > 0, but got lr=0.001, momentum=0.0, weight_decay=0.0, "
        "trust_coefficient=0.001, eps=0.0, nesterov=True, maximize=False. Pass momentum=0.9.",
    ),
    "both corrections": (
        lambda: optim.LAMB([X], rate_correction=True),
        "LAMB: one correction, of the moments or of the rate, but got lr=0.001, "
        "betas=(0.9, 0.999), eps=1e-06, weight_decay=0.0, bias_correction=True, eps_root=0.0, "
        "decoupled_weight_decay=False, maximize=False, trust_clip=False, always_adapt=True, "
        "max_grad_norm=None, clamp_value=None, rate_correction=True. "
        "Pass bias_correction=False with rate_correction=True.",
    ),
    "factors": (
        lambda: optim.Rprop([X], etas=(1.2, 0.5)),
        "Rprop: etas below and above 1, but got lr=0.01, etas=(1.2, 0.5), "
        "step_sizes=(1e-06, 50.0), maximize=False. Pass etas=(0.5, 1.2).",
    ),
    "step sizes": (
        lambda: optim.Rprop([X], step_sizes=(1.0, 0.1)),
        "Rprop: step_sizes in rising order, but got lr=0.01, etas=(0.5, 1.2), "
        "step_sizes=(1.0, 0.1), maximize=False. Pass step_sizes=(1e-6, 50.0).",
    ),
    "three betas": (
        lambda: optim.Adan([X], betas=(0.9, 0.999)),
        "Adan: betas must be 3 numbers, but got (0.9, 0.999). Pass betas=(0.98, 0.92, 0.99).",
    ),
    "growing decay": (
        lambda: optim.Adafactor([X], beta2_decay=0.8),
        "Adafactor: beta2_decay must be a finite number to 0, but got 0.8. Pass beta2_decay=-0.8.",
    ),
    "second eps": (
        lambda: optim.Adafactor([X], eps=(None, None)),
        "Adafactor: eps must be a finite number from 0, but got None. Pass eps=(None, 0.001).",
    ),
    "misspelt": (
        lambda: optim.AdamW([X], weigth_decay=0.1),
        "AdamW: a hyperparameter among lr, betas, eps, weight_decay, amsgrad, "
        "decoupled_weight_decay, eps_root, eps_hat, amsgrad_corrected, nesterov, maximize, "
        "but got 'weigth_decay'. Correct the name.",
    ),
    "too many": (
        lambda: optim.SGD([X], *range(9)),
        "SGD: the hyperparameters lr, momentum, dampening, weight_decay, nesterov, "
        "lr_in_velocity, maximize, but got 9 values. Pass them by name.",
    ),
    "no parameters": (
        lambda: optim.SGD([]),
        "SGD: at least one parameter, but got none. "
        "Pass model.parameters() anew; a generator gives its items only once.",
    ),
    "consumed generator": (
        lambda: optim.SGD(consumed()),
        "SGD: at least one parameter, but got none. "
        "Pass model.parameters() anew; a generator gives its items only once.",
    ),
    "empty group": (
        lambda: optim.SGD([{"params": []}]),
        "SGD: at least one parameter in a group, but got none. "
        "Pass a list; a generator gives its items only once.",
    ),
    "group without parameters": (
        lambda: optim.SGD([{"lr": 0.1}]),
        "SGD: groups with the key \"params\", but got the keys ['lr']. Add it.",
    ),
    "single tensor": (
        lambda: optim.SGD(X),
        "SGD: an ordered iterable of parameters, but got a Tensor. "
        "Pass model.parameters(), a list of tensors, or a list of groups.",
    ),
    "set": (
        lambda: optim.SGD({X}),
        "SGD: an ordered iterable of parameters, but got a set. "
        "Pass model.parameters(), a list of tensors, or a list of groups.",
    ),
    "model": (
        lambda: optim.SGD(object()),
        "SGD: an ordered iterable of parameters, but got a object. "
        "Pass model.parameters(), a list of tensors, or a list of groups.",
    ),
    "ndarray": (
        lambda: optim.SGD([np.ones(2)]),
        "SGD: parameters that are tensors, but got a ndarray. "
        "Make it with tensor(..., requires_grad=True), or pass model.parameters().",
    ),
    "constant": (
        lambda: optim.SGD([ag.tensor([1.0])]),
        "SGD: parameters that are leaves, but got a constant. "
        "Make it with tensor(..., requires_grad=True), or pass model.parameters().",
    ),
    "result": (
        lambda: optim.SGD([X * 2.0]),
        "SGD: parameters that are leaves, but got the result of an operation. "
        "Make it with tensor(..., requires_grad=True), or pass model.parameters().",
    ),
    "twice": (
        lambda: optim.SGD([X, X]),
        "SGD: every parameter once, but got one of them twice. "
        "Remove the repetition; a shared parameter belongs into one group, once.",
    ),
    "twice, in two groups": (
        lambda: optim.SGD([{"params": [X]}, {"params": [X]}]),
        "SGD: every parameter once, but got one of them twice. "
        "Remove the repetition; a shared parameter belongs into one group, once.",
    ),
    "exchanged": (
        lambda: optim.SGD([X]).param_groups[0].update({"params": [leaf()]}),
        "SGD: a group keeps its parameters, but got an assignment to them. "
        "Add others with add_param_group, or make a new optimizer.",
    ),
    "clip to nothing": (
        lambda: optim.clip_grad_norm_([X], 0.0),
        "clip_grad_norm_: max_norm must be a finite number above 0, but got 0.0. "
        "Pass max_norm=1.0.",
    ),
    "clip to nan": (
        lambda: optim.clip_grad_value_([X], NAN),
        "clip_grad_value_: clip_value must be a finite number above 0, but got nan. "
        "Pass clip_value=1.0.",
    ),
    "clip arrays": (
        lambda: optim.clip_grad_value_([np.ones(2)], 1.0),
        "clip_grad_value_: parameters that are tensors, but got a ndarray. "
        "Pass model.parameters().",
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name):
    call, message = OPTIMIZERS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message


def test_infinite_gradients_can_be_refused():
    x = leaf()
    x.grad = [INF, 1.0]
    with pytest.raises(ValueError, match="clip_grad_norm_: finite gradients, but got inf. Lower"):
        optim.clip_grad_norm_([x], 1.0, error_if_nonfinite=True)


def test_a_constraint_broken_later_is_met_at_the_step():
    optimizer = optim.SGD([X], momentum=0.9, nesterov=True)
    optimizer.momentum = 0.0
    with pytest.raises(ValueError, match="SGD: nesterov=True with momentum > 0"):
        optimizer.step()


def trained(cls=optim.Adam, shape=(2,), **hyper):
    x = leaf(np.ones(shape))
    optimizer = cls([x], **hyper)
    x.grad = np.ones(shape)
    optimizer.step()
    return optimizer


def without(state, *path):
    *way, last = path
    inner = state
    for key in way:
        inner = inner[key]
    del inner[last]
    return state


def with_step(state, step):
    state["state"][0]["step"] = step
    return state


STATES = {
    "another optimizer": (
        lambda: trained(optim.SGD).state_dict(),
        "Adam.load_state_dict: the hyperparameter amsgrad, but got none. Load a state of Adam.",
    ),
    "another model": (
        lambda: trained(shape=(3,)).state_dict(),
        "Adam.load_state_dict: m of shape (2,), but got (3,). Load the state of this model.",
    ),
    "more parameters": (
        lambda: optim.Adam([leaf(), leaf()]).state_dict(),
        "Adam.load_state_dict: groups of [1] parameters, but got groups of [2]. "
        "Load the state of an equal optimizer.",
    ),
    "not a state": (
        lambda: {"weights": 1},
        'Adam.load_state_dict: a dictionary with "state" and "param_groups", '
        "but got {'weights': 1}. Pass what state_dict() returned.",
    ),
    "other branches": (
        lambda: without(trained().state_dict(), "state", 0, "v"),
        "Adam.load_state_dict: the state m, v, but got m. Load the state of an equal optimizer.",
    ),
    "step count": (
        lambda: with_step(trained().state_dict(), -1),
        'Adam.load_state_dict: "step", a count of updates, but got -1. '
        "Pass what state_dict() returned.",
    ),
    "bad rate": (
        lambda: {"state": {}, "param_groups": [{**optim.Adam.defaults, "lr": NAN, "params": [0]}]},
        "Adam: lr must be a finite number from 0, but got nan. Pass lr=0.001.",
    ),
}


def test_a_carried_number_that_is_none_is_refused():
    optimizer = trained(optim.NAdam)
    state = optimizer.state_dict()
    before = repr(state)
    state["state"][0]["product"] = "half"
    message = "NAdam.load_state_dict: product must be a finite number, but got 'half'. Pass"
    with pytest.raises(TypeError, match=message):
        optimizer.load_state_dict(state)
    assert repr(optimizer.state_dict()) == before


@pytest.mark.parametrize("name", STATES)
def test_a_failed_load_changes_nothing(name):
    make, message = STATES[name]
    optimizer = trained(lr=0.25)
    before = repr(optimizer.state_dict())
    with pytest.raises((ValueError, TypeError)) as caught:
        optimizer.load_state_dict(make())
    assert str(caught.value) == message
    assert repr(optimizer.state_dict()) == before


SCHEDULES = {
    "no optimizer": (
        lambda o: optim.StepLR(0.1, 5),
        "StepLR: an optimizer first, but got a float. Pass the optimizer whose rate the schedule "
        "sets.",
    ),
    "step size": (
        lambda o: optim.StepLR(o, 0),
        "StepLR: step_size must be a whole number from 1, but got 0. Pass step_size=1.",
    ),
    "fraction of a step": (
        lambda o: optim.CosineAnnealingLR(o, 2.5),
        "CosineAnnealingLR: T_max must be a whole number from 1, but got 2.5. Pass T_max=1.",
    ),
    "gamma": (
        lambda o: optim.ExponentialLR(o, 0.0),
        "ExponentialLR: gamma must be a finite number above 0, but got 0.0. Pass another gamma.",
    ),
    "factor": (
        lambda o: optim.LinearLR(o, NAN),
        "LinearLR: start_factor must be a finite number from 0, but got nan. "
        "Pass another start_factor.",
    ),
    "lambda": (
        lambda o: optim.LambdaLR(o, 0.95),
        "LambdaLR: lr_lambda must be a function of the step, but got 0.95. "
        "Pass lambda step: 0.95**step.",
    ),
    "last epoch": (
        lambda o: optim.StepLR(o, 1, last_epoch=-2),
        "StepLR: last_epoch must be a whole number from -1, but got -2. Pass last_epoch=-1.",
    ),
    "milestones": (
        lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1), optim.StepLR(o, 1)], [5, 6]),
        "SequentialLR: 1 rising milestones for 2 schedules, but got [5, 6]. "
        "Give the step at which each schedule but the first takes over.",
    ),
    "falling milestones": (
        lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 3, [5, 5]),
        "SequentialLR: 2 rising milestones for 3 schedules, but got [5, 5]. "
        "Give the step at which each schedule but the first takes over.",
    ),
    "nothing to chain": (
        lambda o: optim.ChainedScheduler([]),
        "ChainedScheduler: at least one schedule, but got none. Pass a list of schedules.",
    ),
    "not a schedule": (
        lambda o: optim.ChainedScheduler([0.5]),
        "ChainedScheduler: schedules, but got a float. Pass a list of schedules.",
    ),
    "of two optimizers": (
        lambda o: optim.ChainedScheduler([optim.StepLR(o, 1), other_schedule(o)]),
        "ChainedScheduler: schedules of one optimizer, but got a schedule of another one. "
        "Make all of them for the same optimizer.",
    ),
    "mode": (
        lambda o: optim.ReduceLROnPlateau(o, mode="low"),
        "ReduceLROnPlateau: mode must be 'min' or 'max', but got 'low'. Pass mode='min'.",
    ),
    "plateau factor": (
        lambda o: optim.ReduceLROnPlateau(o, factor=1.0),
        "ReduceLROnPlateau: factor must be a number from 0 to below 1, but got 1.0. "
        "Pass another factor.",
    ),
    "metric": (
        lambda o: optim.ReduceLROnPlateau(o).step(),
        "ReduceLROnPlateau.step: the metric that ReduceLROnPlateau watches, but got none. "
        "Call step(validation_loss).",
    ),
    "state": (
        lambda o: optim.StepLR(o, 1).load_state_dict({"gamma": 1}),
        "StepLR.load_state_dict: the entries schedule, last_epoch, base_lrs, but got gamma. "
        "Load the state of an equal schedule.",
    ),
    "rate that a schedule makes nan": (
        lambda o: optim.LambdaLR(o, lambda step: NAN),
        "SGD: lr must be a finite number from 0, but got nan. Pass lr=0.001.",
    ),
    "patience": (
        lambda o: optim.EarlyStopping(patience=-1),
        "EarlyStopping: patience must be a whole number from 0, but got -1. Pass patience=10.",
    ),
    "stopping mode": (
        lambda o: optim.EarlyStopping(mode="loss"),
        "EarlyStopping: mode must be 'min' or 'max', but got 'loss'. Pass mode='min'.",
    ),
    "delta": (
        lambda o: optim.EarlyStopping(min_delta=-0.1),
        "EarlyStopping: min_delta must be a finite number from 0, but got -0.1. "
        "Pass another min_delta.",
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name):
    call, message = SCHEDULES[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call(optim.SGD([leaf()]))
    assert str(caught.value) == message


def test_a_failed_load_leaves_a_combination_alone():
    optimizer = optim.SGD([leaf()])
    parts = [optim.ReduceLROnPlateau(optimizer), optim.StepLR(optimizer, 1)]
    schedule = optim.ChainedScheduler(parts)
    schedule.step(1.0)
    state = schedule.state_dict()
    before = repr(state)
    state["schedulers"][1] = {"wrong": 1}
    state["schedulers"][0]["best"] = -9.0
    with pytest.raises(ValueError, match="StepLR.load_state_dict: the entries"):
        schedule.load_state_dict(state)
    assert repr(schedule.state_dict()) == before


DATA = np.ones((6, 2)), np.ones((6, 1))


def linear(x):
    return x @ WEIGHT


WEIGHT = ag.tensor(np.ones((2, 1)), requires_grad=True)


def mse(prediction, target):
    return ((prediction - target) ** 2).mean()


def fit(model=linear, loss=mse, data=DATA, optimizer=None, **options):
    optimizer = optimizer or optim.SGD([WEIGHT], lr=1e-9)
    return optim.fit(model, loss, data, optimizer, progress=False, **options)


FITS = {
    "lengths": (
        lambda: fit(data=(np.ones((6, 2)), np.ones((5, 1)))),
        "fit: data: as many inputs as targets, but got shapes (6, 2) and (5, 1). "
        "Give both the examples along their first axis.",
    ),
    "empty": (
        lambda: fit(data=(np.ones((0, 2)), np.ones((0, 1)))),
        "fit: data: at least one example, but got shape (0, 2). Pass some data.",
    ),
    "validation": (
        lambda: fit(validation=(np.ones((6, 2)),)),
        "fit: validation: a pair (X, y), but got 1 entries. Pass inputs and targets.",
    ),
    "inputs only": (
        lambda: fit(data=np.ones((6, 2))),
        "fit: data: (X, y) or batches, but got a ndarray. "
        "Pass a tuple of two arrays, or an iterable of batches.",
    ),
    "list of two arrays": (
        lambda: fit(data=list(DATA)),
        "fit: data: batches that are pairs, but got a ndarray. "
        "Yield (x, y); pass whole arrays as a tuple (X, y).",
    ),
    "batch size": (
        lambda: fit(batch_size=0),
        "fit: batch_size must be a whole number from 1, but got 0. Pass batch_size=32.",
    ),
    "epochs": (
        lambda: fit(epochs=0),
        "fit: epochs must be a whole number from 1, but got 0. Pass epochs=10.",
    ),
    "generator": (
        lambda: fit(data=iter([DATA]), epochs=3),
        "fit: data: batches that can be read 3 times, but got a list_iterator, which can be read "
        "once. Pass a list, or an object whose __iter__ starts anew.",
    ),
    "no batches": (
        lambda: fit(data=[]),
        "fit: data: at least one batch, but got none. "
        "Pass arrays, a list of batches, or an object whose __iter__ starts anew.",
    ),
    "optimizer": (
        lambda: fit(optimizer=0.1),
        "fit: an optimizer in the fourth place, but got a float. "
        "Pass one such as Adam(model.parameters()).",
    ),
    "another model's optimizer": (
        lambda: fit(optimizer=optim.SGD([leaf()])),
        "fit: a loss that depends on the optimizer's parameters, but got one that depends on none "
        "of them. Make the optimizer with the parameters of the model that is trained.",
    ),
    "another optimizer's schedule": (
        lambda: fit(schedule=other_schedule(None)),
        "fit: a schedule of the same optimizer, but got a StepLR that is not. "
        "Make the schedule with the optimizer that fit gets.",
    ),
    "unit of the schedule": (
        lambda: fit(schedule_every="batch"),
        "fit: schedule_every must be 'epoch' or 'step', but got 'batch'. "
        "Pass schedule_every='epoch'.",
    ),
    "nothing to stop on": (
        lambda: fit(early_stopping=optim.EarlyStopping()),
        "fit: validation data for early stopping, but got none. "
        "Pass validation=(X, y) with examples that are not trained on.",
    ),
    "nothing to restore": (
        lambda: fit(early_stopping=optim.EarlyStopping(), validation=DATA),
        "EarlyStopping: a model with state_dict() and load_state_dict(), but got a function. "
        "Pass an nn.Module, or leave early stopping out.",
    ),
    "whole batches only": (
        lambda: fit(batch_size=7, drop_last=True),
        "fit: data: at least one whole batch of 7, for drop_last=True, but got 6 examples. "
        "Pass a smaller batch_size.",
    ),
    "drop_last": (
        lambda: fit(drop_last=1),
        "fit: drop_last must be True or False, but got 1. Pass drop_last=True.",
    ),
    "shuffle": (
        lambda: fit(shuffle="yes"),
        "fit: shuffle must be True or False, but got 'yes'. Pass shuffle=True.",
    ),
    "accumulate": (
        lambda: fit(accumulate=0),
        "fit: accumulate must be a whole number from 1, but got 0. Pass accumulate=1.",
    ),
    "rounds": (
        lambda: fit(validate_every=0),
        "fit: validate_every must be a whole number from 1, but got 0. Pass validate_every=100.",
    ),
    "validation that can be read once": (
        lambda: fit(epochs=1, validate_every=1, validation=iter([DATA])),
        "fit: validation: batches that can be read 2 times, but got a list_iterator, which can be "
        "read once. Pass a list, or an object whose __iter__ starts anew.",
    ),
    "clip_norm": (
        lambda: fit(clip_norm=-1.0),
        "fit: clip_norm must be a finite number above 0, but got -1.0. Pass clip_norm=1.0.",
    ),
    "clip_value": (
        lambda: fit(clip_value=NAN),
        "fit: clip_value must be a finite number above 0, but got nan. Pass clip_value=1.0.",
    ),
    "clip": (
        lambda: fit(clip=1.0),
        "fit: clip: a function, but got a float. Pass a function, or leave it out.",
    ),
    "augment": (
        lambda: fit(augment="flip"),
        "fit: augment: a function, but got a str. Pass a function, or leave it out.",
    ),
    "regularizer": (
        lambda: fit(regularizer=1e-4),
        "fit: regularizer: a function, but got a float. Pass a function, or leave it out.",
    ),
    "one callback": (
        lambda: fit(callbacks=print),
        "fit: callbacks: a list of functions, but got a builtin_function_or_method. "
        "Pass callbacks=[...].",
    ),
    "hooks": (
        lambda: fit(after_step=[3]),
        "fit: after_step: a function, but got a int. Pass a function, or leave it out.",
    ),
    "metrics": (
        lambda: fit(metrics=[abs]),
        "fit: metrics: functions by name, but got [<built-in function abs>]. "
        "Pass metrics={'accuracy': accuracy}.",
    ),
    "name of a metric": (
        lambda: fit(metrics={"loss": lambda p, y: 0.0}),
        "fit: names of metrics other than epoch, loss, lr, penalty, step, but got loss. "
        "Choose another name.",
    ),
    "generator of chance": (
        lambda: fit(rng="seed"),
        "fit: rng: a generator or a seed, but got a str. Pass np.random.default_rng(0), or 0.",
    ),
    "average of another model": (
        lambda: fit(averaging=optim.EMA([leaf()])),
        "fit: an average of the optimizer's parameters, but got a EMA that has none of them. "
        "Make it with the model that is trained, such as EMA(model).",
    ),
    "not an average": (
        lambda: fit(averaging=0.999),
        "fit: an average of the optimizer's parameters, but got a float that has none of them. "
        "Make it with the model that is trained, such as EMA(model).",
    ),
    "three arrays of different lengths": (
        lambda: fit(data=(*DATA, np.ones(5))),
        "fit: data: as many inputs as targets, but got shapes (6, 2) and (6, 1) and (5,). "
        "Give both the examples along their first axis.",
    ),
    "loss per example": (
        lambda: fit(loss=lambda p, y: (p - y) ** 2),
        "fit: a loss that is one number, as a tensor, but got shape (6, 1). "
        "Reduce the loss to its mean, and compute it with tensors throughout.",
    ),
    "loss as a float": (
        lambda: fit(loss=lambda p, y: 1.0),
        "fit: a loss that is one number, as a tensor, but got a float. "
        "Reduce the loss to its mean, and compute it with tensors throughout.",
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_fit(name):
    call, message = FITS[name]
    before = WEIGHT.numpy().copy()
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message
    np.testing.assert_array_equal(WEIGHT.numpy(), before)


OTHERS = {
    "relative mode": (
        lambda: optim.EarlyStopping(min_delta_mode="percent"),
        "EarlyStopping: min_delta_mode must be 'abs' or 'rel', but got 'percent'. "
        "Pass min_delta_mode='abs'.",
    ),
    "unit of patience": (
        lambda: optim.EarlyStopping(unit="epoch"),
        "EarlyStopping: unit must be 'update' or 'step', but got 'epoch'. Pass unit='update'.",
    ),
    "baseline": (
        lambda: optim.EarlyStopping(baseline="low"),
        "EarlyStopping: baseline must be a finite number, but got 'low'. Pass another baseline.",
    ),
    "cumulative": (
        lambda: optim.EarlyStopping(cumulative_delta=None),
        "EarlyStopping: cumulative_delta must be True or False, but got None. "
        "Pass cumulative_delta=False.",
    ),
    "start": (
        lambda: optim.EarlyStopping(start_from=-1),
        "EarlyStopping: start_from must be a whole number from 0, but got -1. Pass start_from=1.",
    ),
    "no step": (
        lambda: optim.EarlyStopping(unit="step").update(1.0),
        'EarlyStopping.update: the number of steps, for unit="step", but got none. '
        "Call update(metric, model, step=steps).",
    ),
    "clip factor": (
        lambda: optim.clip_grad_adaptive_([leaf()], 0.0),
        "clip_grad_adaptive_: clip_factor must be a finite number above 0, but got 0.0. "
        "Pass clip_factor=0.01.",
    ),
    "clip floor": (
        lambda: optim.clip_grad_adaptive_([leaf()], eps=-1.0),
        "clip_grad_adaptive_: eps must be a finite number above 0, but got -1.0. Pass eps=0.001.",
    ),
    "what to clip": (
        lambda: optim.clip_grad_adaptive_([np.ones(2)]),
        "clip_grad_adaptive_: parameters that are tensors, but got a ndarray. "
        "Pass model.parameters().",
    ),
    "flip": (
        lambda: optim.augment.flip(2.0),
        "flip: probability must be a number from 0 to 1, but got 2.0. Pass probability=0.5.",
    ),
    "flip of the batch": (
        lambda: optim.augment.flip(axis=0)(np.random.default_rng(0), np.ones((2, 2))),
        "flip: an axis of the examples, not the first one of the batch, but got axis 0 of an "
        "array of shape (2, 2). Pass another axis, or reshape the inputs.",
    ),
    "shift": (
        lambda: optim.augment.shift(0.5),
        "shift: most must be a whole number from 0, but got 0.5. Pass most=2.",
    ),
    "shift of rows": (
        lambda: optim.augment.shift(1)(np.random.default_rng(0), np.ones((2, 2))),
        "shift: an axis of the examples, not the first one of the batch, but got axis -2 of an "
        "array of shape (2, 2). Pass another axis, or reshape the inputs.",
    ),
    "noise": (
        lambda: optim.augment.noise(-1.0),
        "noise: scale must be a finite number from 0, but got -1.0. Pass scale=0.1.",
    ),
    "compose": (
        lambda: optim.augment.compose(0.5),
        "compose: functions of (rng, x), but got a float. Pass for example flip(), shift(2).",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_stopping_clipping_and_augmentation(name):
    call, message = OTHERS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message


def misnamed(p, gradient, t, *, lr=0.1):
    return (p - lr * gradient,)


def branching(p, g, t, *, lr=0.1):
    if t > 5:
        g = 2 * g
    return (p - lr * g,)


def looping(p, g, t, *, lr=0.1):
    for _ in range(3):
        g = g / 2
    return (p - lr * g,)


def rebinding(p, g, t, *, lr=0.1):
    lr = 2 * lr
    return (p - lr * g,)


def bare(p, g, t, *, lr=0.1):
    return p - lr * g


def colliding(p, g, t, *, lr=0.1, c0=1.0):
    return (p - 2 * lr * c0 * g,)


def late(p, g, t, *, lr=0.1):
    g = 2 * lr * g
    c0 = 2 * g
    return (p - c0,)


def test_a_carried_number_depends_on_no_element():
    @rule(numbers={"total": 0.0})
    def Leaking(p, g, total, t, *, lr=0.1):
        return p - lr * g, total + g

    message = "rule Leaking: numbers without elements, but got `total \\+ g`. Write assignments"
    with pytest.raises(TypeError, match=message):
        Leaking([leaf()])


RULES = {
    "misnamed": (misnamed, "positional parameters p, g, t"),
    "branching": (branching, "`if` on hyperparameters only, but got `if` on t"),
    "looping": (looping, "assignments, but got `for _ in range(3):"),
    "rebinding": (rebinding, "scalars bound once, but got a second value for lr"),
    "bare": (bare, "a final return of p and state, but got `return p - lr * g`"),
    "colliding": (colliding, "names other than c0, c1, ..., but got c0"),
    "late": (late, "scalars bound once, but got a second value for c0"),
}


@pytest.mark.parametrize("name", RULES)
def test_declaration(name):
    function, message = RULES[name]
    with pytest.raises(TypeError) as caught:
        rule()(function)([leaf()])
    assert f"rule {name}: " in str(caught.value)
    assert message in str(caught.value)
