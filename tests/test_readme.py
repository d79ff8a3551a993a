import re
from pathlib import Path

import pytest

import autograd_core as ag
import nn
import optim
from autograd_core.declare import COMPOSITES, OPS
from nn.activations import Activation

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def blocks():
    text = README.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start(1))
        # Blank lines in front make a traceback point into the README.
        yield pytest.param("\n" * line + found[1], id=f"line {line + 1}")


@pytest.mark.parametrize("source", list(blocks()))
def test_readme_block_runs(source, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec(compile(source, README, "exec"), {"__name__": "__main__"})


def test_there_are_blocks_and_both_commands():
    assert len(list(blocks())) >= 3
    assert "make train" in README.read_text() and "make test" in README.read_text()


def classes(package, base):
    """Return how many public classes of a package have a base, without the base itself."""
    members = (getattr(package, name) for name in package.__all__)
    kinds = (member for member in members if isinstance(member, type))
    return sum(issubclass(kind, base) and kind is not base for kind in kinds)


def test_the_counts_in_the_overview_are_true():
    public = [op for op in OPS.values() if not op.facets.get("internal")]
    constant = sum(op.nondiff is not None for op in public)
    counts = [
        f"{len(public) - constant} operations with a derivative rule, {constant} without",
        f"{len(COMPOSITES)} functions composed",
        f"| `ag.linalg` | {len(ag.linalg.__all__)} functions",
        f"| `ag.special` | {len(ag.special.__all__)} functions",
        f"{classes(nn, Activation) + 1} activations",  # and PReLU, which has a parameter
        f"| losses | {classes(nn, nn.Loss)},",
        f"{sum(name.endswith('_') for name in nn.init.__all__)} initialisers",
        f"| optimizers | {classes(optim, optim.Optimizer)}:",
        f"| schedules | {classes(optim, optim.Schedule)} that",
    ]
    text = README.read_text()
    assert [count for count in counts if count not in text] == []
