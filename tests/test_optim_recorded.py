"""Trajectories, schedules and decisions that other libraries computed, met to rounding.

A small selection is kept in ``tests/data``; the whole collection is read where it lies beside the
project.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag
import optim

HERE = Path(__file__).parent / "data"
BESIDE = Path(__file__).parents[2] / "shared" / "data" / "optim"
RELATIVE = 1e-12
# Optax counts steps in int32 and therefore evaluates its schedules in single precision (with the
# warm-up computed so, too, the first steps agree to 3e-16); Keras computes the clipping factor so.
SINGLE = {
    ("optax", "warmup_cosine+adamw"),
    ("keras", "SGD.clipnorm"),
    ("keras", "SGD.global_clipnorm"),
    ("keras", "Adafactor"),  # the length of its steps is rounded so
    ("optax", "multisteps2+adam"),  # its running mean of the gradients is in single precision
}
# On quad5 the divisor of these methods forgets all but gradients near 0 after step 30. A
# difference of one rounding then grows a million times until step 50, as the test of a perturbed
# start shows, and each library rounds its gradients in its own way: so far apart may step 50 be.
# Adafactor is recorded in single precision: of its last step only the order of magnitude remains.
UNSTABLE = {
    ("optax", "rmsprop"): 1e-8,
    ("keras", "RMSprop"): 1e-8,
    ("keras", "RMSprop.centered"): 1e-8,
    ("keras", "Adafactor"): 0.1,
}


def recipe(cls):
    return lambda **hyper: lambda params, lr: cls(params, **{"lr": lr, **hyper})


sgd, adam, adamw, lamb = map(recipe, (optim.SGD, optim.Adam, optim.AdamW, optim.LAMB))
adagrad, adadelta, rmsprop = map(recipe, (optim.Adagrad, optim.Adadelta, optim.RMSprop))
adamax, nadam, radam, lion = map(recipe, (optim.Adamax, optim.NAdam, optim.RAdam, optim.Lion))
KERAS_EPS = {"eps": 1e-7, "eps_hat": True}
KERAS_RMS = {"alpha": 0.9, "eps": 1e-7, "eps_in_sqrt": True, "lr_in_velocity": True}
START_AT_TENTH = {"initial_accumulator_value": 0.1, "eps": 1e-7, "eps_in_sqrt": True}
CLAMPED = {"bias_correction": False, "clamp_value": 10.0}

# (source, name) -> our optimizer with the options that make it the same method.
RECIPES = {
    ("torch", "SGD"): sgd(),
    ("torch", "SGD.momentum"): sgd(momentum=0.9),
    ("torch", "SGD.momentum_dampening"): sgd(momentum=0.9, dampening=0.5),
    ("torch", "SGD.nesterov"): sgd(momentum=0.9, nesterov=True),
    ("torch", "SGD.weight_decay"): sgd(weight_decay=0.1),
    ("torch", "SGD.momentum_wd"): sgd(momentum=0.9, weight_decay=0.1),
    ("torch", "SGD.nesterov_wd"): sgd(momentum=0.9, weight_decay=0.1, nesterov=True),
    ("torch", "Adam"): adam(),
    ("torch", "Adam.betas"): adam(betas=(0.8, 0.95)),
    ("torch", "Adam.eps"): adam(eps=1e-3),
    ("torch", "Adam.wd"): adam(weight_decay=0.1),
    ("torch", "Adam.amsgrad"): adam(amsgrad=True),
    ("torch", "AdamW"): adamw(weight_decay=0.1),
    ("torch", "AdamW.amsgrad"): adamw(weight_decay=0.1, amsgrad=True),
    ("torch", "Adamax"): adamax(),
    ("torch", "NAdam"): nadam(),
    ("torch", "NAdam.decoupled_wd"): nadam(weight_decay=0.1, decoupled_weight_decay=True),
    ("torch", "RAdam"): radam(),
    ("torch", "RMSprop"): rmsprop(),
    ("torch", "RMSprop.centered"): rmsprop(centered=True),
    ("torch", "RMSprop.momentum"): rmsprop(alpha=0.9, momentum=0.9),
    ("torch", "RMSprop.all"): rmsprop(
        alpha=0.9, eps=1e-4, weight_decay=0.1, momentum=0.5, centered=True
    ),
    ("torch", "Adagrad"): adagrad(),
    ("torch", "Adagrad.all"): adagrad(
        lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-6
    ),
    ("torch", "Adadelta"): adadelta(lr=1.0),
    ("torch", "Rprop"): recipe(optim.Rprop)(),
    ("torch", "ASGD"): recipe(optim.ASGD)(),
    ("torch", "clip_norm+SGD"): sgd(momentum=0.9),
    ("torch", "clip_value+SGD"): sgd(),
    ("optax", "sgd"): sgd(),
    ("optax", "sgd.momentum"): sgd(momentum=0.9),
    ("optax", "sgd.nesterov"): sgd(momentum=0.9, nesterov=True),
    ("optax", "clip_global+sgd"): sgd(momentum=0.9),
    ("optax", "adam"): adam(),
    ("optax", "adam.eps_root"): adam(eps=1e-6, eps_root=1e-6),
    ("optax", "adam.nesterov"): adam(nesterov=True),
    ("optax", "nadam"): adam(nesterov=True),
    ("optax", "amsgrad"): adam(amsgrad=True, amsgrad_corrected=True),
    ("optax", "adamax"): adamax(),
    ("optax", "radam"): radam(eps_hat=False),
    ("optax", "rmsprop"): rmsprop(alpha=0.9, eps_in_sqrt=True),
    ("optax", "rmsprop.eps_outside"): rmsprop(),
    ("optax", "rmsprop.centered_momentum"): rmsprop(
        alpha=0.9, eps_in_sqrt=True, centered=True, momentum=0.9, lr_in_velocity=True
    ),
    ("optax", "adagrad"): adagrad(**START_AT_TENTH),
    ("optax", "adadelta"): adadelta(),
    ("optax", "adabelief"): recipe(optim.AdaBelief)(),
    ("optax", "yogi"): recipe(optim.Yogi)(),
    ("optax", "adan"): recipe(optim.Adan)(),
    ("optax", "lars"): recipe(optim.LARS)(weight_decay=0.01),
    ("optax", "lion"): lion(),
    ("optax", "sign_sgd"): recipe(optim.SignSGD)(),
    ("optax", "novograd"): recipe(optim.NovoGrad)(),
    ("optax", "sm3"): recipe(optim.SM3)(),
    ("optax", "multisteps2+adam"): adam(),
    ("optax", "adamw"): adamw(weight_decay=0.1),
    ("optax", "warmup_cosine+adamw"): adamw(weight_decay=0.01),
    ("optax", "lamb"): lamb(),
    ("optax", "lamb.wd"): lamb(weight_decay=0.1),
    ("optax", "lamb.eps"): lamb(eps=1e-3, eps_root=1e-6, weight_decay=0.01),
    ("timm", "Lamb"): lamb(weight_decay=0.01, max_grad_norm=1.0, always_adapt=False),
    ("timm", "Lamb.no_clip"): lamb(weight_decay=0.01, always_adapt=False),
    ("timm", "Lamb.no_wd_no_clip"): lamb(always_adapt=False),
    ("timm", "Lamb.always_adapt"): lamb(),
    ("timm", "Lamb.trust_clip"): lamb(weight_decay=0.01, trust_clip=True),
    ("timm", "Lamb.no_bias_corr"): lamb(weight_decay=0.01, bias_correction=False),
    ("keras", "SGD"): sgd(),
    ("keras", "SGD.momentum"): sgd(momentum=0.9, lr_in_velocity=True),
    ("keras", "SGD.nesterov"): sgd(momentum=0.9, nesterov=True, lr_in_velocity=True),
    ("keras", "SGD.clipnorm"): sgd(),
    ("keras", "SGD.global_clipnorm"): sgd(),
    ("torch_optimizer", "Lamb"): lamb(**CLAMPED),
    ("torch_optimizer", "Lamb.debias"): lamb(**CLAMPED, rate_correction=True),
    ("torch_optimizer", "Lamb.clamp1"): lamb(bias_correction=False, clamp_value=1.0),
    ("torch_optimizer", "Lamb.wd"): lamb(**CLAMPED, weight_decay=0.01),
    ("keras", "Adam"): adam(**KERAS_EPS),
    ("keras", "Adam.amsgrad"): adam(**KERAS_EPS, amsgrad=True),
    ("keras", "AdamW"): adamw(**KERAS_EPS, weight_decay=0.1),
    ("keras", "Adamax"): adamax(eps=1e-7, eps_in_norm=False),
    ("keras", "Nadam"): nadam(eps=1e-7, momentum_decay=1.0),
    ("keras", "RMSprop"): rmsprop(**KERAS_RMS),
    ("keras", "RMSprop.centered"): rmsprop(**KERAS_RMS, centered=True, momentum=0.5),
    ("keras", "Adagrad"): adagrad(**START_AT_TENTH),
    ("keras", "Adadelta"): adadelta(lr=1.0, rho=0.95, eps=1e-7),
    ("keras", "Lamb"): lamb(eps=1e-7),
    ("keras", "Lamb.wd"): lamb(eps=1e-7, weight_decay=0.1, decoupled_weight_decay=True),
    ("keras", "Adafactor"): recipe(optim.Adafactor)(eps=(1e-15, 1e-3)),
    ("keras", "Lion"): lion(weight_decay=0.0),
}

CLIPPING = {
    ("torch", "clip_norm+SGD"): lambda x: optim.clip_grad_norm_([x], 1.0),
    ("torch", "clip_value+SGD"): lambda x: optim.clip_grad_value_([x], 0.5),
    ("optax", "clip_global+sgd"): lambda x: optim.clip_grad_norm_([x], 1.0, eps=0.0),
    ("keras", "SGD.clipnorm"): lambda x: optim.clip_grad_norm_([x], 1.0, eps=0.0),
    ("keras", "SGD.global_clipnorm"): lambda x: optim.clip_grad_norm_([x], 1.0, eps=0.0),
}


def warm_up_then_cosine(optimizer, lr):
    parts = [
        optim.LinearLR(optimizer, 0.0, 1.0, total_iters=5),
        optim.CosineAnnealingLR(optimizer, 45, eta_min=lr / 10),
    ]
    return optim.SequentialLR(optimizer, parts, milestones=[5])


def gradient(problem, x, step):
    if "gradients" in problem:
        return problem["gradients"][step]
    return np.array(problem["A"]) @ x.numpy() - np.array(problem["b"])


def trajectory(key, problem, lr, steps, nudge=0.0):
    """Run one of our optimizers on a recorded problem; return the parameters after each step."""
    x = ag.tensor(np.array(problem["p0"][0]) * (1.0 + nudge), requires_grad=True)
    optimizer = RECIPES[key]([x], lr)
    schedule = warm_up_then_cosine(optimizer, lr) if "cosine" in key[1] else None
    every = 2 if "multisteps2" in key[1] else 1  # gradients are summed over two calls
    path = {}
    for step in range(1, steps + 1):
        g = gradient(problem, x, step - 1)
        ((x * g).sum() / every).backward()
        if step % every == 0:
            CLIPPING.get(key, lambda x: None)(x)
            optimizer.step()
            optimizer.zero_grad()
        if schedule is not None:
            schedule.step()
        path[str(step)] = x.numpy().copy()
    return path


def check_run(data, run):
    wanted = {step: np.array(value).ravel() for step, value in run["params"].items()}
    key, problem = (run["source"], run["name"]), run["problem"]
    steps = max(map(int, wanted))
    path = trajectory(key, data["problems"][problem], run["lr"], steps)
    relative = 1e-6 if key in SINGLE else RELATIVE
    for step, value in wanted.items():
        if problem == "quad5" and int(step) > 30:
            relative = UNSTABLE.get(key, relative)
        # Relative to the largest element: one that steps carry close to 0 keeps their rounding.
        error = np.abs(path[step] - value).max() / np.abs(value).max()
        assert error <= relative, (key, problem, step, error)


@pytest.mark.parametrize("key", UNSTABLE, ids="-".join)
def test_an_unstable_path_magnifies_one_rounding(key):
    problem = SMALL["problems"]["quad5"]
    one, two = (trajectory(key, problem, problem["lr"], 50, nudge) for nudge in (0.0, 2.0**-52))
    apart = {step: np.abs(one[step] - two[step]).max() for step in ("30", "50")}
    assert apart["30"] < 1e-13
    assert apart["50"] > 1e-12


def read(folder, name):
    return json.loads((folder / name).read_text())


SMALL = read(HERE, "optim_trajectories.json")


@pytest.mark.parametrize("run", SMALL["runs"], ids=lambda r: f"{r['source']}-{r['name']}")
def test_selected_trajectories(run):
    check_run(SMALL, run)


def whole(name):
    if not (BESIDE / name).exists():
        pytest.skip("the whole collection, ../shared/data/optim, is not beside this checkout")
    return read(BESIDE, name)


def test_all_trajectories():
    data = whole("trajectories.json")
    runs = [run for run in data["runs"] if (run["source"], run["name"]) in RECIPES]
    assert len(runs) == 2 * len(RECIPES)
    for run in runs:
        check_run(data, run)


def after(start, schedule):
    """`schedule` after `start` steps at the base."""
    o = schedule.optimizer
    return optim.SequentialLR(o, [optim.ConstantLR(o, 1.0, 0), schedule], [start])


def flat(o, *args, **options):
    """A cosine that stays down, as in Optax and Keras."""
    return optim.CosineAnnealingLR(o, *args, cycle=False, **options)


# source -> name -> our schedule. The base is 0.1 but where a second entry says otherwise.
CURVES = {
    "torch": {
        "StepLR(10, 0.5)": lambda o: optim.StepLR(o, 10, 0.5),
        "MultiStepLR([5, 5, 12], 0.1)": lambda o: optim.MultiStepLR(o, [5, 5, 12], 0.1),
        "ExponentialLR(0.9)": lambda o: optim.ExponentialLR(o, 0.9),
        "ConstantLR(0.25, 4)": lambda o: optim.ConstantLR(o, 0.25, 4),
        "LinearLR(0.1, 1.0, 8)": lambda o: optim.LinearLR(o, 0.1, 1.0, 8),
        "PolynomialLR(20, 2.0)": lambda o: optim.PolynomialLR(o, 20, 2.0),
        "CosineAnnealingLR(20, 0.001)": lambda o: optim.CosineAnnealingLR(o, 20, 0.001),
        "CosineAnnealingWarmRestarts(5, 2, 0.001)": lambda o: optim.CosineAnnealingWarmRestarts(
            o, 5, 2, 0.001
        ),
        "OneCycleLR(max_lr=0.5, total_steps=40)": lambda o: optim.OneCycleLR(o, 0.5, 40),
        "OneCycleLR(max_lr=0.5, total_steps=40, three_phase, linear)": lambda o: optim.OneCycleLR(
            o, 0.5, 40, three_phase=True, anneal_strategy="linear"
        ),
        "CyclicLR(0.01, 0.1, 5, triangular2)": lambda o: optim.CyclicLR(
            o, 0.01, 0.1, 5, mode="triangular2"
        ),
        "CyclicLR(0.01, 0.1, 4, 6, exp_range, gamma=0.95)": lambda o: optim.CyclicLR(
            o, 0.01, 0.1, 4, 6, mode="exp_range", gamma=0.95
        ),
        "SequentialLR([LinearLR(0.1,1,5), CosineAnnealingLR(20)], [5])": lambda o: (
            optim.SequentialLR(
                o, [optim.LinearLR(o, 0.1, 1.0, 5), optim.CosineAnnealingLR(o, 20)], [5]
            )
        ),
        "ChainedScheduler([ConstantLR(0.1,5), ExponentialLR(0.9)])": lambda o: (
            optim.ChainedScheduler([optim.ConstantLR(o, 0.1, 5), optim.ExponentialLR(o, 0.9)])
        ),
        "LambdaLR(0.95**e)": lambda o: optim.LambdaLR(o, lambda e: 0.95**e),
        "MultiplicativeLR(0.9)": lambda o: optim.MultiplicativeLR(o, lambda e: 0.9),
    },
    "optax": {
        "cosine_decay_schedule(0.1, 20)": lambda o: flat(o, 20),
        "cosine_decay_schedule(0.1, 20, alpha=0.1, exponent=2.0)": lambda o: flat(
            o, 20, 0.01, exponent=2.0
        ),
        "exponential_decay(0.1, 5, 0.5)": lambda o: optim.ExponentialLR(o, 0.5, every=5),
        "exponential_decay(0.1, 5, 0.5, transition_begin=3, staircase=True, end_value=0.01)": (
            lambda o: after(3, optim.ExponentialLR(o, 0.5, every=5, staircase=True, end_lr=0.01))
        ),
        "polynomial_schedule(0.1, 0.01, 2, 20)": lambda o: optim.PolynomialLR(
            o, 20, 2.0, end_lr=0.01
        ),
        "polynomial_schedule(0.1, 0.01, 0.5, 20, transition_begin=5)": lambda o: after(
            5, optim.PolynomialLR(o, 20, 0.5, end_lr=0.01)
        ),
        "linear_schedule(0.0, 0.1, 10, 3)": lambda o: optim.SequentialLR(
            o, [optim.ConstantLR(o, 0.0, 3), optim.LinearLR(o, 0.0, 1.0, 10)], [3]
        ),
        "piecewise_constant_schedule(0.1, {5: 0.5, 12: 0.1})": lambda o: optim.PiecewiseLR(
            o, {5: 0.5, 12: 0.1}
        ),
        "warmup_constant_schedule(0.0, 0.1, 5)": lambda o: optim.LinearLR(o, 0.0, 1.0, 5),
        "warmup_cosine_decay_schedule(0.0, 0.1, 5, 25, 0.001)": lambda o: optim.warm_up(
            flat(o, 20, 0.001), 5
        ),
        "warmup_exponential_decay_schedule(0.0, 0.1, 5, 4, 0.5)": lambda o: optim.warm_up(
            optim.ExponentialLR(o, 0.5, every=4), 5
        ),
        "cosine_onecycle_schedule(40, 0.5)": lambda o: optim.PiecewiseLR(
            o, {12: 25.0, 40: 1 / (25.0 * 1e4)}, interpolate="cos"
        ),
        "linear_onecycle_schedule(40, 0.5)": lambda o: optim.PiecewiseLR(
            o, {12: 25.0, 34: 1 / 25.0, 40: 1e-4}, interpolate="linear"
        ),
        "join_schedules([linear(0,0.1,5), cosine(0.1,20)], [5])": lambda o: optim.warm_up(
            flat(o, 20), 5
        ),
    },
    "keras": {
        "ExponentialDecay(0.1, 5, 0.5)": lambda o: optim.ExponentialLR(o, 0.5, every=5),
        "ExponentialDecay(0.1, 5, 0.5, staircase)": lambda o: optim.ExponentialLR(
            o, 0.5, every=5, staircase=True
        ),
        "PolynomialDecay(0.1, 20, 0.01, 2)": lambda o: optim.PolynomialLR(o, 20, 2.0, end_lr=0.01),
        "PolynomialDecay(0.1, 10, 0.01, 1, cycle)": lambda o: optim.PolynomialLR(
            o, 10, end_lr=0.01, cycle=True
        ),
        "CosineDecay(0.1, 20, alpha=0.1)": lambda o: flat(o, 20, 0.01),
        "CosineDecay(0.0, 20, warmup_target=0.1, warmup_steps=5)": lambda o: optim.warm_up(
            flat(o, 20), 5
        ),
        "CosineDecayRestarts(0.1, 5, 2.0, 0.9, 0.01)": lambda o: optim.CosineAnnealingWarmRestarts(
            o, 5, 2.0, 0.001, restart_factor=0.9
        ),
        "InverseTimeDecay(0.1, 5, 0.5)": lambda o: optim.InverseTimeLR(o, 0.5, every=5),
        "PiecewiseConstantDecay([5, 12], [0.1, 0.05, 0.005])": lambda o: optim.PiecewiseLR(
            o, [5, 12], [0.1, 0.05, 0.005], inclusive=True
        ),
    },
}
NAMES = [(source, name) for source, curves in CURVES.items() for name in curves]
BASES = {"cosine_onecycle_schedule(40, 0.5)": 0.02, "linear_onecycle_schedule(40, 0.5)": 0.02}


def any_optimizer(lr=0.1):
    return optim.SGD([ag.tensor(1.0, requires_grad=True)], lr)


def check_curve(source, name, values):
    optimizer = any_optimizer(BASES.get(name, 0.1))
    schedule = CURVES[source][name](optimizer)
    for step, value in enumerate(values):
        # The last rates of a cosine are differences of nearly equal numbers.
        close = pytest.approx(value, rel=RELATIVE, abs=1e-17)
        assert optimizer.lr == close, (source, name, step)
        schedule.step()


SCHEDULES = read(HERE, "optim_schedules.json")


@pytest.mark.parametrize(("source", "name"), NAMES)
def test_selected_schedules(source, name):
    check_curve(source, name, SCHEDULES[source][name])


def test_all_schedules():
    data = whole("schedules.json")
    assert {source: data[source].keys() for source in CURVES} == {
        source: curves.keys() for source, curves in CURVES.items()
    }
    for source, name in NAMES:
        check_curve(source, name, data[source][name])


def check_plateau(data, run):
    optimizer = any_optimizer(run["base_lr"])
    schedule = optim.ReduceLROnPlateau(optimizer, **run["args"])
    rates, bad = [], []
    for metric in data["plateau_metrics"][run["metrics"]]:
        schedule.step(metric)
        rates.append(optimizer.lr)
        bad.append(schedule.num_bad_epochs)
    assert rates == run["lr_after"], run
    assert bad == run["num_bad"], run


def check_stopping(data, run):
    names = {"start_from_epoch": "start_from"}
    args = {names.get(k, k): v for k, v in run["args"].items() if k != "restore_best_weights"}
    if "ignite" in run["source"]:
        args.setdefault("cumulative_delta", False)
    stopping = optim.EarlyStopping(**args)
    metrics = data["plateau_metrics"][run["metrics"]]
    stopped = next((i for i, metric in enumerate(metrics) if stopping.update(metric)), None)
    assert stopped == run["stopped_after_epoch_index"], run
    assert stopping.best == run.get("best", stopping.best), run
    assert stopping.best_epoch == run.get("best_epoch", stopping.best_epoch), run


def test_plateau_decisions():
    for run in SCHEDULES["plateau"]:
        check_plateau(SCHEDULES, run)


def test_stopping_decisions():
    for run in SCHEDULES["early_stopping"]:
        check_stopping(SCHEDULES, run)


def test_all_decisions():
    data = whole("schedules.json")
    for run in data["plateau"]:
        check_plateau(data, run)
    for run in data["early_stopping"]:
        check_stopping(data, run)
