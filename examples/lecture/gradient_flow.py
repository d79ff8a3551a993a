"""Vanishing and exploding gradients: the gradient's norm on its way back through thirty layers.

    python examples/lecture/gradient_flow.py

Each layer multiplies the gradient by the slopes of the activation and by the transposed weights.
Thirty times a factor a little off 1 is many powers of ten.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag
import nn

DEPTH, WIDTH = 30, 64
ROOT_2 = 2.0**0.5

# Activation and gain g: weights are drawn from N(0, g² / width).
BY_ACTIVATION = {
    "sigmoid": ("sigmoid", 1.0),
    "ReLU": ("relu", 1.0),
    "swish": ("swish", 1.0),
    "tanh": ("tanh", 1.0),
    "linear": ("linear", 1.0),
}
BY_GAIN = {
    "g = 0.5": ("relu", 0.5),
    "g = 1": ("relu", 1.0),
    "g = √2": ("relu", ROOT_2),
    "g = 2": ("relu", 2.0),
    "g = 3": ("relu", 3.0),
}
FUNCTIONS = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
    "linear": nn.Identity,
}
DASHES: list[Any] = ["-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (8, 2))]


def layer(activation: str, gain: float, rng: np.random.Generator) -> nn.Module:
    """Return one layer of the deep perceptron, its biases 0."""
    linear = nn.Linear(WIDTH, WIDTH, rng=rng, dtype=np.float64)
    nn.init.normal_(linear.weight, 0.0, gain / WIDTH**0.5, rng=rng)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    frozen = nn.Sequential(linear, FUNCTIONS[activation]()).requires_grad_(False)
    return frozen  # the gradient passes through; that of the weights is not asked for


def gradient_norms(activation: str, gain: float) -> np.ndarray:
    """Return ‖∂L/∂h‖ before each layer and after the last, as parts of the one after the last."""
    rng = np.random.default_rng(0)
    h: Any = rng.normal(size=(32, WIDTH))
    pullbacks = []
    for _ in range(DEPTH):
        h, pullback = ag.vjp(layer(activation, gain, rng), h)
        pullbacks.append(pullback)
    cotangent = rng.normal(size=h.shape)  # of some loss that follows
    norms = [np.linalg.norm(cotangent)]
    for pullback in reversed(pullbacks):
        (cotangent,) = pullback(cotangent)
        norms.append(np.linalg.norm(cotangent))
    return np.array(norms[::-1]) / norms[0]


def draw_curves(axes: Any, cases: dict[str, tuple[str, float]]) -> None:
    """Draw the norms by layer, the input on the left, and print the first of them."""
    ends = {}
    for (name, case), color, dashes in zip(cases.items(), style.PALETTE, DASHES, strict=False):
        norms = gradient_norms(*case)
        axes.plot(range(DEPTH + 1), norms, color=color, ls=dashes)
        ends[name] = float(norms[0])
        print(f"  {name:<8} {norms[0]:.0e}")
    axes.set(yscale="log", xlim=(DEPTH, 0), xlabel=r"layer $\ell$, from the output back")
    axes.set(xticks=[30, 20, 10, 0])
    style.name_ends(axes, ends, style.PALETTE)


def draw(quick: bool) -> Figure:
    """Draw activations at one scale of the weights, and scales with one activation."""
    figure = style.figure(3.5)
    left, right = figure.subplots(1, 2)
    print(f"gradient flow: the norm after {DEPTH} layers back, in parts of the norm at the output")
    left.set_title("by activation, gain 1")
    left.set_ylabel(r"$\|\partial L / \partial h_\ell\|$, relative to the output")
    draw_curves(left, BY_ACTIVATION)
    right.set_title("ReLU, by gain of the weights")
    draw_curves(right, BY_GAIN)
    print(
        "  ReLU passes half of the gradient's energy, so a gain of √2 keeps its norm (He et al.)."
    )
    return figure


if __name__ == "__main__":
    style.script(draw)
