"""The optimizers' facts as the lecture states them, each with its formula."""

import numpy as np
import pytest

import autograd_core as ag
import optim


def leaf(values):
    return ag.tensor(np.array(values, dtype=float), requires_grad=True)


def bowl(x):
    return (x * x * [1.0, 5.0]).sum()


def descend(optimizer, x, steps, schedule=None):
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        bowl(x).backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        path.append(x.numpy().copy())
    return np.array(path)


# --- momentum: V <- beta V - alpha g, theta <- theta + V ----------------------------------------


def momentum_paths(schedule):
    paths = []
    for lr_in_velocity in (False, True):
        x = leaf([1.0, -2.0])
        optimizer = optim.SGD([x], lr=0.05, momentum=0.8, lr_in_velocity=lr_in_velocity)
        paths.append(descend(optimizer, x, 20, schedule(optimizer)))
    return paths


def test_momentum_has_two_forms_equal_at_a_constant_rate():
    ours, lecture = momentum_paths(lambda optimizer: None)
    np.testing.assert_allclose(ours, lecture, rtol=1e-12)


def test_momentum_has_two_forms_different_under_a_schedule():
    ours, lecture = momentum_paths(lambda optimizer: optim.ExponentialLR(optimizer, 0.8))
    np.testing.assert_allclose(ours[0], lecture[0], rtol=1e-15)
    assert np.abs(ours[-1] - lecture[-1]).max() > 0.01


def test_momentum_of_the_lecture():
    # V_0 = 0, V_{n+1} = beta V_n - alpha_n g_n, theta_{n+1} = theta_n + V_{n+1}
    x = leaf([1.0, -2.0])
    optimizer = optim.SGD([x], lr=0.05, momentum=0.8, lr_in_velocity=True)
    path = descend(optimizer, x, 10, optim.ExponentialLR(optimizer, 0.8))
    theta, velocity = np.array([1.0, -2.0]), np.zeros(2)
    for n in range(10):
        velocity = 0.8 * velocity - 0.05 * 0.8**n * (2.0 * theta * [1.0, 5.0])
        theta = theta + velocity
        np.testing.assert_allclose(path[n], theta, rtol=1e-13)


def test_momentum_of_pytorch():
    # v <- beta v + g, theta <- theta - alpha_n v
    x = leaf([1.0, -2.0])
    optimizer = optim.SGD([x], lr=0.05, momentum=0.8)
    path = descend(optimizer, x, 10, optim.ExponentialLR(optimizer, 0.8))
    theta, velocity = np.array([1.0, -2.0]), np.zeros(2)
    for n in range(10):
        velocity = 0.8 * velocity + 2.0 * theta * [1.0, 5.0]
        theta = theta - 0.05 * 0.8**n * velocity
        np.testing.assert_allclose(path[n], theta, rtol=1e-13)


# --- L2 and weight decay ------------------------------------------------------------------------


def penalised_and_decayed(cls, lam, lr, **hyper):
    """Return where the penalty lam |x|^2 (gradient 2 lam x) leads, and where weight decay does."""
    x, y = leaf([1.0, -2.0]), leaf([1.0, -2.0])
    one, two = cls([x], lr=lr, **hyper), cls([y], lr=lr, **hyper)
    for _ in range(20):
        one.zero_grad()
        ((x * [1.0, 5.0]).sum() + lam * (x * x).sum()).backward()
        one.step()
        y.grad = [1.0, 5.0]
        y.assign((1.0 - 2.0 * lr * lam) * y.numpy())  # theta <- (1 - 2 alpha lambda) theta - ...
        two.step()
    return x.numpy(), y.numpy()


def test_l2_is_weight_decay_under_plain_gradient_descent():
    x, y = penalised_and_decayed(optim.SGD, lam=0.05, lr=0.1)
    np.testing.assert_allclose(x, y, rtol=1e-14)


