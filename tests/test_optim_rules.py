"""Rules: one recurrence read in several ways, and the state around it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag
import optim
from optim.rule import rule

# The fused loop may contract a product and a sum into one rounding; nothing else differs.
ULPS = {"float32": 1e-6, "float64": 1e-14}

VARIANTS = [
    (optim.SGD, {}),
    (optim.SGD, {"momentum": 0.9}),
    (optim.SGD, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True, "lr_in_velocity": True}),
    (optim.ASGD, {"lambd": 0.1, "t0": 2.0, "weight_decay": 0.1}),
    (optim.Adagrad, {}),
    (optim.Adagrad, {"initial_accumulator_value": 0.1, "eps_in_sqrt": True, "lr_decay": 0.1}),
    (optim.RMSprop, {}),
    (optim.RMSprop, {"centered": True, "momentum": 0.9, "eps_in_sqrt": True, "nesterov": True}),
    (optim.RMSprop, {"momentum": 0.9, "lr_in_velocity": True, "weight_decay": 0.1}),
    (optim.Adadelta, {"weight_decay": 0.1}),
    (optim.Adam, {}),
    (optim.Adam, {"weight_decay": 0.1, "amsgrad": True, "eps_root": 1e-6}),
    (optim.Adam, {"amsgrad": True, "amsgrad_corrected": True, "eps_hat": True, "nesterov": True}),
    (optim.AdamW, {}),
    (optim.Adamax, {"weight_decay": 0.1}),
    (optim.Adamax, {"eps_in_norm": False}),
    (optim.NAdam, {"weight_decay": 0.1}),
    (optim.NAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optim.RAdam, {"betas": (0.9, 0.7), "weight_decay": 0.1}),
    (optim.RAdam, {"eps_hat": False, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optim.AdaBelief, {}),
    (optim.Yogi, {}),
    (optim.Adan, {"weight_decay": 0.1}),
    (optim.SignSGD, {}),
    (optim.SignSGD, {"momentum": 0.9, "weight_decay": 0.1}),
    (optim.Lion, {}),
    (optim.Rprop, {}),
]
# Those whose update looks at a whole tensor, and have no array form.
WHOLE = [
    (optim.LAMB, {}),
    (optim.LAMB, {"weight_decay": 0.1, "decoupled_weight_decay": True, "max_grad_norm": 1.0}),
    (optim.LAMB, {"bias_correction": False, "rate_correction": True, "clamp_value": 10.0}),
    (optim.LARS, {"weight_decay": 0.1, "nesterov": True}),
    (optim.NovoGrad, {"weight_decay": 0.1}),
    (optim.SM3, {}),
    (optim.Adafactor, {"weight_decay": 0.1}),
]
IDS = [f"{cls.__name__}-{'-'.join(map(str, hyper)) or 'plain'}" for cls, hyper in VARIANTS]


def leaf(values, dtype="float64"):
    return ag.tensor(values, requires_grad=True, dtype=dtype)


def array_form(cls, hyper, p, gradients):
    """Run the undecorated recurrence on whole arrays."""
    recurrence = cls.recurrence
    values = {k: v for k, v in (cls.defaults | hyper).items() if k != "maximize"}
    state = [*(np.zeros_like(p) for _ in recurrence.state), *recurrence.numbers.values()]
    for t, g in enumerate(gradients, start=1):
        p, *state = recurrence.function(p, g, *state, t, **values)
    return p


@pytest.mark.parametrize("dtype", ULPS)
@pytest.mark.parametrize(("cls", "hyper"), VARIANTS, ids=IDS)
def test_fused_loop_equals_the_recurrence_on_arrays(cls, hyper, dtype):
    rng = np.random.default_rng(1)
    start = rng.normal(size=(5, 7)).astype(dtype)
    gradients = rng.normal(size=(6, 5, 7)).astype(dtype)
    x = leaf(start, dtype)
    optimizer = cls([x], **hyper)
    for g in gradients:
        x.grad = g
        optimizer.step()
    expected = array_form(cls, hyper, start, gradients)
    assert x.dtype == dtype == expected.dtype
    np.testing.assert_allclose(x.numpy(), expected, rtol=ULPS[dtype], atol=ULPS[dtype])


@pytest.mark.parametrize(("cls", "hyper"), [*VARIANTS, *WHOLE])
@pytest.mark.parametrize("layout", ["column order", "strided", "0-d", "empty"])
def test_layout_does_not_matter(cls, hyper, layout):
    rng = np.random.default_rng(2)
    shape = {"0-d": (), "empty": (0, 3)}.get(layout, (4, 3))
    start = rng.normal(size=shape)
    plain, other = leaf(start), leaf(start)
    if layout == "column order":
        other._value = np.asfortranarray(start)
    if layout == "strided":
        other._value = np.zeros((8, 9))[::2, ::3]
        other._value[...] = start
    one, two = cls([plain], **hyper), cls([other], **hyper)
    for g in rng.normal(size=(3, *shape)):
        plain.grad, other.grad = g, np.array(g, order="F")
        one.step()
        two.step()
    np.testing.assert_allclose(other.numpy(), plain.numpy(), rtol=1e-14)
    for name, array in one.state_dict()["state"][0].items():
        np.testing.assert_allclose(two.state_dict()["state"][0][name], array, rtol=1e-14)


def test_half_precision_runs_as_numpy_and_without_warnings():
    x = leaf([1.0, -2.0], "float16")
    optimizer = optim.SGD([x], lr=0.5)
    x.grad = [1.0, 60000.0]
    optimizer.step()
    x.grad = [1.0, 60000.0]
    optimizer.step()
    assert x.dtype == np.float16
    np.testing.assert_array_equal(x.numpy(), np.array([0.0, -60000.0], np.float16))


def test_scalars_are_evaluated_in_double_precision():
    # In float32, 1 - 0.999**1 is wrong by 1e-5 relative, and so would be the first step.
    g = np.float32(0.3)
    x = leaf([0.0], "float32")
    optimizer = optim.Adam([x], lr=1.0, betas=(0.9, 0.9999999), eps=0.0)
    x.grad = [g]
    optimizer.step()
    assert abs(x.numpy()[0] + 1.0) < 3e-7


def test_generated_loop_is_the_recurrence_with_constants_taken_out():
    hyper = optim.Adam.recurrence.hyper
    program = optim.Adam.recurrence.program(hyper)
    assert program.source(np.dtype("float32")) == GOLDEN
    scalars = program.scalars(2, hyper)
    assert scalars["c1"] == 1 - 0.999
    assert scalars["c2"] == 1 / (1 - 0.999**2)


GOLDEN = """\
import numpy as np
F = np.float32
TINY = np.finfo(F).tiny
@inline
def normal(x):
    return F(0) if abs(x) < TINY else x
