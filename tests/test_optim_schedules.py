"""Cycles, pieces and compositions of schedules, their states, and what they refuse."""

import copy
import math

import numpy as np
import pytest

import autograd_core as ag
import optim

NAN = float("nan")


def leaf():
    return ag.tensor([1.0], requires_grad=True)


def sgd(lr=1.0, **options):
    return optim.SGD([leaf()], lr, **options)


def two_groups(make=optim.SGD, **options):
    return make([{"params": [leaf()]}, {"params": [leaf()], "lr": 0.5}], lr=1.0, **options)


def follow(schedule, steps, read=lambda o: o.lr):
    seen = []
    for _ in range(steps):
        seen.append(read(schedule.optimizer))
        schedule.step()
    return seen


def lrs(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


# --- cycles -------------------------------------------------------------------------------------


def test_one_cycle_moves_the_momentum_against_the_rate():
    o = sgd(momentum=0.5)
    schedule = optim.OneCycleLR(o, 1.0, 11, pct_start=5 / 11, anneal_strategy="linear")
    seen = follow(schedule, 11, lambda o: (o.lr, o.momentum))
    rate, momentum = np.array(seen).T
    np.testing.assert_allclose(rate[:5], np.linspace(0.04, 1.0, 5), rtol=1e-14)
    np.testing.assert_allclose(rate[4:], np.linspace(1.0, 0.04e-4, 7), rtol=1e-10)
    np.testing.assert_allclose(momentum[:5], np.linspace(0.95, 0.85, 5), rtol=1e-14)
    np.testing.assert_allclose(momentum[4:], np.linspace(0.85, 0.95, 7), rtol=1e-14)


def test_one_cycle_stays_after_its_end_and_peaks_at_the_base_by_default():
    o = sgd(0.25)
    schedule = optim.OneCycleLR(o, total_steps=10, cycle_momentum=False)
    seen = follow(schedule, 20)
    assert max(seen) == 0.25
    assert seen[9:] == [0.25 / 25 / 1e4] * 11
    assert o.momentum == 0.0


def test_one_cycle_of_epochs_and_steps():
    a = optim.OneCycleLR(sgd(), 1.0, epochs=3, steps_per_epoch=7)
    b = optim.OneCycleLR(sgd(), 1.0, total_steps=21)
    assert follow(a, 21) == follow(b, 21)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_one_cycle_with_an_empty_phase(share):
    seen = follow(optim.OneCycleLR(sgd(), 1.0, 10, pct_start=share), 10)
    assert all(0.0 < rate <= 1.0 for rate in seen)


def test_adams_first_beta_is_its_momentum():
    o = two_groups(optim.Adam, betas=(0.7, 0.99))
    schedule = optim.CyclicLR(o, 0.1, [1.0, 2.0], 2, base_momentum=[0.8, 0.7])
    schedule.step()
    schedule.step()
    assert lrs(o) == [1.0, 2.0]
    assert [group["betas"] for group in o.param_groups] == [(0.8, 0.99), (0.7, 0.99)]


def test_triangles_of_ones_own_height():
    schedule = optim.CyclicLR(sgd(), 0.0, 1.0, 2, scale_fn=lambda cycle: 1.0 / cycle)
    assert follow(schedule, 9) == [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25, 0.0]
    schedule = optim.CyclicLR(
        sgd(), None, 3.0, 1, scale_fn=lambda step: step / 4, scale_mode="iterations"
    )
    assert follow(schedule, 5) == [1.0, 1.5, 1.0, 2.5, 1.0]


def test_the_momentum_is_the_optimizers_own_outside_of_the_cycle():
    o = sgd(momentum=0.5)
    parts = [
        optim.LinearLR(o, 0.5, total_iters=2),
        optim.OneCycleLR(o, 1.0, 4),
        optim.ConstantLR(o, 0.1, 100),
    ]
    seen = follow(optim.SequentialLR(o, parts, [2, 6]), 8, lambda o: o.momentum)
    assert seen[:2] == seen[6:] == [0.5, 0.5]
    assert seen[2] == 0.95 and min(seen[2:6]) >= 0.85
    chain = optim.ChainedScheduler([optim.CyclicLR(o, 0.5, 1.0, 2), optim.ExponentialLR(o, 0.5)])
    assert follow(chain, 3) == [0.5, 0.375, 0.25]
    assert o.momentum == pytest.approx(0.85)


# --- pieces and products ------------------------------------------------------------------------


def test_multiplicative_is_the_product_of_its_factors():
    schedule = optim.MultiplicativeLR(sgd(), lambda step: 1.0 / step)
    np.testing.assert_allclose(
        follow(schedule, 8), [1 / math.factorial(n) for n in range(8)], rtol=1e-14
    )


def test_a_function_for_each_group():
    o = two_groups()
    optim.LambdaLR(o, [lambda step: 0.5, lambda step: 0.1]).step()
    assert lrs(o) == [0.5, 0.05]
    o = two_groups()
    optim.MultiplicativeLR(o, [lambda step: 0.5, lambda step: 0.1]).step()
    assert lrs(o) == [0.5, 0.05]


def test_a_lowest_rate_for_each_group():
    o = two_groups()
    schedule = optim.ReduceLROnPlateau(o, factor=0.1, patience=0, min_lr=[0.3, 0.2])
    for _ in range(3):
        schedule.step(1.0)
    assert lrs(o) == [0.3, 0.2]


def test_pieces_meet_where_they_are_interpolated():
    o = sgd()
    for form in ("linear", "cos"):
        schedule = optim.PiecewiseLR(o, [4, 8], [0.0, 1.0, 0.5], interpolate=form)
        seen = [schedule.lr(step, 1.0) for step in range(12)]
        assert [seen[i] for i in (0, 2, 4, 6, 8, 11)] == pytest.approx([0, 0.5, 1, 0.75, 0.5, 0.5])
        assert (seen[1] == 0.25) == (form == "linear")


def test_growth_ends_where_it_should_even_when_it_overflows():
    schedule = optim.ExponentialLR(sgd(), 10.0, end_lr=3.0)
    assert [schedule.lr(step, 1.0) for step in (0, 1, 10**6)] == [1.0, 3.0, 3.0]


# --- compositions -------------------------------------------------------------------------------


def warm_restarts_plateau(o):
    parts = [
        optim.warm_up(optim.CosineAnnealingWarmRestarts(o, 4, 2), 3, start_factor=0.25),
        optim.ReduceLROnPlateau(o, factor=0.5, patience=1),
    ]
    return optim.SequentialLR(o, parts, [11])


METRICS = [3.0, 2.0, *[1.0] * 9, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]


def test_warm_up_then_restarts_then_plateau():
    o = sgd(0.5)
    schedule = warm_restarts_plateau(o)
    seen = []
    for metric in METRICS:
        seen.append(o.lr)
        schedule.step(metric)
    warm = [0.5 * f for f in (0.25, 0.5, 0.75)]
    cosine = [0.25 * (1 + math.cos(math.pi * n / 4)) for n in range(4)]
    restarted = [0.25 * (1 + math.cos(math.pi * n / 8)) for n in range(4)]
    np.testing.assert_allclose(seen[:11], warm + cosine + restarted, rtol=1e-14)
    # From step 11 on: best 1.0 there; two more without improvement halve the rate; 0.5 is better.
    assert seen[11:] == [0.5] * 3 + [0.25] * 4 + [0.125] * 2
    assert o.lr == 0.0625


@pytest.mark.parametrize("cut", range(0, len(METRICS), 3))
def test_a_composition_continues_from_its_state(cut):
    first, second = sgd(0.5), sgd(0.5)
    one, other = warm_restarts_plateau(first), warm_restarts_plateau(second)
    for metric in METRICS[:cut]:
        one.step(metric)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert second.lr == first.lr
    for metric in METRICS[cut:]:
        one.step(metric)
        other.step(metric)
        assert second.lr == first.lr
    assert other.state_dict() == one.state_dict()


def test_a_cycle_continues_from_its_state_with_its_momentum():
    first, second = sgd(momentum=0.5), sgd(momentum=0.5)
    one, other = (optim.OneCycleLR(o, 1.0, 10) for o in (first, second))
    for _ in range(4):
        one.step()
    other.load_state_dict(one.state_dict())
    assert (second.lr, second.momentum) == (first.lr, first.momentum)


def test_a_sequence_can_carry_the_rate_on():
    o = sgd()
    parts = [
        optim.ExponentialLR(o, 0.5),
        optim.ExponentialLR(o, 2.0),
        optim.SWALR(o, 0.0, 2, "linear"),
    ]
    schedule = optim.SequentialLR(o, parts, [2, 3], carry=True)
    assert follow(schedule, 7) == [1.0, 0.5, 0.25, 0.5, 0.25, 0.0, 0.0]


def test_the_averaging_rate_takes_over_from_where_it_is():
    o = two_groups()
    first = optim.ExponentialLR(o, 0.5)
    second = optim.SWALR(o, [0.05, 0.1], anneal_epochs=2, anneal_strategy="linear")
    assert lrs(o) == [1.0, 0.5]
    first.step()
    second.step()
    assert lrs(o) == [pytest.approx(0.275), pytest.approx(0.175)]
    second.step()
    second.step()
    assert lrs(o) == [0.05, 0.1]


def test_compositions_nest_and_serve_any_optimizer():
    for make in (optim.SGD, optim.Adam, optim.AdamW, optim.LAMB):
        o = make([leaf()], lr=1.0)
        inner = optim.ChainedScheduler([optim.StepLR(o, 2, 0.5), optim.ExponentialLR(o, 0.9)])
        outer = optim.SequentialLR(o, [optim.LinearLR(o, 0.5, total_iters=2), inner], [2])
        expected = [0.5, 0.75, 1.0, 0.9, 0.5 * 0.81, 0.5 * 0.729]
        np.testing.assert_allclose(follow(outer, 6), expected, rtol=1e-14)


# --- refusals -----------------------------------------------------------------------------------

O = sgd  # noqa: E741

REFUSED = {
    "one cycle without a length": (
        lambda: optim.OneCycleLR(O(), 1.0),
        "OneCycleLR: total_steps, or both epochs and steps_per_epoch, but got epochs=None, "
        "steps_per_epoch=None. Pass total_steps=1000.",
    ),
    "one cycle of no steps": (
        lambda: optim.OneCycleLR(O(), 1.0, 0),
        "OneCycleLR: total_steps must be a whole number from 1, but got 0. Pass total_steps=1000.",
    ),
    "one cycle of no epochs": (
        lambda: optim.OneCycleLR(O(), 1.0, epochs=0, steps_per_epoch=3),
        "OneCycleLR: epochs must be a whole number from 1, but got 0. Pass epochs=10.",
    ),
    "one cycle of half a step": (
        lambda: optim.OneCycleLR(O(), 1.0, epochs=1, steps_per_epoch=0.5),
        "OneCycleLR: steps_per_epoch must be a whole number from 1, but got 0.5. "
        "Pass steps_per_epoch=100.",
    ),
    "one cycle's share": (
        lambda: optim.OneCycleLR(O(), 1.0, 10, pct_start=30),
        "OneCycleLR: pct_start must be a number from 0 to 1, but got 30.0. "
        "Pass another pct_start.",
    ),
    "one cycle's form": (
        lambda: optim.OneCycleLR(O(), 1.0, 10, anneal_strategy="exp"),
        "OneCycleLR: anneal_strategy must be 'cos' or 'linear', but got 'exp'. "
        "Pass anneal_strategy='cos'.",
    ),
    "one cycle's division": (
        lambda: optim.OneCycleLR(O(), 1.0, 10, div_factor=0),
        "OneCycleLR: div_factor must be a finite number above 0, but got 0.0. "
        "Pass another div_factor.",
    ),
    "one cycle's last division": (
        lambda: optim.OneCycleLR(O(), 1.0, 10, final_div_factor=-1),
        "OneCycleLR: final_div_factor must be a finite number above 0, but got -1.0. "
        "Pass another final_div_factor.",
    ),
    "one cycle's rate": (
        lambda: optim.OneCycleLR(O(), NAN, 10),
        "OneCycleLR: max_lr must be a finite number from 0, but got nan. Pass another max_lr.",
    ),
    "one cycle's rates": (
        lambda: optim.OneCycleLR(O(), [1.0, 2.0], 10),
        "OneCycleLR: one max_lr, or 1 for 1 groups of parameters, but got 2 of them. "
        "Give one for each group.",
    ),
    "one cycle's momentum": (
        lambda: optim.OneCycleLR(O(), 1.0, 10, max_momentum=1.5),
        "OneCycleLR: max_momentum must be a number from 0 to 1, but got 1.5. "
        "Pass another max_momentum.",
    ),
    "one cycle's flag": (
        lambda: optim.OneCycleLR(O(), 1.0, 10, three_phase=3),
        "OneCycleLR: three_phase must be True or False, but got 3. Pass three_phase=True.",
    ),
    "no momentum to move": (
        lambda: optim.CyclicLR(plain(), 0.1, 1.0),
        "CyclicLR: an optimizer with momentum or betas, for cycle_momentum=True, but got a "
        "Plain. Pass cycle_momentum=False.",
    ),
    "cyclic without an optimizer": (
        lambda: optim.CyclicLR(None, 0.1, 1.0),
        "CyclicLR: an optimizer first, but got a NoneType. "
        "Pass the optimizer whose rate the schedule sets.",
    ),
    "cyclic steps": (
        lambda: optim.CyclicLR(O(), 0.1, 1.0, 0),
        "CyclicLR: step_size_up must be a whole number from 1, but got 0. Pass step_size_up=2000.",
    ),
    "cyclic steps down": (
        lambda: optim.CyclicLR(O(), 0.1, 1.0, 5, -5),
        "CyclicLR: step_size_down must be a whole number from 1, but got -5. "
        "Pass step_size_down=1.",
    ),
    "cyclic mode": (
        lambda: optim.CyclicLR(O(), 0.1, 1.0, mode="square"),
        "CyclicLR: mode must be 'triangular', 'triangular2', 'exp_range', but got 'square'. "
        "Pass mode='triangular', or a scale_fn.",
    ),
    "cyclic scale": (
        lambda: optim.CyclicLR(O(), 0.1, 1.0, scale_fn=0.5),
        "CyclicLR: scale_fn must be a function of the cycle or the step, but got 0.5. "
        "Pass lambda cycle: 0.8 ** (cycle - 1).",
    ),
    "cyclic scale mode": (
        lambda: optim.CyclicLR(O(), 0.1, 1.0, scale_mode="epoch"),
        "CyclicLR: scale_mode must be 'cycle' or 'iterations', but got 'epoch'. "
        "Pass scale_mode='cycle'.",
    ),
    "cyclic gamma": (
        lambda: optim.CyclicLR(O(), 0.1, 1.0, gamma=0.0),
        "CyclicLR: gamma must be a finite number above 0, but got 0.0. Pass another gamma.",
    ),
    "cyclic lowest rate": (
        lambda: optim.CyclicLR(O(), -0.1, 1.0),
        "CyclicLR: base_lr must be a finite number from 0, but got -0.1. Pass another base_lr.",
    ),
    "factor of the rate before": (
        lambda: optim.MultiplicativeLR(O(), 0.9),
        "MultiplicativeLR: lr_lambda must be a function of the step, but got 0.9. "
        "Pass lambda step: 0.95**step.",
    ),
    "functions for groups": (
        lambda: optim.LambdaLR(O(), []),
        "LambdaLR: one lr_lambda, or 1 for 1 groups of parameters, but got 0 of them. "
        "Give one for each group.",
    ),
    "pieces without values": (
        lambda: optim.PiecewiseLR(O(), [5]),
        "PiecewiseLR: {step: factor}, or steps and their values, but got a list and a NoneType. "
        "Pass {5: 0.5}, or [5] and [0.1, 0.05].",
    ),
    "pieces and values": (
        lambda: optim.PiecewiseLR(O(), [5, 8], [0.1, 0.2]),
        "PiecewiseLR: 3 values for 2 milestones, but got 2. "
        "Give the rate before the first one, too.",
    ),
    "falling milestones": (
        lambda: optim.PiecewiseLR(O(), [5, 5], [0.1, 0.2, 0.3]),
        "PiecewiseLR: rising milestones, but got [5, 5]. Give each step once, in order.",
    ),
    "negative factor": (
        lambda: optim.PiecewiseLR(O(), {5: -1}),
        "PiecewiseLR: factor must be a finite number from 0, but got -1.0. Pass another factor.",
    ),
    "milestone in between": (
        lambda: optim.PiecewiseLR(O(), {5.5: 1}),
        "PiecewiseLR: milestones must be a whole number from 1, but got 5.5. Pass milestones=1.",
    ),
    "interpolation": (
        lambda: optim.PiecewiseLR(O(), {5: 1}, interpolate="spline"),
        "PiecewiseLR: interpolate must be 'linear' or 'cos', but got 'spline'. "
        "Pass interpolate='linear'.",
    ),
    "steps of a factor": (
        lambda: optim.ExponentialLR(O(), 0.5, every=0),
        "ExponentialLR: every must be a finite number above 0, but got 0.0. Pass another every.",
    ),
    "last rate": (
        lambda: optim.PolynomialLR(O(), end_lr=-1.0),
        "PolynomialLR: end_lr must be a finite number from 0, but got -1.0. Pass another end_lr.",
    ),
    "exponent": (
        lambda: optim.CosineAnnealingLR(O(), 5, exponent=NAN),
        "CosineAnnealingLR: exponent must be a finite number from 0, but got nan. "
        "Pass another exponent.",
    ),
    "shrinking waves": (
        lambda: optim.CosineAnnealingWarmRestarts(O(), 5, 0.5),
        "CosineAnnealingWarmRestarts: T_mult must be a finite number from 1, but got 0.5. "
        "Pass T_mult=1.",
    ),
    "averaging rate": (
        lambda: optim.SWALR(O(), None),
        "SWALR: swa_lr must be a finite number from 0, but got None. Pass another swa_lr.",
    ),
    "averaging steps": (
        lambda: optim.SWALR(O(), 0.1, anneal_epochs=-1),
        "SWALR: anneal_epochs must be a whole number from 0, but got -1. Pass anneal_epochs=10.",
    ),
    "lowest rates": (
        lambda: optim.ReduceLROnPlateau(O(), min_lr=[0.1, 0.1]),
        "ReduceLROnPlateau: one min_lr, or 1 for 1 groups of parameters, but got 2 of them. "
        "Give one for each group.",
    ),
    "warm-up of nothing": (
        lambda: optim.warm_up(O(), 5),
        "warm_up: a schedule first, but got a SGD. Pass CosineAnnealingLR(...).",
    ),
    "warm-up without steps": (
        lambda: optim.warm_up(optim.StepLR(O(), 1), 0),
        "warm_up: steps must be a whole number from 1, but got 0. Pass steps=1.",
    ),
    "carry": (
        lambda: optim.SequentialLR(o := O(), [optim.StepLR(o, 1)], [], carry="yes"),
        "SequentialLR: carry must be True or False, but got 'yes'. Pass carry=True.",
    ),
}


def plain():
    @optim.rule(source="Cauchy (1847)")
    def Plain(p, g, t, *, lr=0.1):
        return (p - lr * g,)

    return Plain([leaf()])


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name):
    call, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message


