"""`gradcheck` and its kin: derivatives against numerical ones, without tolerances."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, UnknownNameError, explain
from .foreign import Foreign
from .report import GradcheckReport
from .session import MODES, Session
from .subject import Subject, parameters

__all__ = ["assert_gradients_match", "gradcheck", "gradcheck_callable"]


def gradcheck(
    fn: Callable[..., Any],
    *inputs: Any,
    loss: Callable[..., Any] | None = None,
    order: int = 1,
    forward: bool = False,
    mode: str | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    seed: int = 0,
    raise_exception: bool = False,
) -> GradcheckReport:
    r"""Compare the derivatives of a function on this engine with numerical ones.

    Parameters
    ----------
    fn : callable
        Takes and returns tensors, or nested containers of them. If it has ``named_parameters()``
        or ``parameters()``, as a module has, it is checked through these as well: their values
        are overwritten in place for each evaluation and restored whatever happens.
    *inputs : array_like or nested containers
        Where to check. Floating inputs are differentiated, all others are held constant.
    loss : callable, optional
        Check ``loss(fn(*inputs[:-1]), inputs[-1])``: a model with its loss.
    order : {1, 2}
        2 checks the backward pass, as a function of the inputs and of the cotangent, as well.
    forward : bool
        Check also that forward mode (`jvp`) is the adjoint of the backward pass.
    mode : {"full", "sampled", "fast", "auto"}, optional
        "full" measures every entry of the Jacobian; "fast" two random directions, in at most 20
        evaluations; "sampled" (also called "random") goes on, if one of them disagrees, to hunt
        for the worst entries. By default the size decides: full up to 400 input entries, beyond
        that sampled, which is as quick as fast where everything agrees.
    rtol, atol : float
        A difference up to ``atol + rtol * |measured|`` agrees in any case. Not needed: without
        them, the error bound of each measurement decides.
    seed : int
        For the random directions.
    raise_exception : bool
        Raise `GradcheckError` if the check fails (PyTorch's default). Otherwise look at the
        report, or call its ``raise_if_wrong()``.

    Returns
    -------
    GradcheckReport
        True in a condition if all agree; `print` shows a summary and the worst entries.

    Notes
    -----
    Along each direction the function is evaluated at steps that fall by factors of 8 from an
    eighth of the input's scale, and the differences are extrapolated to step zero. Their error
    bound adds truncation, seen in neighbouring rungs, and round-off, seen in the finest; a claim
    beyond it is wrong. Where a first look leaves doubt, finer and wider rungs are added. Where
    the slopes from the left and the right differ beyond their errors, the function has a kink.

    Inputs of single precision are evaluated in double precision if the function allows, and a
    module that has ``astype`` as a copy of double precision: what is proved then is the rule, to
    many digits. Claims in both precisions are compared first; where they differ by more than
    rounding explains, the function is measured in its own precision, to few digits.

    References
    ----------
    See `autograd_core.checking.ladder`.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> report = ag.gradcheck(lambda x: ag.sum(ag.sin(x) * x), np.array([0.5, 2.0]))
    >>> report.verdict, report.counts
    ('agrees', {'agrees': 2})
    """
    _require_usable("gradcheck", fn, mode, order)
    if loss is not None:
        _require_callable("gradcheck: loss=", loss)
        fn = _WithLoss(fn, loss)

    def make(lift: bool) -> Subject:
        chosen = _raised_copy(fn) if lift else fn
        return Subject(chosen, inputs, parameters(chosen), lift)

    report = Session(make, mode, rtol, atol, seed).run(order, forward)
    return report.raise_if_wrong() if raise_exception else report


def gradcheck_callable(
    f: Callable[..., Any],
    x: Any,
    vjp: Callable[..., Any] | None = None,
    grad: Callable[..., Any] | None = None,
    *,
    mode: str | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    seed: int = 0,
) -> GradcheckReport:
    """Compare a derivative that was written by hand, for any function of arrays.

    Parameters
    ----------
    f : callable
        Takes arrays and returns arrays, of whatever library: it need not know this engine.
    x : array_like or nested containers
        Where to check. A tuple for a function of several arguments, or of one that is a tuple.
    vjp : callable
        ``vjp(x, ct)`` returns the cotangent of `x` for a cotangent of the result; in containers
        as `x` is. It is called after `f` was called with the same `x`.
    grad : callable
        Instead of `vjp`, if the result is a single number: ``grad(x)`` is its gradient.
    mode, rtol, atol, seed
        As for `gradcheck`.

    Returns
    -------
    GradcheckReport
        Its verdict is "agrees", "wrong", "kink", "ill-conditioned", "nondeterministic" or
        "impure". Whatever `f` and its derivative do, it is reported, not raised.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> x = np.array([0.5, 2.0, -1.0])
    >>> report = ag.gradcheck_callable(np.sin, x, vjp=lambda x, ct: ct * np.cos(x))
    >>> report.verdict
    'agrees'
    >>> print(ag.gradcheck_callable(lambda x: x @ x, x, grad=lambda x: x).diagnosis)
    the derivative by x is off by a factor 2: too small
    """
    _require_usable("gradcheck_callable", f, mode, 1)
    derivative = vjp if grad is None else grad
    if (vjp is None) == (grad is None):
        what = "gradcheck_callable: one of vjp= and grad="
        got = "none" if grad is None else "both"
        raise DTypeError(explain(what, got, "Pass the derivative that belongs to the function"))
    _require_callable("gradcheck_callable: vjp= or grad=", derivative)
    scalar = vjp is None

    def make(lift: bool) -> Subject:
        return Foreign(f, x, derivative, scalar, lift)

    report = Session(make, mode, rtol, atol, seed).run()
    if report.verdict == "invalid":
        report.verdict = "ill-conditioned"
    return report


def assert_gradients_match(f: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    """Assert that a derivative is not wrong, for tests; the message is the report.

    Parameters
    ----------
    f : callable
    *inputs : array_like or nested containers
        As for `gradcheck`; with ``vjp=`` or ``grad=`` as for `gradcheck_callable`.
    **options
        Passed on. ``kinks=False`` does not put up with a kink, nor with a point at which rounding
        leaves the derivative undecided.

    Raises
    ------
    AssertionError

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> ag.assert_gradients_match(ag.tanh, np.ones(3))
    >>> ag.assert_gradients_match(np.tanh, np.ones(3), vjp=lambda x, ct: ct / np.cosh(x) ** 2)
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    kinks = options.pop("kinks", True)
    foreign = "vjp" in options or "grad" in options
    where = inputs if len(inputs) != 1 else inputs[0]
    report = (
        gradcheck_callable(f, where, **options) if foreign else gradcheck(f, *inputs, **options)
    )
    if report.failed or (not report and not kinks):
        raise AssertionError(str(report))


class _WithLoss:
    """A model and its loss as one function; the last argument is the loss's target."""

    def __init__(self, model: Callable[..., Any], loss: Callable[..., Any]) -> None:
        self.model = model
        self.loss = loss

    def named_parameters(self) -> list[tuple[str, Any]]:
        return list(parameters(self.model).items())

    def __call__(self, *inputs: Any) -> Any:
        return self.loss(self.model(*inputs[:-1]), inputs[-1])


def _require_usable(who: str, fn: Any, mode: str | None, order: int) -> None:
    _require_callable(f"{who}: a function as its first argument", fn)
    if mode not in MODES or order not in (1, 2):
        what = f"{who}: a mode among full, sampled, fast and auto, and an order among 1 and 2"
        raise UnknownNameError(explain(what, f"mode {mode!r}, order {order!r}", "Correct them"))


def _require_callable(what: str, fn: Any) -> None:
    if not callable(fn):
        do = "Pass the function, then its inputs"
        raise DTypeError(explain(what, type(fn).__name__, do))


def _raised_copy(fn: Any) -> Any:
    """Return a copy of a module in double precision; any other function as it is."""
    if isinstance(fn, _WithLoss):
        return _WithLoss(_raised_copy(fn.model), fn.loss)
    return copy.deepcopy(fn).astype(np.float64) if hasattr(fn, "astype") else fn
