"""Train a multilayer perceptron on images, from the data to the pictures.

    python examples/train.py                         the handwritten digits beside this file
    python examples/train.py --data DIRECTORY        Fashion-MNIST, or any set of four IDX files

It trains with early stopping on a part of the training images, measures the accuracy on the test
images, checks the gradient of the very model against finite differences, and draws the learning
curves and a grid of predictions.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

# Products this small gain nothing from a second thread, and lose much where others are busy. It
# has to be said before NumPy is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from matplotlib.figure import Figure

import autograd_core as ag
import nn
import optim
from autograd_core.checking import GradcheckReport
from autograd_core.errors import explain

HERE = Path(__file__).resolve().parent
DIGITS = HERE / "data" / "digits.npz"
FASHION = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker"]
FASHION += ["bag", "ankle boot"]


@dataclass
class Images:
    """Images of one set: pixels from 0 to 1, one row each, and their labels."""

    x: np.ndarray  # (n, height * width), float32
    y: np.ndarray  # (n,), int64
    shape: tuple[int, int]  # height, width


@dataclass
class Recipe:
    """What suits a data set: the network and how to train it."""

    hidden: tuple[int, ...]
    dropout: float
    batch_size: int
    epochs: int
    weight_decay: float
    names: list[str]
    lr: float = 2e-3


DIGITS_RECIPE = Recipe((512,), 0.5, 32, 80, 0.3, [str(k) for k in range(10)])
FASHION_RECIPE = Recipe((256, 128), 0.2, 128, 15, 1e-2, FASHION)


# ---------------------------------------------------------------- data


def load_digits() -> tuple[Images, Images]:
    """Return the digits for training and for testing, by the division stored with them."""
    with np.load(DIGITS) as stored:
        pixels, labels = stored["images"], stored["labels"].astype(np.int64)
        train, test = stored["train"], stored["test"]
    x = pixels.reshape(len(pixels), -1).astype(np.float32) / 16
    return Images(x[train], labels[train], (8, 8)), Images(x[test], labels[test], (8, 8))


def load_idx(directory: Path) -> tuple[Images, Images]:
    """Return the sets stored as four IDX files, gzipped or plain, in the layout of MNIST."""
    if not directory.is_dir():
        raise InputError(
            "--data: a directory with four IDX files",
            directory,
            "Pass the directory; on Debian, dataset-fashion-mnist puts one under share/datasets",
        )
    return load_part(directory, "train"), load_part(directory, "t10k")


def load_part(directory: Path, part: str) -> Images:
    """Return one of the two sets in a directory."""
    pixels = read_idx(find(directory, f"{part}-images-idx3-ubyte"), dimensions=3)
    labels = read_idx(find(directory, f"{part}-labels-idx1-ubyte"), dimensions=1)
    if len(pixels) != len(labels):
        raise InputError(
            f"{part}: as many labels as images",
            f"{len(pixels)} images and {len(labels)} labels",
            "Take both files from the same set",
        )
    if labels.max(initial=0) > 9:
        raise InputError(f"{part}: labels from 0 to 9", labels.max(), "Take a set of ten classes")
    x = pixels.reshape(len(pixels), -1).astype(np.float32) / 255
    return Images(x, labels.astype(np.int64), pixels.shape[1:])


def find(directory: Path, name: str) -> Path:
    """Return the path of an IDX file, plain or gzipped."""
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"--data: {name} or {name}.gz", f"no such file in {directory}", "Add it")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of bytes: two zeros, the type, the dimensions, big-endian lengths, data."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile) as broken:
        raise InputError(f"{path.name}: a whole gzip file", broken, "Fetch it anew") from None
    start = 4 + 4 * dimensions
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic or len(content) < start:
        raise InputError(
            f"{path.name}: an IDX file that starts with the bytes {magic.hex(' ')}",
            content[:4].hex(" ") or "an empty file",
            "Check that it is the file its name says",
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) - start != np.prod(shape):
        raise InputError(
            f"{path.name}: {np.prod(shape)} bytes after the header, for shape {shape}",
            len(content) - start,
            "Fetch the file anew, it is not whole",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


class InputError(ValueError):
    """Something on the command line or in the data is not as expected."""

    def __init__(self, what: str, got: object, do: str) -> None:
        super().__init__(explain(what, got, do))


# ---------------------------------------------------------------- training


def train(
    images: Images, recipe: Recipe, rng: np.random.Generator
) -> tuple[nn.Module, optim.History]:
    """Train a perceptron; a tenth of the images decides when to stop."""
    order = rng.permutation(len(images.y))
    held_out, rest = np.split(order, [len(order) // 10])
    sizes = [images.x.shape[1], *recipe.hidden, len(recipe.names)]
    model = nn.MLP(sizes, activation="relu", dropout=recipe.dropout, rng=rng)
    print(model)
    optimizer = optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    history = optim.fit(
        model,
        nn.CrossEntropyLoss(),
        (images.x[rest], images.y[rest]),
        optimizer,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        validation=(images.x[held_out], images.y[held_out]),
        schedule=optim.CosineAnnealingLR(optimizer, T_max=recipe.epochs),
        early_stopping=optim.EarlyStopping(patience=15),
        metrics={"accuracy": accuracy},
        rng=rng,
    )
    return model, history


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of rows whose largest score is at the label."""
    return float(np.mean(scores.argmax(axis=1) == labels))


