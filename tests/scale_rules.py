"""Scale each derivative rule by 1.001, one at a time, and show which law notices.

``python tests/scale_rules.py`` prints one row per rule of the registry and ends with exit status 1
if a single one gets by. The test suite runs the same for every rule.
"""

from __future__ import annotations

import functools
import sys
import time
from contextlib import contextmanager

from applications import applications
from laws import LAWS

import autograd_core as ag

FACTOR = 1.001


def all_rules():
    """Return each rule of the registry as (op, operand), those of the strong-zero twins too."""
    ops = [*ag.OPS.values(), *TWINS]
    return [(op, operand) for op in ops for operand in op.rules]


# The twin of an op takes its place in recorded sweeps: it is seen in second derivatives.
TWINS = {op.strong: op for op in ag.OPS.values() if op.strong is not None}


@contextmanager
def replaced(op, **rules):
    """Give an op other rules, within a ``with`` block."""
    original = {name: op.rules.get(name) for name in op.operands}
    ag.defvjp(op, **original | rules)
    try:
        yield op
    finally:
        ag.defvjp(op, **original)


def scaled(rule, factor=FACTOR):
    """Return a rule whose result is off by a factor."""

    @functools.wraps(rule)  # its parameters say what is remembered
    def wrong(ct, *remembered):
        return rule(ct, *remembered) * factor

    return wrong


def broken_laws(op, names=LAWS):
    """Return the names of the laws, among `names`, that an op breaks."""
    return [name for name in names if breaks(op, LAWS[name])]


def breaks(op, law):
    """Whether a law is broken: by a wrong number, or by an error while it is tried."""
    try:
        for operands, attributes in applications(op):
            law(op, operands, attributes)
    except Exception:
        return True
    return False


def red_laws(op, operand):
    """Scale one rule, and return the laws that its op then breaks."""
    with replaced(op, **{operand: scaled(op.rules[operand])}):
        return broken_laws(TWINS.get(op, op), ("pullback", "jacobian", "second_order"))


def main():
    start, escaped = time.perf_counter(), 0
    found = all_rules()
    print(f"each of {len(found)} rules scaled by {FACTOR}, one at a time\n")
    print(f"{'op':<24}{'operand':<14}laws that turn red")
    for op, operand in found:
        red = red_laws(op, operand)
        escaped += not red
        print(f"{op.name:<24}{operand:<14}{', '.join(red) or 'NONE: the error gets by'}")
    seconds = time.perf_counter() - start
    print(f"\n{len(found) - escaped} of {len(found)} noticed, in {seconds:.1f} s")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