@pytest.mark.parametrize(
    ("cls", "hyper"), [(optim.SGD, {"momentum": 0.9}), (optim.Adam, {})], ids=["momentum", "adam"]
)
def test_l2_is_not_weight_decay_otherwise(cls, hyper):
    x, y = penalised_and_decayed(cls, lam=0.05, lr=0.1, **hyper)
    assert np.abs(x - y).max() > 0.01


# --- Adam ---------------------------------------------------------------------------------------


def algorithm_1(steps, beta1=0.8, beta2=0.9, eps=1e-4):
    """Kingma & Ba (2015), Algorithm 1, on the bowl at rate 0.1."""
    theta, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for t in range(1, steps + 1):
        g = 2.0 * theta * [1.0, 5.0]
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = theta - 0.1 * m_hat / (np.sqrt(v_hat) + eps)
        yield theta


def slipped(steps, first, beta1=0.8, beta2=0.9, eps=1e-4):
    """The recurrence as the lecture prints it: corrected moments are fed back, n from `first`."""
    theta, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for n in range(first, first + steps):
        g = 2.0 * theta * [1.0, 5.0]
        m = (beta1 * m + (1 - beta1) * g) / (1 - np.float64(beta1) ** n)
        v = (beta2 * v + (1 - beta2) * g**2) / (1 - np.float64(beta2) ** n)
        theta = theta - 0.1 * m / (np.sqrt(v) + eps)
        yield theta


def adam_path(steps):
    x = leaf([1.0, -2.0])
    return descend(optim.Adam([x], lr=0.1, betas=(0.8, 0.9), eps=1e-4), x, steps)


def test_adam_is_kingma_and_ba_algorithm_1():
    np.testing.assert_allclose(adam_path(10), list(algorithm_1(10)), rtol=1e-13)


@np.errstate(all="ignore")
def test_adam_printed_with_the_count_from_zero_divides_by_zero():
    # 1 - beta^0 = 0: the first corrected moments are infinite, and their ratio is no number.
    assert np.isnan(next(slipped(1, first=0))).all()


def test_adam_printed_with_the_correction_inside_is_another_method():
    # With the count from 1 the first step agrees, m_hat = g. Afterwards the correction is applied
    # again to what is corrected already: of a constant gradient g, the second estimate would be
    # (beta g + (1 - beta) g) / (1 - beta^2) = g / (1 - beta^2), and not g.
    ours, printed = adam_path(10), np.array(list(slipped(10, first=1)))
    np.testing.assert_allclose(ours[0], printed[0], rtol=1e-13)
    assert np.abs(ours[-1] - printed[-1]).max() > 0.1


def test_adam_with_the_epsilon_of_the_lecture_under_the_root():
    x = leaf([3.0])
    optimizer = optim.Adam([x], lr=0.1, eps=0.0, eps_root=16.0)
    x.grad = [3.0]
    optimizer.step()
    assert x.item() == pytest.approx(3.0 - 0.1 * 3.0 / np.sqrt(9.0 + 16.0), rel=1e-15)


# --- LAMB ---------------------------------------------------------------------------------------


def test_lamb_moves_every_tensor_by_the_same_fraction():
    rng = np.random.default_rng(4)
    tensors = [leaf(10.0**k * rng.normal(size=(3, 4))) for k in (-3, 0, 3)]
    lengths = [np.linalg.norm(x.numpy()) for x in tensors]
    optimizer = optim.LAMB(tensors, lr=0.01)
    before = [x.numpy().copy() for x in tensors]
    for x in tensors:
        x.grad = rng.normal(size=(3, 4))
    optimizer.step()
    for x, start, length in zip(tensors, before, lengths, strict=True):
        assert np.linalg.norm(x.numpy() - start) / length == pytest.approx(0.01)


