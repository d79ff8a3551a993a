"""Options of optimizers and schedules: PyTorch's numbers, and what some options mean.

The gradients are given, not computed: the paths show the update rules alone.
"""

import numpy as np
import pytest

import autograd_core as ag
import optim

START = np.array([1.0, -2.0, 0.5])
GRADIENTS = [
    2.0 * np.array([np.sin(3.0 * t + 1.0), np.cos(2.0 * t) - 0.3, 0.1 * t - 0.45])
    for t in range(12)
]
SHORT = {"betas": (0.7, 0.8), "eps": 0.05, "lr": 0.1}
DECAY = {"weight_decay": 0.1}
APART = {"decoupled_weight_decay": True}

# Where twelve steps of PyTorch 2.13 end.
RECORDED = [
    (
        optim.SGD,
        {"momentum": 0.9, "dampening": 0.3} | DECAY,
        [0.9875561353058108, -1.9764945355166514, 0.50317328396905],
    ),
    (
        optim.SGD,
        {"momentum": 0.9, "nesterov": True, "maximize": True} | DECAY,
        [1.0013689342897938, -2.018399693136514, 0.49511023700207274],
    ),
    (
        optim.ASGD,
        {"lambd": 0.2, "alpha": 0.6, "t0": 2.0, "lr": 0.05} | DECAY,
        [0.7738023149507098, -1.350337597791125, 0.3006415040280784],
    ),
    (
        optim.Adagrad,
        {"lr_decay": 0.2, "initial_accumulator_value": 0.3, "eps": 0.1} | DECAY,
        [0.9918606427582592, -1.9921642971200193, 0.5057736607034915],
    ),
    (
        optim.RMSprop,
        {"alpha": 0.8, "momentum": 0.7, "centered": True, "eps": 0.05} | DECAY,
        [0.9156997230350695, -1.8507075686227603, 0.4791787617161583],
    ),
    (
        optim.RMSprop,
        {"alpha": 0.8, "eps": 0.05, "maximize": True} | DECAY,
        [1.007675426355939, -2.028635461184033, 0.5206555257308203],
    ),
    (
        optim.Adadelta,
        {"rho": 0.7, "eps": 0.01, "lr": 0.5} | DECAY,
        [0.8236109911216349, -1.4989662677713147, 0.001213437880396795],
    ),
    (optim.Adam, SHORT | DECAY, [0.7647338772727151, -1.6076786939538246, 0.5545004852311325]),
    (
        optim.Adam,
        SHORT | {"amsgrad": True, "maximize": True},
        [1.1397226172417843, -2.2709078504240754, 0.37826006601830575],
    ),
    (
        optim.AdamW,
        SHORT | {"weight_decay": 0.2, "amsgrad": True},
        [0.6684332821296269, -1.3120346675746493, 0.4497919003863947],
    ),
    (optim.Adamax, SHORT | DECAY, [0.7362578719499533, -1.7040960536753689, 0.7367271109280225]),
    (
        optim.NAdam,
        SHORT | {"momentum_decay": 0.3} | DECAY,
        [0.7870149678211245, -1.5573949198357608, 0.20014004478925157],
    ),
    (
        optim.NAdam,
        SHORT | {"momentum_decay": 0.3} | DECAY | APART,
        [0.7677353645348602, -1.43636842020197, 0.20350518873968665],
    ),
    (optim.RAdam, SHORT | DECAY, [0.6969535943408816, -1.570498740678039, 0.5471480012383108]),
    (
        optim.RAdam,
        SHORT | {"betas": (0.7, 0.9)} | DECAY | APART,
        [0.6901570127897323, -1.625009643075042, 0.5715627058242865],
    ),
    (
        optim.Adafactor,
        {"lr": 0.3, "d": 1.05, "eps": (None, 0.2), "beta2_decay": -0.6} | DECAY,
        [0.4589924393607451, -0.38515771372328383, -0.06274742850151067],
    ),
    (
        optim.Rprop,
        {"lr": 0.1, "etas": (0.4, 1.3), "step_sizes": (0.06, 0.2)},
        [0.84, -1.824, 0.40404],
    ),
]


def path(cls, gradient=lambda t, p: GRADIENTS[t], **options):
    """Return the parameter before the first step and after each one."""
    p = ag.tensor(START, requires_grad=True)
    optimizer, found = cls([p], **options), [START]
    for t in range(len(GRADIENTS)):
        p.grad = gradient(t, found[-1])
        optimizer.step()
        found.append(p.numpy().copy())
    return np.array(found)


@pytest.mark.parametrize(("cls", "options", "end"), RECORDED)
def test_twelve_steps_end_where_pytorchs_do(cls, options, end):
    np.testing.assert_allclose(path(cls, **options)[-1], end, rtol=1e-13)


COUPLED = [
    (optim.SGD, {"momentum": 0.9}),
    (optim.ASGD, {}),
    (optim.Adagrad, {}),
    (optim.RMSprop, {"momentum": 0.5}),
    (optim.Adadelta, {}),
    (optim.Adam, {}),
    (optim.Adamax, {}),
    (optim.NAdam, {}),
    (optim.RAdam, {}),
]
BESIDE = [
    (optim.AdamW, {}),
    (optim.NAdam, APART),
    (optim.RAdam, APART),
    (optim.SignSGD, {"momentum": 0.9}),
    (optim.SignSGD, {}),
    (optim.Lion, {}),
    (optim.Adan, {}),
]


