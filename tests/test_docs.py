"""The pages of docs/: the generated one is current, and the examples of the others run."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag
from autograd_core.catalogue import catalogue
from autograd_core.declare import COMPOSITES, OPS
from autograd_core.ops import pointwise

DOCS = Path(__file__).parent.parent / "docs"
# An example, and what it prints if that is more than a line, which stands in a block below it.
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
ADDING, COMPILE, DEBUGGING, DIAGNOSTICS, GRADCHECK = (
    BLOCK.findall((DOCS / page).read_text("utf-8"))
    for page in ("adding.md", "compile.md", "debugging.md", "diagnostics.md", "gradcheck.md")
)


@pytest.fixture
def registries():
    """Forget afterwards what an example declares."""
    before = dict(OPS), dict(COMPOSITES)
    yield
    for registry, entries in zip((OPS, COMPOSITES), before, strict=True):
        registry.clear()
        registry.update(entries)


def test_the_page_of_operations_is_current():
    assert (DOCS / "ops.md").read_text("utf-8") == catalogue(), "run `make docs`"


def test_the_page_shows_every_operation_with_its_rules():
    page = catalogue()
    for op in OPS.values():
        assert f"{op.name}(" in page
    assert "`ct * (0.5 / out)`" in page
    assert "a lambda" not in page


@pytest.mark.usefixtures("registries")
def test_adding_an_operation_takes_about_eight_lines():
    declaration, _ = ADDING[0]
    lines = [line for line in declaration.splitlines() if line]
    assert len(lines) <= 8
    exec(declaration, dict(vars(pointwise)))
    assert ag.gradcheck(OPS["symlog"], np.array([-1.5, 0.5, 2.0]))


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    ("block", "below"), [*ADDING[1:], *COMPILE, *DEBUGGING, *DIAGNOSTICS, *GRADCHECK]
)
def test_other_examples_print_what_they_say(block, below, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    path = tmp_path / "example.py"
    path.write_text(block, "utf-8")  # a file, because an optimizer is read from its source
    runpy.run_path(str(path))
    printed = capsys.readouterr().out.replace(f"{tmp_path}/", "").splitlines()
    said = below.splitlines() or re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert said and printed == said
