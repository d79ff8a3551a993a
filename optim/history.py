"""What a training reports: the history it returns, and the progress it shows."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["History", "Progress"]


class History(dict[str, list[float]]):
    """One list per quantity, one entry per report (epoch): pandas and matplotlib take it directly.

    Attributes
    ----------
    stopped_by : str
        ``"epochs"``, ``"early stopping"``, ``"callback"``, ``"interrupt"``, or ``"nan"``: a loss
        was not finite.
    best_epoch : int or None
        With early stopping: the entry of ``"epoch"`` whose weights the model now has.

    Examples
    --------
    >>> history = History()
    >>> history.add({"epoch": 1, "loss": 0.5})
    >>> history.add({"epoch": 2, "loss": 0.25})
    >>> history
    {'epoch': [1, 2], 'loss': [0.5, 0.25]}
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopped_by = "epochs"
        self.best_epoch: int | None = None

    def add(self, row: Mapping[str, float]) -> None:
        """Append the figures of one epoch."""
        for name, value in row.items():
            self.setdefault(name, []).append(value)


class Progress:
    """A progress bar where tqdm is installed, else one line per epoch; or nothing at all."""

    def __init__(self, epochs: int, count: int | None, visible: bool) -> None:
        self.epochs = epochs
        self.visible = visible
        self.bar: Any = None
        if visible and (tqdm := _tqdm()) is not None:
            total = None if count is None else epochs * count
            self.bar = tqdm(total=total, desc="training", unit="batch", file=sys.stderr)

    def batch(self, count: int = 1) -> None:
        """Note that a batch is done, or several."""
        if self.bar is not None:
            self.bar.update(count)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Show the figures of an epoch."""
        figures = {name: f"{row[name]:.4g}" for name in row if name not in ("epoch", "step")}
        if self.bar is not None:
            self.bar.set_description(f"epoch {row['epoch']}/{self.epochs}", refresh=False)
            self.bar.set_postfix(figures, refresh=False)
        elif self.visible:
            text = "  ".join(f"{name} {value}" for name, value in figures.items())
            print(f"epoch {row['epoch']}/{self.epochs}  {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the terminal in order."""
        if self.bar is not None:
            self.bar.close()


def _tqdm() -> Any:
    # By name, because it is optional, and late, because it costs as much to import as NumPy.
    try:
        return importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        return None
