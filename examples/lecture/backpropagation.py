"""Backpropagation through the 3-3-2 network with ReLU and squared error, matrix by matrix.

    python examples/lecture/backpropagation.py

Forward: a₁ = W₁ x + b₁, h = relu(a₁), f = W₂ h + b₂, L = ‖f - y‖². Backward: δ₂ = 2 (f - y),
δ₁ = (W₂ᵀ δ₂) ⊙ 1[a₁ > 0]; the gradients are δ₂ hᵀ and δ₁ xᵀ. The numbers are written out with
NumPy, the engine computes them again by one sweep over the tape, and both are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import nn

X, Y = np.array([1.0, 2.0, -1.0]), np.array([1.0, 0.0])
W1 = np.array([[0.5, 1.0, 0.5], [-1.0, 0.5, 1.0], [1.0, 0.5, -0.5]])
B1 = np.array([0.0, -0.5, 0.5])
W2 = np.array([[1.0, -1.0, 0.5], [-0.5, 1.0, 1.0]])
B2 = np.array([-1.0, 0.5])

Numbers = dict[str, np.ndarray]


def by_hand() -> Numbers:
    """Return everything that the lecture writes on the board."""
    a1 = W1 @ X + B1
    h = np.maximum(a1, 0.0)
    f = W2 @ h + B2
    delta2 = 2.0 * (f - Y)
    delta1 = (W2.T @ delta2) * (a1 > 0.0)
    return {
        "a₁ = W₁ x + b₁": a1,
        "h = relu(a₁)": h,
        "f = W₂ h + b₂": f,
        "δ₂ = 2 (f - y)": delta2,
        "∂L/∂W₂ = δ₂ hᵀ": np.outer(delta2, h),
        "∂L/∂b₂ = δ₂": delta2,
        "δ₁ = (W₂ᵀ δ₂) ⊙ 1[a₁ > 0]": delta1,
        "∂L/∂W₁ = δ₁ xᵀ": np.outer(delta1, X),
        "∂L/∂b₁ = δ₁": delta1,
    }


def by_the_engine() -> Numbers:
    """Return the gradients that `backward` leaves in the parameters."""
    model = nn.Sequential(
        nn.Linear(3, 3, dtype=np.float64), nn.ReLU(), nn.Linear(3, 2, dtype=np.float64)
    )
    parameters = list(model.parameters())
    for parameter, value in zip(parameters, (W1, B1, W2, B2), strict=True):
        parameter.assign(value)
    nn.MSELoss(reduction="batchmean")(model(X[None]), Y[None]).backward()
    names = ("∂L/∂W₁ = δ₁ xᵀ", "∂L/∂b₁ = δ₁", "∂L/∂W₂ = δ₂ hᵀ", "∂L/∂b₂ = δ₂")
    return {name: np.asarray(p.grad) for name, p in zip(names, parameters, strict=True)}


def show(name: str, value: np.ndarray) -> None:
    """Print a matrix, its name before the first row."""
    for i, row in enumerate(np.atleast_2d(value) + 0.0):  # the sum turns -0 into 0
        print(f"  {name if i == 0 else '':<27}[{' '.join(f'{x:6.2f}' for x in row)} ]")


def draw_layer(axes: Any, x: float, nodes: Numbers) -> np.ndarray:
    """Draw the units of one layer with what is known of each; return their heights."""
    count = len(next(iter(nodes.values())))
    heights = (np.arange(count)[::-1] - (count - 1) / 2) * 1.0
    for i, y in enumerate(heights):
        first, *rest = [(name, float(value[i])) for name, value in nodes.items()]
        silent = first[0] == "h" and first[1] == 0.0
        face = "#E8E8E8" if silent else style.PAPER
        axes.plot(x, y, "o", ms=37, mfc=face, mec=style.BLUE, mew=1.5, zorder=3)
        axes.text(x, y, f"${first[1]:g}$", ha="center", va="center", color=style.BLUE, zorder=4)
        for name, value in rest:
            axes.text(
                x,
                y - 0.37,
                f"${name} = {value:g}$",
                ha="center",
                va="center",
                color=style.VERMILION,
                fontsize=8.5,
                zorder=4,
                bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.8},
            )
    return heights


def draw_edges(axes: Any, ends: tuple[float, float], left: Any, right: Any, grad: Any) -> None:
    """Draw the weights between two layers, the wider the larger their gradient; dotted for 0."""
    for i, y in enumerate(right):
        for j, z in enumerate(left):
            size = abs(float(grad[i, j]))
            look: dict[str, Any] = {"color": style.VERMILION, "lw": 0.5 + 0.28 * size}
            if size == 0.0:
                look = {"color": style.GREY, "lw": 0.9, "ls": ":"}
            axes.plot(ends, (z, y), zorder=1, alpha=0.75, **look)


def draw(quick: bool) -> Figure:
    """Print the matrices, compare, and draw the network with its numbers."""
    hand, engine = by_hand(), by_the_engine()
    print("backpropagation: the 3-3-2 network")
    for name, value in {"x": X, "y": Y, "W₁": W1, "W₂": W2, **hand}.items():
        show(name, value)
    off = max(float(np.abs(engine[name] - hand[name]).max()) for name in engine)
    print(f"  The engine's gradients differ from these by at most {off:.0e}.")

    figure = style.figure(3.7)
    axes = figure.subplots()
    h, f = hand["h = relu(a₁)"], hand["f = W₂ h + b₂"]
    delta1, delta2 = hand["∂L/∂b₁ = δ₁"], hand["∂L/∂b₂ = δ₂"]
    first = draw_layer(axes, 0.0, {"x": X})
    second = draw_layer(axes, 1.0, {"h": h, r"\delta_1": delta1})
    third = draw_layer(axes, 2.0, {"f": f, r"\delta_2": delta2})
    draw_edges(axes, (0.0, 1.0), first, second, hand["∂L/∂W₁ = δ₁ xᵀ"])
    draw_edges(axes, (1.0, 2.0), second, third, hand["∂L/∂W₂ = δ₂ hᵀ"])
    for x, text in enumerate(("$x$", r"$h = \mathrm{relu}(W_1 x + b_1)$", "$f = W_2 h + b_2$")):
        axes.text(x, 1.55, text, ha="center", color=style.BLUE)
    for middle, text in ((0.5, r"$\partial L/\partial W_1$"), (1.5, r"$\partial L/\partial W_2$")):
        axes.text(middle, -1.6, text, ha="center", color=style.VERMILION)
    axes.text(2.32, 0.0, f"$y = ({Y[0]:g}, {Y[1]:g})$\n$L = {(f - Y) @ (f - Y):g}$", va="center")
    key = "width of a line: size\nof the gradient; dotted: 0"
    axes.text(2.78, -1.6, key, ha="right", fontsize=8.5)
    axes.set(xlim=(-0.25, 2.8), ylim=(-1.75, 1.75))
    axes.set_axis_off()
    return figure


if __name__ == "__main__":
    style.script(draw)
