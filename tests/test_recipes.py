"""Recipes: machine code that counts, makes the scalars and loops does what ``step()`` does."""

import copy
import math

import numpy as np
import pytest

import optim
from autograd_core.compiler.compare import difference
from autograd_core.compiler.record import Host, Trace, Update
from autograd_core.kernels.jit import compile_source
from autograd_core.modes import traced
from optim.hyperparameters import places
from optim.rule import rule
from tests.test_optim_rules import VARIANTS, WHOLE, leaf

STEPS = 5
SHAPES = (3, 7), (130,), ()
OTHER_RATES = {"lr": 0.3}, {"lr": 0.07, "maximize": True}

# Every setting that enters a scalar, with values that are not the default.
EXTREMES = [
    (optim.SGD, {"momentum": 0.9, "dampening": 0.3}),
    (optim.ASGD, {"alpha": 0.3, "lambd": 0.5, "t0": 1.0}),
    (optim.Adagrad, {"lr_decay": 0.3}),
    (optim.RMSprop, {"alpha": 0.7, "eps": 1e-3}),
    (optim.Adadelta, {"rho": 0.7}),
    (optim.Adam, {"betas": (0.5, 0.1), "eps_hat": True}),
    (optim.Adam, {"betas": (0.0, 0.9999999), "nesterov": True, "eps": 1e-3}),
    (optim.Adamax, {"betas": (0.5, 0.1)}),
    (optim.NAdam, {"betas": (0.7, 0.3), "momentum_decay": 1.0}),
    (optim.RAdam, {"betas": (0.9, 0.999)}),
    (optim.AdaBelief, {"betas": (0.3, 0.7)}),
    (optim.Yogi, {"betas": (0.3, 0.7), "initial_accumulator_value": 0.1}),
    (optim.Adan, {"betas": (0.3, 0.7, 0.8)}),
    (optim.Rprop, {"etas": (0.3, 1.7), "step_sizes": (1e-3, 0.5)}),
]
CASES = [*VARIANTS, *EXTREMES]
IDS = [f"{cls.__name__}-{'-'.join(map(str, hyper)) or 'plain'}" for cls, hyper in CASES]


@rule(numbers={"rate": 1.0, "last": 0.0})
def Powers(p, g, rate, last, t, *, lr=0.1, betas=(0.9, 0.5), sharp=True):
    """Scalars that a compiler would compute in ways of its own."""
    square = betas[0] ** 2
    some = np.where(g > 0, (t * 0.3) ** 0.5, (t * 0.7) ** 2) + np.where(g > 1, (t * 0.3) ** 3, 1.0)
    more = np.where(g > 0, 0.5 ** (t * 0.37), (t * 0.3) ** -1) + g * 10.0 ** (-t / 7)
    other = max(lr, 1 / t) if sharp and not t < 3 else min(math.exp(-t), abs(math.sin(t)))
    return p - (lr * square + other + last) * g + some * more, rate * square, rate + math.log(t)


def noted(optimizer):
    """Return what a recording notes of a step."""
    trace = Trace([])
    with traced(trace):
        optimizer.step()
    return trace


def recipes(optimizer):
    return [step.recipe for step in noted(optimizer).steps if isinstance(step, Update)]


def driver(recipe, states):
    """Return a function that does the update of one parameter, without Python."""
    arrays = ", ".join(["p", "g", *(f"s{i}" for i in range(states))])
    source = f"""
{recipe.definitions}
def drive({arrays}, cell, settings):
    constants = {recipe.scalars}(cell, settings)
    middle = p.size // 3
    {recipe.loop}({arrays}, 0, middle, *constants)
    {recipe.loop}({arrays}, middle, p.size, *constants)
"""
    return compile_source("drive", source)


def flat(x):
    """Return the memory of a parameter, to be written."""
    return x.data.reshape(-1)


def pair(cls, hyper, dtype, shape):
    """Return two equal optimizers after one step, and their parameters."""
    rng = np.random.default_rng(1)
    start, g = rng.normal(size=shape), rng.normal(size=shape)
    found = []
    for _ in range(2):
        x = leaf(start, dtype)
        x.grad = g
        optimizer = cls([x], **hyper)
        optimizer.step()
        found += [optimizer, x]
    return found


