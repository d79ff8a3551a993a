"""The distribution that a classifier is asked for, with and without label smoothing.

    python examples/lecture/label_smoothing.py

The smoothed label is (1 - α) y + α/K. Scores that learn it come to rest where their difference is
log((1 - α + α/K) / (α/K)); without smoothing the difference grows for ever.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure

import autograd_core as ag
import nn
import optim

CLASSES, LABEL = 5, 2
ALPHAS = (0.0, 0.1, 0.3)
LOOKS = ((style.GREY, ":"), (style.BLUE, "-"), (style.VERMILION, (0, (4, 1.5))))


def smoothed(alpha: float) -> np.ndarray:
    """Return the label that `nn.CrossEntropyLoss` aims at."""
    return (1.0 - alpha) * np.eye(CLASSES)[LABEL] + alpha / CLASSES


def learn(alpha: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Learn the scores of one example; return their gap at each step, and the distribution."""
    scores = ag.tensor(np.zeros((1, CLASSES)), requires_grad=True)
    loss = nn.CrossEntropyLoss(label_smoothing=alpha)
    optimizer = optim.SGD([scores], lr=1.0)
    gaps = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss(scores, [LABEL]).backward()
        optimizer.step()
        now = scores.numpy()[0]
        gaps.append(now[LABEL] - now[LABEL - 1])
    return np.array(gaps), ag.softmax(scores).numpy()[0]


def draw_labels(axes: Any) -> None:
    """Draw the labels as bars, side by side."""
    for i, (alpha, (color, _)) in enumerate(zip(ALPHAS, LOOKS, strict=True)):
        at = np.arange(CLASSES) + 0.27 * (i - 1)
        label = smoothed(alpha)
        values = f"{label[LABEL]:.2f}, others {label[0]:.2f}"
        axes.bar(at, label, width=0.25, color=color, label=rf"$\alpha = {alpha:g}$: {values}")
    axes.set(xlabel="class $k$", ylabel="probability", title="What the loss aims at")
    axes.set(xticks=range(CLASSES), ylim=(0, 1.42), yticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_xticklabels([str(k + 1) for k in range(CLASSES)])
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper right")


def draw(quick: bool) -> Figure:
    """Draw labels, and scores as they learn them."""
    figure = style.figure(3.1)
    left, right = figure.subplots(1, 2)
    draw_labels(left)
    print("label smoothing: the gap between the scores of the label and of another class")
    for alpha, (color, dashes) in zip(ALPHAS, LOOKS, strict=True):
        steps = 200 if quick else 3000
        gaps, learned = learn(alpha, steps)
        right.plot(np.arange(1, steps + 1), gaps, color=color, ls=dashes)
        style.note(right, rf"$\alpha = {alpha:g}$", steps * 1.15, gaps[-1], color=color)
        aim = smoothed(alpha)
        limit = np.log(aim[LABEL] / aim[0]) if alpha else np.inf
        off = np.abs(learned - aim).max()
        print(
            f"  α = {alpha:g}: {gaps[-1]:.3f} after {steps} steps, the limit is {limit:.3f}; "
            f"softmax is {off:.0e} from its aim"
        )
        if alpha:
            right.axhline(limit, color=style.GREY, lw=0.8, zorder=1)
    right.set(xlabel="step $n$", ylabel=r"score gap $z_3 - z_k$", xscale="log")
    right.set(title="What the scores do", xlim=(1, steps), ylim=(0, None))
    return figure


if __name__ == "__main__":
    style.script(draw)
