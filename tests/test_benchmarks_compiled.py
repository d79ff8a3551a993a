"""The contenders of `benchmarks.compiled` that are always there compute the same."""

import re
import sys

import numpy as np
import pytest

from benchmarks import compiled, many_models
from benchmarks.contenders.compiled import numpy_hand, ours, problems
from benchmarks.harness import Samples


@pytest.mark.parametrize("part", ["mlp", "chain"])
def test_ours_finds_what_numpy_finds(part, monkeypatch):
    monkeypatch.setattr(problems, "CHAIN", 300_000)
    benches = {
        "numpy": getattr(numpy_hand, part)(),
        "ours": getattr(ours, part)(),
        "ours.eager": getattr(ours, part)(compiled=False),
    }
    for bench in benches.values():
        bench.step()
    found = {name: bench.result() for name, bench in benches.items()}
    assert not compiled.disagreements(found, compiled.RACES[part].agreement)
    assert compiled.disagreements(found | {"other": [2.0 * x for x in found["numpy"]]}, 1e-4)


def test_fit_learns_what_a_loop_over_the_step_learns():
    benches = ours.Fit(2), ours.Fit(2, compiled=False), ours.Loop(2)
    for bench in benches:
        bench.step()
    first, *others = (np.array(bench.result()) for bench in benches)
    assert 0.0 < first[1] < first[0]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-5)


def test_a_step_of_fit_is_timed_without_the_start_up():
    steps = 43
    few = Samples([3.0 + compiled.FEW * steps * 0.5])
    many = Samples([3.0 + compiled.MANY * steps * 0.5])
    loop = Samples([compiled.FEW * steps * 0.25])
    found = compiled.per_step({"few": few, "ours": many, "loop": loop})
    assert {name: s.median for name, s in found.items()} == {"ours": 0.5, "loop": 0.25}


def test_workers_change_no_model():
    results = []
    for workers in (None, 1, 2):
        trainings = many_models.Trainings(workers, examples=256, models=3)
        trainings.step()
        results.append(trainings.result())
    assert results[0] == results[1] == results[2]
    assert results[0][0] >= 20  # epochs


def test_the_table_of_a_race(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compiled", "--parts", "mlp", "--rounds", "1"])
    assert compiled.main() == 0
    assert re.search(
        r"ours, compiled +\| +[\d. ]+\| +[\d. ]+\| +1\.00 \|", capsys.readouterr().out
    )
