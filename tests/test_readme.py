import re
from pathlib import Path

import pytest

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
