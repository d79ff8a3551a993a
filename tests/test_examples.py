import gzip
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import finite_differences, harness, peers
from examples import train

ROOT = Path(__file__).resolve().parent.parent
PNG = b"\x89PNG\r\n\x1a\n"


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
    return train.main()


def write_idx(path, array, magic=None):
    header = magic or bytes([0, 0, 8, array.ndim])
    lengths = np.array(array.shape, ">u4").tobytes()
    content = header + lengths + array.astype(np.uint8).tobytes()
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(content)


@pytest.fixture
def stripes(tmp_path):
    """A set in IDX files, one half of them gzipped: the label says which row is bright."""
    rng = np.random.default_rng(0)
    for part, count, ending in (("train", 300, ".gz"), ("t10k", 50, "")):
        labels = rng.integers(0, 10, count)
        images = rng.integers(0, 60, (count, 10, 6))
        images[np.arange(count), labels] += 180
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{ending}", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{ending}", labels)
    return tmp_path


def test_digits_are_learned_to_97_percent_and_the_gradient_is_right(monkeypatch, capsys, tmp_path):
    assert run(monkeypatch, "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    (accuracy,) = re.findall(r"^test accuracy: (\d+\.\d) %$", printed, re.M)
    assert float(accuracy) >= 97.0
    assert re.search(r"^gradient check: agrees", printed, re.M)
    for picture in ("learning_curves.png", "predictions.png"):
        assert (tmp_path / picture).read_bytes().startswith(PNG)


def test_the_same_seed_gives_the_same_network(monkeypatch, capsys, tmp_path):
    accuracies = []
    for seed in (1, 1, 2):
        run(monkeypatch, "--epochs", 1, "--seed", seed, "--out", tmp_path)
        accuracies += re.findall(r"test accuracy: .*", capsys.readouterr().out)
    assert accuracies[0] == accuracies[1] != accuracies[2]


def test_idx_files_plain_and_gzipped(monkeypatch, capsys, stripes, tmp_path):
    assert run(monkeypatch, "--data", stripes, "--epochs", 8, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "300 images for training, 50 for testing" in printed
    assert float(re.search(r"test accuracy: (\S+) %", printed)[1]) > 90


def test_runs_as_a_script_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "train.py", "--epochs", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "test accuracy:" in done.stdout
    assert (tmp_path / "out" / "predictions.png").exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: (d / "t10k-labels-idx1-ubyte").unlink(), "t10k-labels-idx1-ubyte or .*Add it"),
        (
            lambda d: write_idx(d / "t10k-labels-idx1-ubyte", np.zeros(49)),
            "as many labels as images, but got 50 images and 49 labels",
        ),
        (
            lambda d: write_idx(d / "t10k-labels-idx1-ubyte", np.zeros(50), b"\0\0\r\1"),
            "starts with the bytes 00 00 08 01, but got 00 00 0d 01",
        ),
        (
            lambda d: write_idx(d / "t10k-labels-idx1-ubyte", np.full(50, 10)),
            "labels from 0 to 9, but got 10",
        ),
        (
            lambda d: (d / "t10k-images-idx3-ubyte").write_bytes(
                b"\0\0\x08\x03" + b"\0\0\0\2" * 3
            ),
            "8 bytes after the header, for shape .*, but got 0",
        ),
        (lambda d: (d / "t10k-images-idx3-ubyte").write_bytes(b""), "but got an empty file"),
        (
            lambda d: (d / "train-labels-idx1-ubyte.gz").write_bytes(
                gzip.compress(b"x" * 99)[:20]
            ),
            "a whole gzip file.*Fetch it anew",
        ),
        (
            lambda d: (d / "train-labels-idx1-ubyte.gz").write_bytes(b"not gzip"),
            "a whole gzip file.*Fetch it anew",
        ),
    ],
)
def test_damaged_data_is_explained(monkeypatch, capsys, stripes, damage, words):
    damage(stripes)
    assert run(monkeypatch, "--data", stripes) == 2
    assert re.search(words, capsys.readouterr().err)