def predict(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """Return the probability of each class, (n, classes)."""
    model.eval()
    with ag.no_grad():
        return ag.softmax(model(x), axis=1).numpy()


# ---------------------------------------------------------------- gradient check


class Objective(nn.Module):
    """The loss of a model on given labels, as one function with the model's parameters."""

    def __init__(self, model: nn.Module, labels: np.ndarray) -> None:
        self.model = model
        self.labels = labels
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> ag.Tensor:
        """Return the mean cross-entropy."""
        return self.criterion(self.model(x), self.labels)


def check_gradient(model: nn.Module, images: Images) -> GradcheckReport:
    """Compare the model's derivatives by all parameters and pixels with numerical ones.

    It is done in double precision, where the numerical derivatives are good to ten digits, and
    without dropout, whose masks would differ from one evaluation to the next.
    """
    objective = Objective(model, images.y[:16])
    objective.eval().astype(np.float64)
    return ag.gradcheck(objective, images.x[:16].astype(np.float64))


# ---------------------------------------------------------------- pictures


def draw_curves(history: optim.History, path: Path) -> None:
    """Draw loss, accuracy and learning rate by epoch; a line marks the weights that were kept."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    losses, accuracies, rates = figure.subplots(1, 3)
    for axes, name in ((losses, "loss"), (accuracies, "accuracy")):
        axes.plot(history["epoch"], history[name], label="training, with dropout")
        axes.plot(history["epoch"], history[f"val_{name}"], label="validation")
    losses.set(title="Cross-entropy", yscale="log")
    accuracies.set(title="Accuracy", ylim=(max(0.0, min(history["val_accuracy"]) - 0.05), 1.0))
    rates.plot(history["epoch"], history["lr"], color="tab:green")
    rates.set(title="Learning rate")
    for axes in (losses, accuracies, rates):
        axes.axvline(history.best_epoch, color="gray", ls=":", label="weights kept")
        axes.set_xlabel("epoch")
        axes.grid(which="both", alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def draw_predictions(
    images: Images, probabilities: np.ndarray, names: list[str], path: Path
) -> None:
    """Draw test images with what was predicted: mistakes in the last row, others above."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != images.y)
    rightly = np.flatnonzero(predicted == images.y)
    chosen = np.concatenate([rightly[: 40 - len(wrong[:8])], wrong[:8]])
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    for place, i in enumerate(chosen, start=1):
        axes = figure.add_subplot(5, 8, place)
        axes.imshow(images.x[i].reshape(images.shape), cmap="gray_r")
        axes.set_axis_off()
        right = predicted[i] == images.y[i]
        title = f"{names[predicted[i]]}  {probabilities[i].max():.0%}"
        title += "" if right else f"\n({names[images.y[i]]})"
        axes.set_title(title, fontsize=9, color="black" if right else "red")
    figure.suptitle(
        f"Predictions on test images. Red: {len(wrong[:8])} of the {len(wrong)} mistakes among "
        f"{len(predicted)}, the truth in brackets"
    )
    figure.savefig(path, dpi=120)


# ---------------------------------------------------------------- the command


def positive(text: str) -> int:
    """Read a number of epochs."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(explain("at least 1", number, "Pass a positive number"))
    return number


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIRECTORY", help="four IDX files")
    parser.add_argument("--epochs", type=positive, help="at most so many (early stopping)")
    parser.add_argument("--seed", type=int, default=0, help="of all randomness (default 0)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where the pictures go")
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Load, train, test, check, draw."""
    training, test = load_idx(args.data) if args.data else load_digits()
    recipe = FASHION_RECIPE if args.data else DIGITS_RECIPE
    recipe = replace(recipe, epochs=args.epochs or recipe.epochs)
    rng = np.random.default_rng(args.seed)
    print(f"{len(training.y)} images for training, {len(test.y)} for testing")

    start = time.perf_counter()
    model, history = train(training, recipe, rng)
    print(f"trained {len(history['epoch'])} epochs in {time.perf_counter() - start:.1f} s")

    probabilities = predict(model, test.x)
    print(f"test accuracy: {100 * accuracy(probabilities, test.y):.1f} %")
    print(check_gradient(model, test))

    args.out.mkdir(parents=True, exist_ok=True)
    draw_curves(history, args.out / "learning_curves.png")
    draw_predictions(test, probabilities, recipe.names, args.out / "predictions.png")
    print(f"pictures: {args.out}/learning_curves.png, {args.out}/predictions.png")


def main() -> int:
    """Run, and report bad input in one line."""
    try:
        run(arguments())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