def test_a_refused_schedule_leaves_the_optimizer_alone():
    o = sgd(momentum=0.5)
    before = [dict(group) for group in o.param_groups]
    for make in (
        lambda: optim.LambdaLR(o, lambda step: NAN),
        lambda: optim.OneCycleLR(o, 1.0, 10, pct_start=7),
        lambda: optim.CyclicLR(o, 0.1, 1.0, 1, scale_fn=lambda cycle: NAN),
    ):
        with pytest.raises(ValueError):
            make()
        assert [dict(group) for group in o.param_groups] == before


def test_a_rate_that_is_refused_stops_the_schedule_before_the_step():
    o = two_groups()
    schedule = optim.LambdaLR(
        o, [lambda step: 1.0 / (1 + step), lambda step: NAN if step == 2 else 1.0]
    )
    schedule.step()
    state, rates = schedule.state_dict(), lrs(o)
    with pytest.raises(ValueError, match="SGD: lr must be a finite number from 0, but got nan"):
        schedule.step()
    assert (schedule.state_dict(), lrs(o)) == (state, rates)


def state(**changes):
    return {"schedule": "ReduceLROnPlateau", "last_epoch": 3, "base_lrs": [1.0], "best": 0.5} | {
        "num_bad_epochs": 0,
        "cooldown_counter": 0,
        "reductions": 1,
        **changes,
    }