def test_a_missing_directory_is_explained(monkeypatch, capsys, tmp_path):
    assert run(monkeypatch, "--data", tmp_path / "nowhere") == 2
    message = capsys.readouterr().err
    assert "a directory with four IDX files" in message and "dataset-fashion-mnist" in message


def test_epochs_must_be_positive(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--epochs", 0)
    assert "at least 1, but got 0" in capsys.readouterr().err


# The figures of the lecture.

LECTURE = ROOT / "examples" / "lecture"
FIGURES = sorted(p.stem for p in LECTURE.glob("*.py") if p.stem not in ("all", "style"))


def lecture(name, *arguments, **options):
    """Run a script of the lecture; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *(options.pop("wrap", ())), LECTURE / name, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        **options,
    )
    return done


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    out = tmp_path_factory.mktemp("lecture")
    done = lecture("all.py", "--quick", "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_the_lecture_draws_a_figure_for_every_script(figures):
    out, printed = figures
    assert sorted(path.stem for path in out.iterdir()) == FIGURES
    for name in FIGURES:
        text = (out / f"{name}.svg").read_text("utf-8")
        assert text.startswith("<?xml") and text.rstrip().endswith("</svg>")
        assert 'width="540pt"' in text  # 720 pixels
        assert f"{name}.svg" in printed


@pytest.mark.parametrize(
    "words",
    [
        r"The engine's gradients differ from these by at most (0e\+00|\de-1[5-7])",
        r"sigmoid 0\.25, tanh 1, softplus 0\.5, ReLU 0, .*swish 0\.5",
        r"logistic regression: never crossed, the gap is at most \d+% of the bound",
        r"quadratic: never crossed, the gap is at most \d+% of the bound",
        r"constant rate: \d\.\de-1[67]",
        r"the minimum is \[1\. 0\.\], sparse",
        r"the exponential falls by 0\.0200 each",
        r"α = 0\.1: 3\.829 after \d+ steps, the limit is 3\.829",
    ],
)
def test_the_lecture_says_what_to_see(figures, words):
    assert re.search(words, figures[1])


def test_penalties_lose_on_the_training_data_and_win_on_the_test(figures):
    found = re.findall(
        r"^  (no penalty|L1|L2) +(\S+) +(\S+) +(\S+) +(\S+) +(\d+)$", figures[1], re.M
    )
    rows = {name: [float(number) for number in numbers] for name, *numbers in found}
    for name in ("L1", "L2"):
        assert rows[name][0] > rows["no penalty"][0] and rows[name][1] < rows["no penalty"][1]
    assert rows["L1"][2] < rows["L2"][2] and rows["L1"][4] > 0 == rows["L2"][4]


def test_gradients_vanish_and_explode_with_depth(figures):
    rows = dict(re.findall(r"^  (sigmoid|g = \S+) +(\de[-+]\d+)$", figures[1], re.M))
    assert float(rows["sigmoid"]) < 1e-15 and float(rows["g = 3"]) > 1e8
    assert 0.1 < float(rows["g = √2"]) < 10


@pytest.mark.parametrize("name", ["momentum", "unit_balls"])
def test_a_figure_drawn_again_is_the_same_file(figures, name, tmp_path):
    done = lecture(f"{name}.py", "--quick", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = tmp_path / "out" / "lecture" / f"{name}.svg"
    assert again.read_bytes() == (figures[0] / f"{name}.svg").read_bytes()


def test_without_matplotlib_the_lecture_says_what_to_install(tmp_path):
    program = (
        "import runpy, sys; sys.modules['matplotlib'] = None; sys.path.insert(0, sys.argv[2])"
    )
    program += "; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = lecture("momentum.py", LECTURE, wrap=("-c", program), cwd=tmp_path)
    assert done.returncode == 1
    assert "error: figures: the package matplotlib, but got none. Install it" in done.stderr
    assert "autograd-core[viz]" in done.stderr and "Traceback" not in done.stderr


LINK = re.compile(r"\[([^]]*)\]\((\.\./[^)]+)\)")


def test_the_companion_of_the_lecture_names_what_is_there():
    page = ROOT / "docs" / "lecture.md"
    links = LINK.findall(page.read_text("utf-8"))
    assert len(links) > 40
    for names, target in links:
        path = (page.parent / target).resolve()
        assert path.exists(), target
        for name in re.findall(r"`(\w+)`", names) if path.is_file() else ():
            defined = rf"^ *(def|class) {name}\b|^{name} = "
            assert re.search(defined, path.read_text("utf-8"), re.M), f"{name} in {target}"
    drawn = {Path(target).stem for _, target in links if "/lecture/" in target}
    assert drawn == set(FIGURES)


# The measurements are run here for a moment each: what they print must be there and add up.


def test_a_contender_lives_in_a_process_of_its_own():
    contender = harness.Contender(
        "benchmarks.contenders.numpy_hand:training_step", {"workload": "tiny"}
    )
    first, second = contender.results(2)
    assert 0 < second < first
    samples = harness.interleave({"it": contender}, rounds=3, block_seconds=0.001)["it"]
    assert len(samples.seconds) == 3
    assert 0 < samples.minimum <= samples.median
    contender.close()


def test_a_contender_that_fails_says_why():
    with pytest.raises(harness.ContenderFailed, match="KeyError: 'huge'"):
        harness.Contender("benchmarks.contenders.numpy_hand:training_step", {"workload": "huge"})


def test_a_contender_whose_process_dies_is_noticed():
    with pytest.raises(harness.ContenderFailed, match="its process died"):
        harness.Contender("os:_exit", {"status": 3})


def test_ours_sees_the_losses_that_numpy_sees_in_the_race(monkeypatch, capsys, tmp_path):
    written = tmp_path / "race.json"
    options = (
        f"--workloads tiny,digits --contenders ours,numpy,products --rounds 1 --json {written}"
    )
    monkeypatch.setattr(sys, "argv", ["peers", *options.split()])
    assert peers.main() == 0
    printed = capsys.readouterr().out
    assert re.search(r"ours, eager +\| +[\d ]+ \(1\.00×\)", printed)
    assert set(json.loads(written.read_text())["seconds"]["digits"]) == {
        "ours",
        "numpy",
        "products",
    }


def test_a_contender_that_computes_something_else_is_left_out():
    class Seen(list):
        def results(self, steps):
            return self

    seen = {"ours": Seen([2.0, 1.0]), "floor": Seen([math.nan] * 2), "other": Seen([2.0, 1.02])}
    assert list(peers.disagreements(seen)) == ["other"]


def test_unknown_contenders_are_explained(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["peers", "--contenders", "ours,tensorflow"])
    with pytest.raises(SystemExit, match="must be of ours, ours.compile.*but got tensorflow"):
        peers.main()


def test_finite_differences_table_and_picture(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(finite_differences, "SIZES", [100, 200, 400])
    monkeypatch.setattr(finite_differences, "BATCH", 8)
    picture = tmp_path / "fd.png"
    monkeypatch.setattr(sys, "argv", ["fd", "--quick", "--out", str(picture)])
    finite_differences.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:6]] == ["101", "201", "401", "exponent"]
    assert picture.read_bytes().startswith(PNG)


def test_finite_differences_errors_are_of_the_known_orders():
    row = finite_differences.measure(finite_differences.Problem(100), budget=0.0)
    assert row.extrapolated == {"forward", "central"}
    assert row.errors["reverse"] < 1e-13
    assert row.errors["reverse"] < row.errors["central"] < row.errors["forward"] < 1e-4
