"""Training and test loss of a network that overfits, and the point where training stops.

    python examples/lecture/early_stopping.py

The same training is run twice: once with early stopping, which brings the best weights back, and
once to the end, to show what was avoided. The loss that decides is drawn as the test loss; where
the final quality is to be measured, too, that takes a third set of data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

import autograd_core as ag
import nn
import optim

NOISE = 0.4
PATIENCE = 200
Data = tuple[np.ndarray, np.ndarray]


def truth(x: np.ndarray) -> np.ndarray:
    """Return the function behind the data."""
    return np.sin(3.0 * x)


def sample(count: int, rng: np.random.Generator) -> Data:
    """Return noisy observations."""
    x = rng.uniform(-1.5, 1.5, (count, 1))
    return x, truth(x) + NOISE * rng.normal(size=x.shape)


def train(
    training: Data, held_out: Data, epochs: int, stopping: optim.EarlyStopping | None
) -> tuple[nn.Module, optim.History]:
    """Train a perceptron far too large for its data, always the same way."""
    model = nn.MLP([1, 64, 64, 1], activation="tanh", rng=3, dtype=np.float64)
    history = optim.fit(
        model,
        nn.MSELoss(),
        training,
        optim.Adam(model.parameters(), lr=2e-3),
        epochs=epochs,
        batch_size=len(training[0]),
        validation=held_out,
        early_stopping=stopping,
        progress=False,
    )
    return model, history


def draw_losses(axes: Any, full: optim.History, stopped: optim.History, best: int) -> None:
    """Draw both losses by epoch, the kept epoch and the one at which training ended."""
    end = len(stopped["epoch"])
    for name, color, label in (
        ("val_loss", style.VERMILION, "test"),
        ("loss", style.BLUE, "training"),
    ):
        axes.plot(full["epoch"][end:], full[name][end:], color=color, lw=1.2, alpha=0.45)
        axes.plot(stopped["epoch"], stopped[name], color=color, label=f"{label} loss")
    axes.axvline(end, color=style.GREY, ls=":", lw=1.3)
    lowest = stopped["val_loss"][best - 1]
    axes.plot(best, lowest, "o", ms=7, color=style.VERMILION, mec="white", zorder=4)
    axes.set(xlabel="epoch $n$", ylabel="mean squared error", yscale="log", title="Losses")
    axes.set(xlim=(0, full["epoch"][-1]), ylim=(0.025, 1.2))
    axes.set_yticks([0.03, 0.1, 0.3, 1.0], ["0.03", "0.1", "0.3", "1"])
    axes.yaxis.set_minor_locator(NullLocator())
    style.note(axes, f"weights kept:\nepoch {best}", best, lowest * 0.8, va="top")
    style.note(axes, f"stopped:\nepoch {end}", end - 20, 1.1, va="top", ha="right")
    axes.legend(loc="upper right")


def draw_fits(axes: Any, training: Data, models: dict[str, nn.Module]) -> None:
    """Draw the data, the truth and what the networks make of it."""
    x = np.linspace(-1.5, 1.5, 400)[:, None]
    axes.plot(x, truth(x), color=style.GREY, ls=":", label="truth")
    with ag.no_grad():
        for (label, model), color, width in zip(
            models.items(), (style.SKY, style.GREEN), (1.3, 2.2), strict=True
        ):
            axes.plot(x, model(x).numpy(), color=color, lw=width, label=label)
    axes.plot(*training, "o", ms=4, color=style.BLACK, label="training data")
    axes.set(xlabel="$x$", ylabel="$y$", title="Fits", ylim=(-2.2, 2.9))
    axes.legend(loc="upper left", ncols=2, columnspacing=1.0)


def draw(quick: bool) -> Figure:
    """Train twice and draw."""
    rng = np.random.default_rng(3)
    training, held_out = sample(16, rng), sample(300, rng)
    stopping = optim.EarlyStopping(patience=PATIENCE)
    epochs = PATIENCE + 200 if quick else 1500
    kept, stopped = train(training, held_out, epochs, stopping)
    overfitted, full = train(training, held_out, epochs, None)
    best = stopped.best_epoch or 1

    figure = style.figure(3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    draw_losses(left, full, stopped, best)
    draw_fits(right, training, {"trained to the end": overfitted, "weights kept": kept})
    print(
        f"early stopping: the test loss is lowest, {stopping.best:.3f}, after epoch {best}; "
        f"training stops {PATIENCE} epochs later"
    )
    print(
        f"  and these weights come back. At the end it would be {full['val_loss'][-1]:.3f}, "
        f"while the training loss falls to {full['loss'][-1]:.4f}."
    )
    return figure


if __name__ == "__main__":
    style.script(draw)
