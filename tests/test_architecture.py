"""The plan of the house, as a test: who imports whom, what loads when, how long things are."""

import ast
import os
import statistics
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from autograd_core.kernels import building

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("autograd_core", "nn", "optim")
CORE = ("tape", "tensor", "op", "transforms")  # what a student reads, in this order
# Heavy, loaded where they are first needed; `building` is what brings Numba.
LAZY = {"building", "numba", "llvmlite", "matplotlib", "tqdm"}

# Which rooms a room may import from, besides itself and the libraries. Files directly in
# autograd_core are the room "core"; "errors" is open to all.
ALLOWED = {
    "core": {"errors"},
    "ops": {"core", "kernels", "errors"},
    "kernels": {"errors"},
    "checking": {"core", "errors"},
    "diagnostics": {"core", "errors"},
    "compiler": {"core", "kernels", "errors"},
    "nn": {"facade", "errors", "draws"},
    "optim": {"facade", "errors", "update", "kernels"},
    "facade": {"core", "ops", "kernels", "checking", "diagnostics", "compiler", "errors"},
}


def files(*folders):
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py") if "data" not in p.parts)


@cache
def tree(path):
    return ast.parse(path.read_text(), str(path))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in files(*PACKAGES)}


def room(module):
    """Return the room that a module of the three packages is in."""
    package, *inner = module.split(".")
    if package != "autograd_core":
        return package
    if not inner or inner[0] in ("__main__", "linalg", "special"):
        return "facade"
    if inner == ["errors"]:
        return "errors"
    return inner[0] if (ROOT / package / inner[0]).is_dir() else "core"


def only_for_types(tree):
    """Return the imports under ``if TYPE_CHECKING:``, which do not happen."""
    blocks = (n for n in ast.walk(tree) if isinstance(n, ast.If))
    chosen = (b for b in blocks if ast.unparse(b.test).endswith("TYPE_CHECKING"))
    return {id(node) for block in chosen for node in ast.walk(block)}


def imports(path):
    """Return the full names of what a file imports from the project and from elsewhere."""
    skipped = only_for_types(tree(path))
    for node in ast.walk(tree(path)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(path, node)
            yield from (in_project(f"{base}.{alias.name}", base) for alias in node.names)


def absolute(path, node):
    if not node.level:
        return node.module
    package = path.relative_to(ROOT).parts[: -node.level]
    return ".".join((*package, *((node.module or "").split(".") if node.module else ())))


def in_project(full, base):
    return full if full in MODULES else base


ARROWS = {name: set(imports(path)) & MODULES.keys() - {name} for name, path in MODULES.items()}


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_plan(module):
    for target in ARROWS[module]:
        here, there = room(module), room(target)
        last = target.rpartition(".")[2]
        allowed = {here, *ALLOWED[here]}
        assert there in allowed or last in allowed, f"{module} may not import {target}"


def test_nobody_walks_in_a_circle():
    inner = {m: a - {"autograd_core", "nn", "optim"} for m, a in ARROWS.items()}
    try:
        list(TopologicalSorter(inner).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def reached(module):
    """Return all modules that a module depends on, directly or not."""
    found, stack = set(), [module]
    while stack:
        for target in ARROWS[stack.pop()] - found:
            found.add(target)
            stack.append(target)
    return {name.removeprefix("autograd_core.") for name in found}


def test_the_core_is_read_in_order():
    order = ("errors", *CORE)
    for i, name in enumerate(order):
        later = set(order[i + 1 :])
        assert not reached(f"autograd_core.{name}") & later, f"{name} knows what comes later"
    assert {"tape", "tensor", "op"} <= reached("autograd_core.transforms")


def test_the_three_sentences():
    for module in MODULES:
        found = reached(module)
        if room(module) == "ops":
            assert not any(name.startswith("compiler") for name in found), "ops know the compiler"
        if room(module) == "optim":
            assert not any(name.split(".")[0] == "nn" for name in found), "optim knows layers"
        if room(module) == "nn":
            direct = {name for name in ARROWS[module] if name.startswith("autograd_core.")}
            assert direct <= {"autograd_core.errors", "autograd_core.draws"}, "nn knows the tape"
        if room(module) == "core":
            assert not any(name.startswith(("ops", "kernels", "nn")) for name in found)


def functions(tree):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("module", MODULES)
def test_no_import_inside_a_function_but_of_heavy_libraries(module):
    for function in functions(tree(MODULES[module])):
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                heads = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                heads = {a.name for a in node.names} if node.level else {node.module.split(".")[0]}
            else:
                continue
            assert heads <= LAZY, f"{module}: {function.name} imports {heads}"


HEAVY = (  # load one another
    "access",
    "atomics",
    "building",
    "nontemporal",
    "objects",
    "panels",
    "skipping",
    "tiles",
    "tiling",
    "vectors",
    "wide",
)


def test_numba_is_asked_for_in_one_place_and_what_that_loads():
    for module, path in MODULES.items():
        heavy = {name.split(".")[0] for name in imports(path)} & {"numba", "llvmlite"}
        assert not heavy or room(module) in ("kernels", "compiler"), f"{module} imports {heavy}"
        if room(module) == "kernels" and heavy:
            assert module.rpartition(".")[2] in HEAVY, module


def test_what_writes_machine_code_counts_where_it_is_kept():
    """Else a new version would load what another text has made."""
    counted = {module.__name__.rpartition(".")[2] for module in building.WRITERS}
    assert set(HEAVY) - {"building"} <= counted


def test_the_packages_load_without_numba_and_other_weights():
    program = (
        "import sys, autograd_core, nn, optim\n"
        "import autograd_core as ag, numpy as np\n"
        "x = ag.tensor(np.ones(3), requires_grad=True)\n"
        "(ag.exp(x) * x).sum().backward()\n"
        "heavy = 'numba llvmlite matplotlib tqdm scipy pandas'.split()\n"
        "print(*[name for name in heavy if name in sys.modules])\n"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# ------------------------------------------------------------------------------- lengths


def lines(path):
    return len(path.read_text().splitlines())


LIMITS = {**dict.fromkeys(PACKAGES, 400), "benchmarks": 400, "examples": 400}


@pytest.mark.parametrize("folder", LIMITS)
def test_no_file_is_too_long(folder):
    too_long = {path.name: lines(path) for path in files(folder) if lines(path) > LIMITS[folder]}
    assert not too_long


def test_the_student_core_is_under_500_lines():
    total = {name: lines(ROOT / "autograd_core" / f"{name}.py") for name in CORE}
    assert sum(total.values()) < 500, total


def body_length(function):
    """Return how many lines a function's body has without its docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_short():
    lengths = [
        (body_length(function), f"{module}: {function.name}")
        for module, path in MODULES.items()
        for function in functions(tree(path))
    ]
    numbers = sorted(length for length, _ in lengths)
    assert statistics.median(numbers) < 8
    assert numbers[int(0.9 * len(numbers))] < 20
    too_long = [f"{name} has {length} lines" for length, name in lengths if length > 40]
    assert not too_long, too_long


# ------------------------------------------------------------------------------- promises


def test_every_module_says_what_it_is_for():
    for path in MODULES.values():
        assert ast.get_docstring(tree(path)), f"{path.name} has no docstring"