STATES = {
    "of another schedule": (
        optim.StepLR(sgd(), 1).state_dict() | {"schedule": "StepLR"},
        "ReduceLROnPlateau.load_state_dict: the entries schedule, last_epoch, base_lrs, best, "
        "num_bad_epochs, cooldown_counter, reductions, but got schedule, last_epoch, base_lrs. "
        "Load the state of an equal schedule.",
    ),
    "no mapping": (
        3,
        "ReduceLROnPlateau.load_state_dict: the entries schedule, last_epoch, base_lrs, best, "
        "num_bad_epochs, cooldown_counter, reductions, but got int. "
        "Load the state of an equal schedule.",
    ),
    "kind": (
        state(schedule="CyclicLR"),
        "ReduceLROnPlateau.load_state_dict: the state of a ReduceLROnPlateau, but got that of a "
        "CyclicLR. Load the state of an equal schedule.",
    ),
    "step": (
        state(last_epoch=-1),
        "ReduceLROnPlateau.load_state_dict: last_epoch must be a whole number from 0, but got -1. "
        "Pass last_epoch=0.",
    ),
    "groups": (
        state(base_lrs=[1.0, 2.0]),
        "ReduceLROnPlateau.load_state_dict: 1 base rates, but got 2. "
        "Load the state of an equal optimizer's schedule.",
    ),
    "base": (
        state(base_lrs=[-1.0]),
        "ReduceLROnPlateau.load_state_dict: base_lrs must be a finite number from 0, but got "
        "-1.0. Pass another base_lrs.",
    ),
    "count": (
        state(reductions=0.5),
        "ReduceLROnPlateau.load_state_dict: reductions must be a whole number from 0, but got "
        "0.5. Pass reductions=0.",
    ),
    "best": (
        state(best="low"),
        "ReduceLROnPlateau.load_state_dict: best, a number, but got 'low'. "
        "Load what state_dict() returned.",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_failed_load_changes_nothing(name):
    wrong, message = STATES[name]
    o = sgd()
    schedule = optim.ReduceLROnPlateau(o, patience=0)
    for metric in (1.0, 2.0):
        schedule.step(metric)
    before = repr(schedule.state_dict()), o.lr
    with pytest.raises((ValueError, TypeError)) as caught:
        schedule.load_state_dict(wrong)
    assert str(caught.value) == message
    assert (repr(schedule.state_dict()), o.lr) == before


def test_a_state_whose_rate_is_refused_changes_nothing():
    o = sgd()
    schedule = optim.LambdaLR(o, lambda step: NAN if step == 5 else 1.0)
    before = schedule.state_dict()
    with pytest.raises(ValueError, match="lr must be"):
        schedule.load_state_dict(before | {"last_epoch": 5})
    assert schedule.state_dict() == before


def test_equal_entries_do_not_make_equal_schedules():
    with pytest.raises(ValueError, match="the state of a CosineAnnealingLR, but got that of a St"):
        optim.CosineAnnealingLR(sgd(), 5).load_state_dict(optim.StepLR(sgd(), 1).state_dict())


def test_states_of_parts_must_be_a_list():
    o = sgd()
    schedule = optim.ChainedScheduler([optim.StepLR(o, 1)])
    with pytest.raises(ValueError, match="1 schedules, but got None"):
        schedule.load_state_dict(schedule.state_dict() | {"schedulers": None})
