"""Gradient checkers of other libraries, each as a function that makes one: whether it passes."""

import importlib

import numpy as np

__all__ = ["hips_autograd", "jax", "pytorch", "scipy"]


def pytorch():
    """Return a checker that asks ``torch.autograd.gradcheck``."""
    import torch

    def check(problem):
        class Function(torch.autograd.Function):  # type: ignore[misc]
            @staticmethod
            def forward(ctx, *x):
                ctx.arrays = [a.detach().numpy() for a in x]
                return torch.as_tensor(np.array(problem.f(*ctx.arrays)))

            @staticmethod
            def backward(ctx, *ct):
                found = problem.vjp(*ctx.arrays, ct[0].numpy().copy())
                return tuple(torch.as_tensor(np.array(part)) for part in found)

        x = [torch.tensor(a, requires_grad=True) for a in problem.x]
        return bool(torch.autograd.gradcheck(Function.apply, x))

    return check


def jax():
    """Return a checker that asks ``jax.test_util.check_grads``, for reverse mode."""
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def check(problem):
        def host(function):
            return lambda *args: function(*(np.array(a) for a in args))

        like = jax.ShapeDtypeStruct(np.shape(problem.f(*problem.x)), problem.x[0].dtype)
        inputs = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in problem.x)

        @jax.custom_vjp
        def function(*x):
            return jax.pure_callback(host(problem.f), like, *x)

        def backward(x, ct):
            return jax.pure_callback(host(problem.vjp), inputs, *x, ct)

        function.defvjp(lambda *x: (function(*x), x), backward)
        check_grads(function, problem.x, order=1, modes=["rev"])
        return True

    return check


def hips_autograd():
    """Return a checker that asks ``autograd.test_util.check_vjp``."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def check(problem):
        function = primitive(lambda *x: problem.f(*x))
        rules = [
            lambda _, *x, i=i: lambda ct: problem.vjp(*x, ct)[i] for i in range(len(problem.x))
        ]
        defvjp(function, *rules)
        check_grads(function, modes=["rev"], order=1)(*problem.x)
        return True

    return check


def scipy():
    """Return a checker that asks ``scipy.optimize.check_grad``."""
    # By name, because a type checker without stubs for it objects to an import.
    check_grad = importlib.import_module("scipy.optimize").check_grad

    def check(problem):
        sizes = np.cumsum([a.size for a in problem.x])[:-1]
        out = np.asarray(problem.f(*problem.x))
        weights = np.linspace(0.5, 1.5, out.size).reshape(out.shape)

        def arrays(flat):
            parts = np.split(flat, sizes)
            return [p.reshape(a.shape) for p, a in zip(parts, problem.x, strict=True)]

        def value(flat):
            return np.sum(weights * problem.f(*arrays(flat.copy())))

        def gradient(flat):
            found = problem.vjp(*arrays(flat.copy()), weights.copy())
            return np.concatenate([np.ravel(part) for part in found])

        point = np.concatenate([a.ravel() for a in problem.x])
        limit = 1e-5 * max(1.0, float(np.linalg.norm(gradient(point))))
        return bool(check_grad(value, gradient, point) <= limit)

    return check
