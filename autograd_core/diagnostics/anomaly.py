"""`detect_anomaly`: the operation that made the first NaN or infinity, forward or backward.

An infinity that nothing comes of is no anomaly: ``where(x > 0, log(x), 0)`` takes logarithms of
negative numbers and uses none of them. So what an operation makes of finite operands is noted as a
*finding*, which goes over to every result that it spreads to. It is raised where it arrives: when
the host reads such a number, when a gradient is not finite, or when the context ends and nothing
finite was made of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator, ExitStack
from typing import Any

import numpy as np

from ..errors import AnomalyError, GraphError, explain
from ..listening import Listener
from ..modes import current, traced
from .findings import are_finite, backward_finding, finding_of, is_finite, tangent_finding

__all__ = ["detect_anomaly"]


class detect_anomaly(ContextDecorator):  # noqa: N801
    """Within this context, NaN or infinity in a result or a gradient raises, and says whence.

    Use it as ``with ag.detect_anomaly():`` or as the decorator ``@ag.detect_anomaly()``.

    Raises
    ------
    AnomalyError
        Where a number that is not finite arrives: when the host reads it (``float(loss)``,
        ``loss.numpy()``), when a gradient is not finite, or at the end of the context. The message
        names what made the first one: the operation, forward or backward, the element, the
        operands there, and the user's line; or that it was in what was given.
    GraphError
        Inside a function that is being compiled. Put the context around the call.

    Notes
    -----
    What later operations mask, as ``where`` and ``1 / (1 + exp(1000))`` do, raises nothing.
    Compiled functions run as without `compile` inside, and NumPy is silent about the numbers that
    this is about. It is for one thread: others do not notice. Nothing is checked outside of it.

    Examples
    --------
    >>> import autograd_core as ag, numpy as np
    >>> with ag.detect_anomaly():  # doctest: +ELLIPSIS
    ...     ag.sum(ag.log(np.array([1.0, 0.0]) * ag.tensor([1.0, 1.0])))
    Traceback (most recent call last):
        ...
    autograd_core.errors.AnomalyError: forward pass: finite numbers, but got -inf at [1] from ...
    """

    def __init__(self) -> None:
        self.open: list[tuple[ExitStack, Watch]] = []

    def _recreate_cm(self) -> detect_anomaly:  # a function may run in several threads at once
        return type(self)()

    def __enter__(self) -> None:
        trace = current().trace
        if trace is not None and trace.compiles:
            what = "detect_anomaly: a context around the call of a compiled function"
            do = "Write with detect_anomaly(): around the call"
            raise GraphError(explain(what, "one inside it, which its program would not have", do))
        watch, stack = Watch(), ExitStack()
        stack.enter_context(np.errstate(all="ignore"))
        stack.enter_context(traced(watch))
        self.open.append((stack, watch))

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        stack, watch = self.open.pop()
        stack.close()
        if error is None:
            watch.settle()
        elif not isinstance(error, AnomalyError) and (first := watch.first()) is not None:
            error.add_note(f"detect_anomaly: {first}")


class Mark:
    """A result that is not finite: what made it so, and what became of it.

    `taken` says that an operation has computed with it, `asked` that one like isnan looked at it.
    """

    __slots__ = ("array", "asked", "finding", "taken")

    def __init__(self, array: Any, finding: AnomalyError) -> None:
        self.array = array  # a weak reference: what nobody holds is not kept for this
        self.finding = finding
        self.taken = self.asked = False


class Watch(Listener):
    """Hears of results, and follows those that are not finite."""

    def __init__(self) -> None:
        self.marks: dict[int, Mark] = {}  # by the id of the array
        self.left: list[AnomalyError] = []  # of arrays that are gone, and that nothing took

    looks = True

    def look(self, op: Any, operands: tuple[Any, ...], out: np.ndarray) -> None:
        """Look at the result of an op."""
        if self.marks or not are_finite(out):
            self.note(op, [getattr(x, "_value", x) for x in operands], {}, out)

    def compute(self, op: Any, operands: tuple[Any, ...]) -> Callable[..., np.ndarray]:
        """Return the function that applies an op and looks at the result."""
        if current().strong_zeros:  # in a sweep infinities come and go; its end counts
            return super().compute(op, operands)
        compute = op.compute

        def checked(*arrays: Any, **attributes: Any) -> np.ndarray:
            out: np.ndarray = compute(*arrays, **attributes)
            if self.marks or not are_finite(out):
                self.note(op, arrays, attributes, out)
            return out

        return checked

    def note(
        self, op: Any, arrays: Sequence[Any], attributes: dict[str, Any], out: np.ndarray
    ) -> None:
        """Follow what is not finite from the operands to a result."""
        marks = [mark for array in arrays if (mark := self.marks.get(id(array))) is not None]
        question = out.dtype.kind not in "fc"
        for mark in marks:
            mark.asked, mark.taken = mark.asked or question, mark.taken or not question
        if is_finite(out):
            return
        known = [mark.finding for mark in marks]
        self.mark(out, known[0] if known else finding_of(op, arrays, attributes, out))

    def mark(self, array: np.ndarray, finding: AnomalyError) -> None:
        """Note that an array is not finite, because of a finding."""
        key = id(array)
        mark = self.marks[key] = Mark(None, finding)

        def gone(_: Any) -> None:
            if self.marks.get(key) is mark:
                del self.marks[key]
                self.left += [] if mark.taken or mark.asked else [finding]

        mark.array = weakref.ref(array, gone)

    def first(self) -> AnomalyError | None:
        """Return the finding of a result that nothing finite was made of."""
        found = self.left + [mark.finding for mark in self.marks.values() if not mark.taken]
        return min(found, key=lambda finding: finding.position, default=None)

    def settle(self) -> None:
        """Raise if there is one."""
        first = self.first()
        if first is not None:
            self.marks, self.left = {}, []
            raise first

    def same(self, copy: np.ndarray, array: np.ndarray) -> None:
        """Mark the copy of what is marked."""
        if (mark := self.marks.get(id(array))) is not None:
            mark.taken = True
            self.mark(copy, mark.finding)

    def read(self, array: np.ndarray) -> None:
        """Raise if the host looks at a result that is not finite."""
        if (mark := self.marks.get(id(array))) is not None:
            raise mark.finding

    # ----------------------------------------------------------------------------- the sweeps

    def swept(
        self, nodes: Sequence[Any], seeds: dict[Any, Any], found: dict[Any, Any], floor: int = 0
    ) -> None:
        """Look at the result of a backward sweep."""
        if not all(map(is_finite, found.values())):
            self.arrived(found.values(), lambda: backward_finding(nodes, seeds, found, floor))

    def pushed(self, nodes: Sequence[Any], known: dict[Any, Any], results: Sequence[Any]) -> None:
        """Look at the result of a forward sweep."""
        if not all(map(is_finite, results)):
            self.arrived(results, lambda: tangent_finding(nodes, known))

    def arrived(self, results: Any, find: Callable[[], AnomalyError]) -> None:
        """Raise for derivatives that are not finite; follow them if they are on the tape."""
        finding = self.first()
        if finding is None:
            with traced(None):
                finding = find()
        live = [x for x in results if getattr(x, "node", None) is not None]
        if not live:
            raise finding
        for tensor in live:
            if not is_finite(tensor):
                self.mark(tensor._value, finding)
