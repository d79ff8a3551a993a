"""Reference cases: expressions, inputs and the results that other systems computed.

The whole set is read from ``../shared/data`` beside the checkout where that exists; a small part
of it travels with the project in ``tests/data``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import autograd_core as ag
import nn

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
OWN = ROOT / "tests" / "data"


class Missing(Exception):
    """The case asks for a name that does not exist here (yet)."""


CREATION = ("arange", "array", "eye", "linspace", "ones", "zeros")


class Namespace:
    """A namespace like NumPy's: functions of this engine; NumPy's own where nothing is derived."""

    def __getattr__(self, name):
        for home in (ag, nn.functional, ag.special, ag.linalg):
            found = getattr(home, name, None)
            if callable(found) or name == "linalg":
                return found
        own = getattr(np, name, None)
        if name in CREATION or isinstance(own, (float, type)) or name == "newaxis":
            return own
        raise Missing(name)


SCOPE = {"np": Namespace(), "nn": Namespace()}


def cases(shared=True):
    """Return the cases of ``ops/``, each with its arrays by (kind, name)."""
    whole = SHARED / "ops"
    if shared and whole.exists():
        index = json.loads((whole / "ops_index.json").read_text())
        with np.load(whole / "ops.npz") as arrays:
            return joined(index, dict(arrays))
    index = json.loads((OWN / "ops_index.json").read_text())
    with np.load(OWN / "ops_values.npz") as archive:
        values = archive["values"]
    return joined(index, {key: cut(values, *place) for key, place in index["arrays"].items()})


def cut(values, start, shape, dtype):
    """Return one array out of the vector that holds them all."""
    return values[start : start + int(np.prod(shape))].reshape(shape).astype(dtype)


def joined(index, arrays):
    found = {}
    for key, array in arrays.items():
        case, *kind = key.split("|")
        found.setdefault(case, {})[tuple(kind)] = array
    return [case | {"arrays": found[case["id"]]} for case in index["cases"]]


def table(name):
    """Return a JSON file of ``exact/`` or ``models/``, or the part of it that travels here."""
    whole = SHARED / name
    own = OWN / f"ops_{Path(name).name}"
    return json.loads((whole if whole.exists() else own).read_text())


def run(case):
    """Return the value of a case and its cotangents by name. Raises Missing."""
    names = {kind[1]: array for kind, array in case["arrays"].items() if kind[0] == "in"}

    def function(*values):
        scope = names | dict(zip(case["diff"], values, strict=True))
        try:
            return eval(case["expr"], SCOPE | scope)
        except (AttributeError, ag.DTypeError) as error:
            if is_missing(error):
                raise Missing(str(error)) from error
            raise

    with np.errstate(all="ignore"):
        value, pull = ag.vjp(function, *(names[name] for name in case["diff"]))
        ct = case["arrays"][("ct",)]
        return value, dict(zip(case["diff"], pull(ct.astype(np.result_type(value))), strict=True))


def is_missing(error):
    text = str(error)
    return "has no attribute" in text or "operation that autograd_core can differentiate" in text


def judge(case):
    """Return "pass", "missing" or what is wrong."""
    try:
        value, grads = run(case)
    except Missing as missing:
        return f"missing {missing}"
    except Exception as error:
        return f"crash: {type(error).__name__}: {error}"
    wanted = case["arrays"]
    rtol = case["rtol"]
    wrong = [] if close(value, wanted[("out",)], rtol) else ["value"]
    for name, grad in grads.items():
        if np.shape(grad) != wanted[("in", name)].shape:
            wrong.append(f"shape of {name}")
        elif case["policy"] == "nonfinite":
            continue  # infinite or undefined there: nothing to compare with
        elif not any(close(grad, truth, rtol) for truth in truths(case, name)):
            wrong.append(
                f"{name}: {np.ravel(grad)[:3]} for {np.ravel(wanted[('grad', name)])[:3]}"
            )
    return ", ".join(wrong) or "pass"


# PyTorch differentiates it with 1/6 rounded to float32; JAX's cotangents are ct / 6.
RIGHT_IN_JAX = ("hard_sigmoid", "hard_sigmoid.0d")


def truths(case, name):
    """Return what may come out: where a convention decides, that of each system."""
    if case["id"] in RIGHT_IN_JAX:
        return [case["arrays"][("grad_jax", name)]]
    kinds = ("grad", "grad_torch", "grad_jax") if case["policy"] == "convention" else ("grad",)
    return [case["arrays"][(kind, name)] for kind in kinds if (kind, name) in case["arrays"]]


def close(got, want, rtol):
    got, want = np.asarray(got, float), np.asarray(want, float)
    if got.shape != want.shape:
        return False
    scale = np.abs(want[np.isfinite(want)]).max(initial=1e-3)
    return np.allclose(got, want, rtol=rtol, atol=rtol * scale, equal_nan=True)