def assert_same(one, two):
    """Both are in the same state to the last bit."""
    states = [optimizer.state_dict()["state"][0] for optimizer in (one, two)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert np.asarray(value).tobytes() == np.asarray(states[1][name]).tobytes(), name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cls", "hyper"), CASES, ids=IDS)
def test_machine_code_does_the_same_to_the_last_bit(cls, hyper, dtype):
    for shape in SHAPES:
        one, x, two, y = pair(cls, hyper, dtype, shape)
        follow(one, x, two, y)


def follow(one, x, two, y):
    """Step one optimizer as usual, and the other by its recipe."""
    slot, group = two.param_groups[0].slots[0], two.param_groups[0]
    recipe = slot.recipe(group.settings)
    drive = driver(recipe, len(slot.arrays))
    cell, settings = slot.cell, group.settings
    rng = np.random.default_rng(2)
    for step in range(STEPS):
        for optimizer in (one, two):
            optimizer.lr = 0.1 / (1 + step)  # `settings` follows
        x.grad = rng.normal(size=x.shape)
        one.step()
        drive(flat(y), x.grad.ravel(), *slot.arrays, cell, settings)
    assert x.numpy().tobytes() == y.numpy().tobytes()
    assert_same(one, two)
    assert slot.step == STEPS + 1
    assert slot.cell is cell
    assert group.settings is settings


@pytest.mark.parametrize(("cls", "hyper"), VARIANTS[::3])
def test_machine_code_and_python_may_take_turns(cls, hyper):
    one, x, two, y = pair(cls, hyper, "float32", (5,))
    slot, group = two.param_groups[0].slots[0], two.param_groups[0]
    drive = driver(slot.recipe(group.settings), len(slot.arrays))
    for step in range(6):
        x.grad = y.grad = np.cos(np.arange(5.0) + step)
        one.step()
        if step % 2:
            two.step()
        else:
            drive(flat(y), x.grad, *slot.arrays, slot.cell, group.settings)
    assert x.numpy().tobytes() == y.numpy().tobytes()
    assert_same(one, two)


def test_many_steps_give_the_same_scalars():
    # Powers of the step count go through the same function of the C library.
    for cls in (optim.Adam, optim.NAdam, optim.RAdam, optim.ASGD, optim.Adan, Powers):
        optimizer, _, other, _ = pair(cls, {}, "float64", (1,))
        slot, group = other.param_groups[0].slots[0], other.param_groups[0]
        recipe = slot.recipe(group.settings)
        source = f"{recipe.definitions}\ndef some(cell, settings, out):\n"
        source += f"    out[:] = np.array({recipe.scalars}(cell, settings))\n"
        some, out = compile_source("some", source), np.empty(len(recipe.constants))
        plan = group.plan
        numbers = dict(optimizer.param_groups[0].slots[0].numbers)
        for t in range(2, 3000):
            expected = plan.scalars(t, group, numbers)
            some(slot.cell, group.settings, out)
            assert list(expected) == list(recipe.constants)
            assert out.tolist() == list(expected.values()), (cls.__name__, t)
        assert dict(slot.numbers) == numbers


def test_several_recipes_live_in_one_module():
    programs = [optim.SGD.recurrence.program({**optim.SGD.defaults, **h}) for h in OTHER_RATES]
    texts = [p.native(np.dtype(d)) for p in programs for d in ("float32", "float64")]
    assert len({text.loop for text in texts}) == 4
    assert programs[0].native(np.dtype("float32")) is texts[0]
    lines = [line for text in texts for line in text.definitions.splitlines()]
    defined = [line.split("(")[0] for line in lines if line.startswith("def ")]
    assert len(defined) == len(set(defined)) == 16
    source = "".join(text.definitions for text in texts) + "\ndef drive(p, q, cell, settings):\n"
    for text, name in zip(texts, "pqpq", strict=True):
        source += f"    scalars = {text.scalars}(cell, settings)\n"
        source += f"    {text.loop}({name}, {name}, 0, 1, *scalars)\n"
    p, q = np.ones(1, "float32"), np.ones(1)
    cell, settings = np.zeros(1), optim.SGD([leaf([1.0])], lr=0.5).param_groups[0].settings
    compile_source("drive", source)(p, q, cell, settings)
    assert (p.item(), q.item(), cell.item()) == (0.75, 0.75, 4.0)


# --- rules of the user's own --------------------------------------------------------------------


def test_constant_bases_and_exponents_round_as_in_python():
    one, x, two, y = pair(Powers, {}, "float64", (4,))
    follow(one, x, two, y)


HALF = 0.5


@rule()
def Outside(p, g, t, *, lr=0.1):
    """It reads a global name, which may change."""
    return (p - lr * HALF * g,)


@rule()
def Exp(p, g, t, *, lr=0.1):
    """NumPy's exponential rounds differently from machine code's."""
    return (p - lr * np.exp(-t) * g,)


@rule()
def Exact(p, g, t, *, lr=0.1):
    """Python's integers are exact."""
    return (p - lr / 3**t * g,)


@rule()
def Absent(p, g, t, *, lr=0.1, factor=None):
    """No number is None."""
    return (p - lr * (factor or 1.0) * g,)


@rule()
def Taken(p, g, t, *, lr=0.1, end=1.0):
    """A name that the loop needs for itself."""
    return (p - lr * end * g,)


@pytest.mark.parametrize("cls", [Outside, Exp, Exact, Absent, Taken, *dict(WHOLE)])
def test_what_machine_code_cannot_repeat_is_left_to_the_host(cls):
    optimizer, x, _, _ = pair(cls, {}, "float64", (2, 3))
    assert recipes(optimizer) == [None]


def test_half_precision_and_scattered_memory_are_left_to_the_host():
    half, strided = leaf([1.0], "float16"), leaf(np.ones((2, 3)))
    strided._value = np.ones((4, 6))[::2, ::2]
    half.grad, strided.grad = [1.0], np.ones((2, 3))
    assert recipes(optim.SGD([half, strided])) == [None, None]


# --- what a recording notes ---------------------------------------------------------------------


def test_every_update_has_its_recipe_with_its_arrays():
    a, b, c = leaf([1.0], "float32"), leaf([1.0]), leaf([1.0])
    optimizer = optim.NAdam([{"params": [a, c]}, {"params": [b], "lr": 0.5}])
    a.grad, b.grad = [1.0], [2.0]
    first, second = recipes(optimizer)
    groups = optimizer.param_groups
    assert first.cell is groups[0].slots[0].cell
    assert second.cell is groups[1].slots[0].cell
    assert first.settings is groups[0].settings
    assert second.settings is groups[1].settings
    assert "np.float32" in first.definitions
    assert "np.float64" in second.definitions
    assert first.cell.tolist() == [1.0, dict(groups[0].slots[0].numbers)["product"]]


def test_recipes_do_not_make_recordings_differ():
    x = leaf([1.0, 2.0])
    optimizer = optim.Adam([x])
    traces = []
    for _ in range(2):
        x.grad = [1.0, 2.0]
        traces.append(noted(optimizer))
    assert difference(*traces) is None


def test_an_update_that_the_host_does_not_prepare_has_no_recipe():
    x = leaf([1.0])
    x.grad = [3.0]
    trace = Trace([])
    with traced(trace):
        optim.clipping.limit_rows(x, np.ones(1), factor=0.1, eps=0.1)
    assert trace.steps[0].recipe is None


# --- the arrays behind it -----------------------------------------------------------------------


def test_settings_are_the_hyperparameters_in_order():
    optimizer = optim.Adafactor([leaf([1.0])], lr=0.5)
    group = optimizer.param_groups[0]
    settings = group.settings
    np.testing.assert_array_equal(settings, [0.5, -0.8, np.nan, 1e-3, 1.0, 0.0, 0.0])
    optimizer.lr, optimizer.eps, optimizer.maximize = 0.25, (0.1, 0.2), True
    np.testing.assert_array_equal(settings, [0.25, -0.8, 0.1, 0.2, 1.0, 0.0, 1.0])
    group.update({"d": 2})
    group |= {"beta2_decay": -0.5}
    np.testing.assert_array_equal(settings, [0.25, -0.5, 0.1, 0.2, 2.0, 0.0, 1.0])
    assert group.settings is settings
    assert places(optimizer.defaults)["eps"] == slice(2, 4)


def test_a_refused_setting_leaves_the_settings_as_they_are():
    optimizer = optim.Adam([leaf([1.0])])
    before = optimizer.param_groups[0].settings.copy()
    for name, value in (("lr", -1.0), ("betas", (0.9, 2.0)), ("amsgrad", 1)):
        with pytest.raises((ValueError, TypeError), match=name):
            setattr(optimizer, name, value)
    np.testing.assert_array_equal(optimizer.param_groups[0].settings, before)


def test_the_rules_take_the_settings_in_the_order_of_the_group():
    for cls, _ in VARIANTS:
        own = list(places(cls.recurrence.hyper).items())
        assert list(places(cls.defaults).items()) == own


def test_step_and_numbers_are_read_and_set_through_the_cell():
    optimizer, *_ = pair(optim.NAdam, {}, "float64", (2,))
    slot = optimizer.param_groups[0].slots[0]
    assert type(slot.step) is int
    slot.step = 7
    slot.numbers["product"] = 0.25
    assert slot.cell.tolist() == [7.0, 0.25]
    assert dict(slot.numbers) == {"product": 0.25}
    assert len(slot.numbers) == 1
    with pytest.raises(TypeError, match=r"numbers of a fixed set, but got del 'product'\. Set it"):
        del slot.numbers["product"]
    state = optimizer.state_dict()["state"][0]
    assert (state["step"], state["product"]) == (7, 0.25)
    assert type(state["step"]) is int


def test_the_cell_stays_when_the_branches_change():
    optimizer, x, _, _ = pair(optim.NAdam, {}, "float64", (2,))
    slot = optimizer.param_groups[0].slots[0]
    cell, product = slot.cell, slot.numbers["product"]
    optimizer.weight_decay = 0.1
    optimizer.step()
    assert slot.cell is cell
    assert slot.step == 2
    assert slot.numbers["product"] < product


@pytest.mark.parametrize("cls", [optim.SGD, optim.NAdam, optim.LAMB, optim.Adafactor])
def test_a_deep_copy_has_arrays_of_its_own_and_goes_on_alike(cls):
    optimizer, x, _, _ = pair(cls, {}, "float64", (2, 3))
    other = copy.deepcopy(optimizer)
    y = other.param_groups[0]["params"][0]
    slot, twin = optimizer.param_groups[0].slots[0], other.param_groups[0].slots[0]
    assert twin.parameter is y
    assert not np.shares_memory(slot.cell, twin.cell)
    for _ in range(3):
        x.grad = y.grad = np.arange(6.0).reshape(2, 3)
        optimizer.step()
        other.step()
    np.testing.assert_array_equal(x.numpy(), y.numpy())
    assert_same(optimizer, other)
    other.lr = 0.5
    assert optimizer.param_groups[0].settings[0] == optimizer.lr != 0.5
    assert other.param_groups[0].settings[0] == 0.5


# --- whether the next step is of the recorded kind ----------------------------------------------


def another_rate(optimizer):
    optimizer.lr = 0.5


def there_and_back(optimizer):
    optimizer.momentum, optimizer.nesterov = 0.0, False
    optimizer.momentum, optimizer.nesterov = 0.9, True


def loaded(optimizer):
    optimizer.load_state_dict(optimizer.state_dict())


def bound_anew(optimizer):
    """The plan is the recorded one again, but the velocity is another array."""
    optimizer.momentum, optimizer.nesterov = 0.0, False
    optimizer.step()
    optimizer.momentum, optimizer.nesterov = 0.9, True
    optimizer.step()


def another_group(optimizer):
    optimizer.add_param_group({"params": [leaf([1.0])]})


def decayed(optimizer):
    optimizer.weight_decay = 0.1


CHANGES = {
    another_rate: True,
    there_and_back: True,
    decayed: False,
    loaded: False,
    bound_anew: False,
    another_group: False,
    lambda optimizer: setattr(optimizer, "nesterov", False): False,
    lambda optimizer: optimizer.param_groups.reverse(): False,
}


@pytest.mark.parametrize(("change", "holds"), CHANGES.items())
def test_the_witness_knows_which_changes_make_another_step(change, holds):
    a, b = leaf([1.0, 2.0]), leaf([3.0])
    groups = [{"params": [a]}, {"params": [b], "lr": 0.5}]
    optimizer = optim.SGD(groups, momentum=0.9, nesterov=True)
    a.grad, b.grad = [1.0, 1.0], [1.0]
    host = next(step for step in noted(optimizer).steps if isinstance(step, Host))
    optimizer.step()
    assert host.valid()
    change(optimizer)
    assert host.valid() is holds
    assert host.valid() is holds