@inline_exact
def loop(ps, gs, ms, vs, beta1, c0, beta2, c1, c2, c3, offset):
    beta1 = F(beta1)
    c0 = F(c0)
    beta2 = F(beta2)
    c1 = F(c1)
    c2 = F(c2)
    c3 = F(c3)
    offset = F(offset)
    for i in range(ps.size):
        p, g, m, v = (ps[i], gs[i], ms[i], vs[i])
        m = beta1 * m + c0 * g
        v = beta2 * v + c1 * g * g
        second = v
        second = c2 * second
        first = c3 * m
        ps[i], ms[i], vs[i] = (p - first / (np.sqrt(second) + offset), normal(m), normal(v))
def adam(ps, gs, ms, vs, beta1, c0, beta2, c1, c2, c3, offset):
    loop(ps, gs, ms, vs, beta1, c0, beta2, c1, c2, c3, offset)
"""


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="a property of the compiled loop")
def test_decayed_state_ends_at_zero_and_nan_stays():
    # Subnormal numbers would stay for ever, and are slow.
    x = leaf([1.0, 1.0, 1.0], "float32")
    optimizer = optim.SGD([x], momentum=0.5)
    x.grad = [1.0, -1.0, np.nan]
    optimizer.step()
    for _ in range(140):
        x.grad = [0.0, 0.0, 0.0]
        optimizer.step()
    velocity = optimizer.state_dict()["state"][0]["v"]
    np.testing.assert_array_equal(velocity, np.array([0.0, 0.0, np.nan], "float32"))


def test_state_that_no_branch_writes_is_not_kept():
    x = leaf([1.0])
    plain, heavy = optim.SGD([x]), optim.SGD([leaf([1.0])], momentum=0.9)
    assert plain.make_plan(plain.param_groups[0]).state == ()
    assert heavy.make_plan(heavy.param_groups[0]).state == ("v",)


def test_literals_and_scalars_do_not_widen_a_float32_loop():
    @rule(state=("v",))
    def Odd(p, g, v, t, *, lr=0.1):
        v = 0.5 * v + g**2 / 3
        q = np.maximum(v, 1.0) - 2 * p
        return p - lr * q, v

    text = Odd.recurrence.program(Odd.defaults).source(np.dtype("float32"))
    assert "F(0.5) * v + g ** 2 / F(3)" in text
    x = leaf(np.linspace(-1, 1, 9), "float32")
    x.grad = np.ones(9)
    expected = array_form(Odd, {}, x.numpy().copy(), [x.grad])
    Odd([x]).step()
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-6)


def test_without_the_compiler_the_steps_are_the_same():
    script = """
