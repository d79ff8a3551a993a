"""Values and gradients that other systems computed: PyTorch, JAX, mpmath and textbooks."""

import math
from collections import Counter

import numpy as np
import pytest
import reference
from reference import SCOPE, SHARED, Missing, judge, table

import autograd_core as ag

CASES = reference.cases()
# How far PyTorch's derivatives, which the cases hold, agree with fifty-digit ones: its trigamma
# has nine digits, and next to 0 its sinc' is 0.
LESS_EXACT = {"digamma": 1e-9, "digamma.0d": 1e-9, "sinc.at0": 1e-8}
VERDICTS = {}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_ops(case):
    verdict = judge(case | {"rtol": LESS_EXACT.get(case["id"], case["rtol"])})
    VERDICTS[case["id"]] = verdict
    if not verdict.startswith("missing"):
        assert verdict == "pass", f"{case['expr']}: {verdict}"


def test_ops_summary(capsys):
    words = Counter(verdict.split()[0] for verdict in VERDICTS.values())
    with capsys.disabled():
        missing = words["missing"]
        wrong = len(VERDICTS) - words["pass"] - missing
        print(
            f"\nops/: {words['pass']} pass, {wrong} fail, {missing} name what is not here", end=" "
        )
    assert words["pass"] >= 270


def test_the_part_that_travels_with_the_project():
    own = reference.cases(shared=False)
    assert len(own) > 250
    for case in own:
        assert judge(case) == "pass", case["id"]


# ------------------------------------------------------------------------ high precision

UNARY = table("exact/unary_highprec.json")["functions"]


def evaluate(expression, **names):
    """Return the function of one array that an expression says."""
    return lambda x: eval(expression, SCOPE | names | {"x": x})


def relative(got, want):
    """Return relative errors; results below the normal numbers may be flushed to zero.

    A stored zero is what sixty digits left of 1 + tanh(u): there, something tiny is as right.
    """
    with np.errstate(all="ignore"):
        error = np.abs(got - want) / np.abs(want)
    tiny = np.finfo(float).tiny
    fine = (got == want) | ((np.abs(want) < tiny) & (np.abs(got) < tiny))
    fine |= (want == 0.0) & (np.abs(got) < 1e-200)
    return np.where(fine, 0.0, error)


@pytest.mark.parametrize("name", UNARY)
def test_every_digit_from_1e_minus_300_to_1e300(name):
    entry = UNARY[name]
    x, value, slope = np.array(entry["rows"], float).T
    f = evaluate(entry["expr"])
    try:
        with np.errstate(all="ignore"):
            got, pull = ag.vjp(f, x)
    except Missing:
        return
    (grad,) = pull(np.ones_like(x))
    for what, error in (("value", relative(got, value)), ("slope", relative(grad, slope))):
        worst = int(np.argmax(error))
        ulps = error[worst] / np.finfo(float).eps
        assert ulps <= 4.0, f"{what} of {name} at {x[worst]}: {ulps:.1f} ulp"


# -------------------------------------------------------------------------- small models

EXAMPLES = table("models/models.json")["examples"]
LABELS = np.array([3, 2, 0])
TARGETS = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
MASK = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]])


def reduced(losses, reduction):
    """Reduce losses; what is not reduced is differentiated through its sum."""
    return ag.mean(losses) if reduction == "mean" else ag.sum(losses)


def lecture(x, W1, b1, W2, b2, target):  # noqa: N803
    hidden = ag.relu(x @ W1 + b1)
    return ag.mean(ag.sum(ag.square(hidden @ W2 + b2 - target), axis=1))


def cross_entropies(z, smoothing, labels=LABELS):
    wanted = np.eye(z.shape[1])[labels] * (1.0 - smoothing) + smoothing / z.shape[1]
    return -ag.sum(wanted * ag.log_softmax(z), axis=1)


def binary_cross_entropies(z, targets=TARGETS, pos_weight=1.0):
    return pos_weight * targets * ag.softplus(-z) + (1.0 - targets) * ag.softplus(z)


def class_weighted(z):
    weights = np.array([1.0, 2.0, 0.5, 3.0])[LABELS]
    return ag.sum(weights * cross_entropies(z, 0.0)) / weights.sum()


def batch_normalized(x):
    out = (x - ag.mean(x, axis=0)) / ag.sqrt(ag.var(x, axis=0) + 1e-5)
    out = out * np.array([1.0, 0.5, 2.0]) + np.array([0.0, 0.1, -0.1])
    return ag.sum(out * np.sin(0.1 * np.arange(12) + 1).reshape(4, 3))