@pytest.mark.parametrize(("cls", "options"), COUPLED)
def test_coupled_weight_decay_is_a_part_of_the_gradient(cls, options):
    decayed = path(cls, weight_decay=0.3, lr=0.02, **options)
    added = path(cls, lambda t, p: GRADIENTS[t] + 0.3 * p, lr=0.02, **options)
    np.testing.assert_allclose(decayed, added, rtol=1e-13)
    assert not np.allclose(decayed, path(cls, lr=0.02, **options))


@pytest.mark.parametrize(("cls", "options"), BESIDE)
def test_decoupled_weight_decay_shrinks_the_parameter_beside_the_step(cls, options):
    decayed = path(cls, weight_decay=0.3, lr=0.02, **options)
    plain = path(cls, weight_decay=0.0, lr=0.02, **options)
    shrinking = -0.02 * 0.3 * decayed[:-1]
    np.testing.assert_allclose(np.diff(decayed, axis=0), np.diff(plain, axis=0) + shrinking)


@pytest.mark.parametrize("inside", [False, True])
def test_rmsprop_of_nesterov_steps_by_the_gradient_and_the_velocity_that_it_leads_to(inside):
    options = {"lr": 0.05, "alpha": 0.8, "eps": 0.1}
    scaled = -np.diff(path(optim.RMSprop, **options), axis=0)  # lr g / (√s + eps)
    velocity, p, found = 0.0, START, [START]
    for step in scaled:
        velocity = 0.7 * velocity + step
        p = p - (step + 0.7 * velocity)
        found.append(p)
    nesterov = {"momentum": 0.7, "nesterov": True, "lr_in_velocity": inside}
    np.testing.assert_allclose(path(optim.RMSprop, **options, **nesterov), found, rtol=1e-13)


def test_adafactor_of_a_matrix_uphill():
    p = ag.tensor(np.outer(START, [1.0, 0.3]), requires_grad=True)
    options = {"lr": 0.3, "d": 1.05, "eps": (None, 0.2), "beta2_decay": -0.6}
    optimizer = optim.Adafactor([p], maximize=True, **options, **DECAY)
    for gradient in GRADIENTS:
        p.grad = np.outer(gradient, [1.0, 2.0]) + 0.1
        optimizer.step()
    end = [  # of PyTorch 2.13
        [1.2408828693607017, 0.5837256078264456],
        [-2.134370020201713, -1.2518846253905873],
        [2.4218992002379784, 1.8818245199492007],
    ]
    np.testing.assert_allclose(p.numpy(), end, rtol=1e-12)


# ------------------------------------------------------------------------------ schedules

ONE_CYCLE = {"max_lr": 2.0, "total_steps": 11, "div_factor": 5.0, "final_div_factor": 8.0}
THREE = {"pct_start": 0.4, "three_phase": True}
RATES = {
    "one cycle, cosine": (
        lambda o: optim.OneCycleLR(o, **ONE_CYCLE, **THREE),
        [0.4, 0.717892290896595, 1.418930392057666, 1.945977783523485, 1.880173708583692]
        + [1.273814687570642, 0.608792866223473, 0.396637424070565, 0.291969600663891]
        + [0.12777520922157, 0.05],
    ),
    "one cycle, linear": (
        lambda o: optim.OneCycleLR(o, anneal_strategy="linear", **ONE_CYCLE, **THREE),
        [0.4, 0.870588235294118, 1.341176470588235, 1.811764705882353, 1.71764705882353]
        + [1.247058823529412, 0.776470588235294, 0.378125, 0.26875, 0.159375, 0.05],
    ),
    "one cycle of two phases": (
        lambda o: optim.OneCycleLR(o, anneal_strategy="linear", **ONE_CYCLE),
        [0.4, 1.095652173913044, 1.791304347826087, 1.822727272727273, 1.569480519480519]
        + [1.316233766233766, 1.062987012987013, 0.80974025974026, 0.556493506493506]
        + [0.303246753246753, 0.05],
    ),
    "warm restarts of one length": (
        lambda o: optim.CosineAnnealingWarmRestarts(o, 3, eta_min=0.05),
        [0.5, 0.3875, 0.1625] * 3 + [0.5, 0.3875],
    ),
    "growth to an end": (
        lambda o: optim.ExponentialLR(o, 1.5, end_lr=1.2),
        [0.5, 0.75, 1.125] + [1.2] * 8,
    ),
    "decay to an end": (
        lambda o: optim.ExponentialLR(o, 0.5, end_lr=0.1),
        [0.5, 0.25, 0.125] + [0.1] * 8,
    ),
}


@pytest.mark.parametrize("name", RATES)
def test_rates_of_schedules(name):
    """As PyTorch has them; the ends of exponential schedules by definition."""
    schedule, rates = RATES[name]
    optimizer = optim.SGD([ag.tensor(START, requires_grad=True)], lr=0.5, momentum=0.9)
    schedule, found = schedule(optimizer), []
    for _ in rates:
        found.append(optimizer.lr)
        if len(found) < len(rates):
            schedule.step()
    np.testing.assert_allclose(found, rates, rtol=1e-12)


def test_momentum_of_a_cycle_of_three_phases_comes_back_once():
    optimizer = optim.SGD([ag.tensor(START, requires_grad=True)], lr=0.5, momentum=0.9)
    schedule = optim.OneCycleLR(optimizer, anneal_strategy="linear", **ONE_CYCLE, **THREE)
    found = [optimizer.momentum]
    for _ in range(10):
        schedule.step()
        found.append(optimizer.momentum)
    way = [0.95, 0.920588235294118, 0.891176470588235, 0.861764705882353, 0.867647058823529]
    way += [0.897058823529412, 0.926470588235294, 0.95, 0.95, 0.95, 0.95]
    np.testing.assert_allclose(found, way, rtol=1e-12)