import numpy as np, autograd_core as ag, optim
x = ag.tensor(np.linspace(-1, 1, 8).reshape(2, 4), requires_grad=True)
for cls in (optim.SGD, optim.Adam, optim.LAMB, optim.Rprop, optim.RAdam, optim.NAdam):
    optimizer = cls([x], lr=0.1)
    for k in range(3):
        x.grad = np.cos(k + np.arange(8.0)).reshape(2, 4)
        optimizer.step()
print(x.numpy().tobytes().hex())
"""
    root = Path(__file__).parents[1]

    def run(**extra):
        env = {**os.environ, "PYTHONPATH": str(root), **extra}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return np.frombuffer(bytes.fromhex(done.stdout.strip()))

    np.testing.assert_allclose(run(NUMBA_DISABLE_JIT="1"), run(), rtol=1e-13)


# --- groups, hyperparameters, state -------------------------------------------------------------


def test_hyperparameters_are_attributes_that_can_be_changed_at_any_time():
    x = leaf([1.0])
    optimizer = optim.SGD([x], 0.5, 0.9)
    assert (optimizer.lr, optimizer.momentum, optimizer.maximize) == (0.5, 0.9, False)
    optimizer.lr = 0.25
    optimizer.momentum = 0
    x.grad = [1.0]
    optimizer.step()
    assert x.item() == 0.75
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_groups_have_hyperparameters_of_their_own():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    a.grad = b.grad = [1.0]
    optimizer.step()
    assert (a.item(), b.item()) == (0.75, 0.5)
    optimizer.lr = 0.125
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]


def test_parameters_without_gradient_are_passed_over_and_count_their_own_steps():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.Adam([a, b], lr=0.5)
    a.grad = [1.0]
    optimizer.step()
    assert b.item() == 1.0
    b.grad = [3.0]
    optimizer.step()
    # The first step of Adam is lr whatever the gradient: b is at its first, a at its second.
    assert b.item() == pytest.approx(0.5, abs=1e-7)
    assert [s["step"] for s in optimizer.state_dict()["state"].values()] == [2, 1]


def test_maximize_climbs():
    for cls, hyper in (*VARIANTS, *WHOLE):
        up, down = leaf([1.0, 2.0]), leaf([1.0, 2.0])
        one, two = cls([up], maximize=True, **hyper), cls([down], **hyper)
        for _ in range(3):
            up.grad, down.grad = [-1.0, 2.0], [1.0, -2.0]
            one.step()
            two.step()
        np.testing.assert_array_equal(up.numpy(), down.numpy())


def test_a_group_can_be_added_later():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([a], lr=0.25)
    optimizer.add_param_group({"params": b, "lr": 0.5})
    a.grad = b.grad = [1.0]
    optimizer.step()
    assert (a.item(), b.item()) == (0.75, 0.5)


def test_zero_grad():
    x = leaf([1.0])
    optimizer = optim.SGD([x])
    x.grad = [2.0]
    optimizer.zero_grad(set_to_none=False)
    assert x.grad == [0.0]
    optimizer.zero_grad()
    assert x.grad is None


@pytest.mark.parametrize(("cls", "hyper"), [*VARIANTS, *WHOLE])
def test_a_saved_state_continues_the_same_path(cls, hyper):
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(6, 2, 3))
    x, y = leaf(np.ones((2, 3))), leaf(np.ones((2, 3)))
    optimizer = cls([x], lr=0.1, **hyper)
    for g in gradients[:3]:
        x.grad = g
        optimizer.step()
    y.assign(x.numpy())
    again = cls([y])
    again.load_state_dict(optimizer.state_dict())
    assert again.lr == 0.1
    for g in gradients[3:]:
        x.grad = y.grad = g
        optimizer.step()
        again.step()
    np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_state_is_copied_out_and_in():
    x = leaf([1.0])
    optimizer = optim.SGD([x], momentum=0.9)
    x.grad = [1.0]
    optimizer.step()
    saved = optimizer.state_dict()
    other = optim.SGD([leaf([1.0])], momentum=0.9)
    other.load_state_dict(saved)
    saved["state"][0]["v"][...] = 99.0
    assert optimizer.state_dict()["state"][0]["v"] == [1.0]
    assert other.state_dict()["state"][0]["v"] == [1.0]


def test_state_follows_a_change_of_dtype_and_of_branches():
    x = leaf([1.0], "float32")
    optimizer = optim.Adam([x], lr=0.1)
    x.grad = [1.0]
    optimizer.step()
    before = optimizer.state_dict()["state"][0]["m"]
    ag.Tensor.__init__(x, x.numpy(), True, np.float64)
    optimizer.amsgrad = True
    x.grad = [0.0]
    optimizer.step()
    after = optimizer.state_dict()["state"][0]
    assert after["m"].dtype == np.float64
    assert after["m"][0] == pytest.approx(0.9 * before[0])
    assert after["peak"].shape == (1,)


def test_an_update_between_forward_and_backward_is_noticed():
    x = leaf([1.0, 2.0])
    optimizer = optim.SGD([x])
    loss = (x * x).sum()
    x.grad = [1.0, 1.0]
    optimizer.step()
    with pytest.raises(ag.MutationError, match=r"backward: .* needs .* but got an array that an"):
        loss.backward()


def test_every_optimizer_is_tried():
    tried = {cls for cls, _ in (*VARIANTS, *WHOLE)}
    offered = {v for v in vars(optim).values() if isinstance(v, type) and "defaults" in vars(v)}
    assert tried == offered - {optim.Optimizer}


@pytest.mark.parametrize("cls", {cls: None for cls, _ in (*VARIANTS, *WHOLE)})
def test_a_state_of_another_optimizer_is_refused(cls):
    # Adam and AdamW are one method: the settings that come with the state say which.
    family = (optim.Adam, optim.AdamW)
    optimizer, _ = stepped(cls)
    before = repr(optimizer.state_dict())
    for other, _ in (*VARIANTS, *WHOLE):
        if other is not cls and not (cls in family and other in family):
            with pytest.raises(ValueError, match=f"^{cls.__name__}.* but got"):
                optimizer.load_state_dict(stepped(other)[0].state_dict())
            assert repr(optimizer.state_dict()) == before


@pytest.mark.parametrize(("cls", "hyper"), [*VARIANTS, *WHOLE])
def test_float32_keeps_float32_state(cls, hyper):
    optimizer, x = stepped(cls, "float32", **hyper)
    assert x.dtype == np.float32
    arrays = [v for v in optimizer.state_dict()["state"][0].values() if isinstance(v, np.ndarray)]
    assert {array.dtype for array in arrays} <= {np.dtype("float32")}


def stepped(cls, dtype="float64", **hyper):
    x = leaf(np.ones((2, 3)), dtype)
    optimizer = cls([x], **hyper)
    x.grad = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
    optimizer.step()
    return optimizer, x


def test_every_tensor_carries_numbers_of_its_own():
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.NAdam([a, b], momentum_decay=0.0)
    for step in range(3):
        a.grad, b.grad = [1.0], None if step == 1 else [1.0]
        optimizer.step()
    products = [state["product"] for state in optimizer.state_dict()["state"].values()]
    np.testing.assert_allclose(products, [0.45**3, 0.45**2], rtol=1e-15)


def test_a_product_over_the_steps_keeps_the_momenta_that_were_met():
    # NAdam's correction is 1 - mu_1 ... mu_t, which a power of the present beta is not.
    x = leaf([1.0])
    optimizer = optim.NAdam([x], momentum_decay=0.0)
    product = 1.0
    for beta in (0.9, 0.5, 0.8):
        optimizer.betas = (beta, 0.999)
        x.grad = [1.0]
        optimizer.step()
        product *= 0.5 * beta
    assert optimizer.state_dict()["state"][0]["product"] == pytest.approx(product, rel=1e-15)


# --- clipping ------------------------------------------------------------------------------------


def test_clipping_keeps_the_direction_and_limits_the_length():
    x, y = leaf([0.0, 0.0], "float32"), leaf([0.0])
    x.grad, y.grad = [3e30, 0.0], [4e30]  # their squares overflow in float32
    assert optim.clip_grad_norm_([x, y], 1.0) == pytest.approx(5e30)
    np.testing.assert_allclose(x.grad, [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(y.grad, [0.8], rtol=1e-6)
    assert optim.clip_grad_norm_([x, y], 10.0) == pytest.approx(1.0)
    np.testing.assert_allclose(y.grad, [0.8], rtol=1e-6)
    assert optim.clip_grad_norm_(iter([x, y]), 10.0, norm_type=1.0) == pytest.approx(1.4)
    assert optim.clip_grad_norm_(x, 10.0, norm_type=float("inf")) == pytest.approx(0.6)


def test_clipping_spreads_nan_instead_of_hiding_it():
    x = leaf([0.0, 0.0])
    x.grad = [np.nan, 1.0]
    assert np.isnan(optim.clip_grad_norm_([x], 1.0))
    assert np.isnan(x.grad).all()