MODELS = {
    "lecture_3_3_2_relu_mse": lecture,
    "bce_logits_smooth0.1": lambda z: ag.mean(binary_cross_entropies(z, TARGETS * 0.9 + 0.05)),
    "bce_logits_pos_weight": lambda z: ag.mean(
        binary_cross_entropies(z, TARGETS, np.array([2.0, 1.0, 0.5, 3.0]))
    ),
    "xent_class_weight": class_weighted,
    "xent_ignore_index": lambda z: ag.mean(cross_entropies(z[[0, 2]], 0.0, LABELS[[0, 2]])),
    "dropout_fixed_mask_p0.3": lambda z: ag.sum(ag.square(z * MASK / 0.7)),
    "elastic_net": lambda w: 0.01 * ag.sum(ag.abs(w)) + 0.05 * ag.sum(w * w),
    "batchnorm_train": batch_normalized,
}
for how in ("mean", "sum", "none"):
    MODELS[f"bce_logits_{how}"] = lambda z, how=how: reduced(binary_cross_entropies(z), how)
    for smoothing in (0.0, 0.1, 0.3):
        MODELS[f"xent_{how}_smooth{smoothing}"] = lambda z, how=how, smoothing=smoothing: reduced(
            cross_entropies(z, smoothing), how
        )


@pytest.mark.parametrize("name", MODELS)
def test_small_models(name):
    example = EXAMPLES[name]
    inputs = {key: np.array(value) for key, value in example["inputs"].items()}
    constants = {"target": np.array(example["target"])} if "target" in example else {}
    leaves = {key: ag.tensor(value, requires_grad=True) for key, value in inputs.items()}
    loss = MODELS[name](**leaves, **constants)
    np.testing.assert_allclose(loss.item(), example["outputs"]["loss"], rtol=1e-12)
    loss.backward()
    for key, wanted in example["grads"].items():
        np.testing.assert_allclose(leaves[key].grad, wanted, rtol=1e-10, atol=1e-14)


# ------------------------------------------------------- a network on real images (shared)

FASHION = SHARED / "models" / "mlp_fashion.npz"


def checksums(array):
    flat = np.ravel(array)
    weights = np.sin(0.1 * np.arange(flat.size) + 1)
    return {"sum": flat.sum(), "l2": math.sqrt((flat * flat).sum()), "dot": flat @ weights}


LOSSES = {
    "xent": lambda z, y: ag.mean(cross_entropies(z, 0.0, y)),
    "xent_smooth0.1": lambda z, y: ag.mean(cross_entropies(z, 0.1, y)),
    "xent_sum": lambda z, y: ag.sum(cross_entropies(z, 0.0, y)),
    "mse_mean": lambda z, y: ag.mean(ag.square(z - np.eye(10)[y])),
    "mse_sum_out_mean_n": lambda z, y: ag.mean(ag.sum(ag.square(z - np.eye(10)[y]), axis=1)),
    "bce_logits_mean": lambda z, y: ag.mean(binary_cross_entropies(z, np.eye(10)[y])),
}


@pytest.mark.skipif(not FASHION.exists(), reason="the shared reference data is not here")
@pytest.mark.parametrize("name", LOSSES)
def test_a_network_on_real_images(name):
    with np.load(FASHION) as archive:
        data = dict(archive)
    names = ("W0", "b0", "W1", "b1", "W2", "b2")
    x = ag.tensor(data["x_uint8"][:32] / 255.0)
    p = {key: ag.tensor(data[key].astype(float), requires_grad=True) for key in names}
    hidden = ag.relu(ag.relu(x @ p["W0"] + p["b0"]) @ p["W1"] + p["b1"])
    logits = hidden @ p["W2"] + p["b2"]
    loss = LOSSES[name](logits, data["y"][:32])
    loss.backward()
    step = table("models/models.json")["first_step"][f"relu/{name}"]
    np.testing.assert_allclose(loss.item(), step["loss"], rtol=1e-12)
    for key, wanted in step["grads"].items():
        for sum_name, value in checksums(p[key].grad).items():
            scale = np.abs(p[key].grad).sum()
            np.testing.assert_allclose(value, wanted[sum_name], rtol=1e-10, atol=1e-12 * scale)
        if name == "xent":
            np.testing.assert_allclose(
                p[key].grad, data[f"grad_relu_xent|{key}"], rtol=1e-10, atol=1e-14
            )