def test_lamb_is_adam_times_the_trust_ratio():
    # theta <- theta - alpha |theta| / |u| u, with u = m_hat / (sqrt(v_hat) + eps) + lambda theta
    x = leaf([3.0, -4.0])
    path = descend(optim.LAMB([x], lr=0.1, weight_decay=0.2, eps=1e-6), x, 5)
    theta, m, v = np.array([3.0, -4.0]), np.zeros(2), np.zeros(2)
    for t in range(1, 6):
        g = 2.0 * theta * [1.0, 5.0]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        u = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6) + 0.2 * theta
        theta = theta - 0.1 * np.linalg.norm(theta) / np.linalg.norm(u) * u
        np.testing.assert_allclose(path[t - 1], theta, rtol=1e-12)


# --- convergence --------------------------------------------------------------------------------

RNG = np.random.default_rng(5)
X = RNG.normal(size=(30, 4))
Y = X @ [1.0, -2.0, 3.0, 0.0] + RNG.normal(size=30)
LABELS = (Y > 0).astype(float)


def squares(theta):
    return 0.5 * ((ag.matmul(X, theta) - Y) ** 2).sum()


def cross_entropy(theta):
    z = ag.matmul(X, theta)
    return (ag.softplus(z) - LABELS * z).sum() + 0.05 * (theta * theta).sum()


def newton(theta, steps=30):
    for _ in range(steps):
        p = 1 / (1 + np.exp(-X @ theta))
        hessian = (X.T * (p * (1 - p))) @ X + 0.1 * np.eye(4)
        theta = theta - np.linalg.solve(hessian, X.T @ (p - LABELS) + 0.1 * theta)
    return theta


LARGEST = float(np.linalg.eigvalsh(X.T @ X)[-1])
# The loss, its minimizer, and the Lipschitz constant L of its gradient.
CONVEX = {
    "quadratic": (squares, np.linalg.lstsq(X, Y, rcond=None)[0], LARGEST),
    "logistic": (cross_entropy, newton(np.zeros(4)), 0.25 * LARGEST + 0.1),
}


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("name", CONVEX)
def test_gradient_descent_never_crosses_its_bound(name, share):
    # |L(theta*) - L(theta_n)| <= |theta* - theta_0|^2 / (2 alpha n) for alpha <= 1 / L
    loss, best, lipschitz = CONVEX[name]
    lowest = float(loss(ag.tensor(best)))
    theta, alpha = leaf(np.zeros(4)), share / lipschitz
    optimizer = optim.SGD([theta], lr=alpha)
    for n in range(1, 300):
        optimizer.zero_grad()
        loss(theta).backward()
        optimizer.step()
        gap = float(loss(theta)) - lowest
        assert -1e-10 < gap <= float(best @ best) / (2 * alpha * n)


def test_a_rate_beyond_two_over_the_curvature_diverges():
    theta = leaf(np.zeros(4))
    optimizer = optim.SGD([theta], lr=2.1 / LARGEST)
    for _ in range(300):
        optimizer.zero_grad()
        squares(theta).backward()
        optimizer.step()
    assert float(squares(theta)) > 1e6


def noisy_descent(rate, steps=20000):
    """Follow gradients theta - 3 + noise of the strongly convex (theta - 3)^2 / 2 from 0."""
    theta = leaf([0.0])
    optimizer = optim.SGD([theta])
    noise = np.random.default_rng(6).normal(size=steps)
    for n in range(1, steps + 1):
        optimizer.lr = rate(n)
        theta.grad = theta.numpy() - 3.0 + noise[n - 1]
        optimizer.step()
    return theta.item()


def test_robbins_monro_rates_converge_and_others_do_not():
    # sum alpha_n = inf, sum alpha_n^2 < inf: the error is that of a mean of n samples.
    assert noisy_descent(lambda n: 1 / n) == pytest.approx(3.0, abs=4 / np.sqrt(20000))
    # sum 1/n^2 is finite: with factors 1 - 1/(n + 1)^2 half of the way is never made.
    assert noisy_descent(lambda n: 1 / (n + 1) ** 2) < 2.5
    # sum alpha_n^2 infinite: the noise is never averaged out.
    assert abs(noisy_descent(lambda n: 0.9) - 3.0) > 4 / np.sqrt(20000)
