"""Imports run downwards only, and the house rules that a program can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import clfkit

PACKAGE = Path(clfkit.__file__).parent

# The same table stands in docs/architecture.md. A name stands for a module or for a whole folder; the longest one
# that fits counts. A module imports from lower floors, or from its own folder.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "rng", "freed_memory", "vision", "wording", "interruption", "reporting", "world", "axes"),
    ("options", "plugins", "storage", "pages", "attempts"),
    ("document", "signature", "tracker_files", "locking"),
    ("registry",),
    ("components", "data.bundle", "listing"),
    ("train_options", "history"),
    ("config", "engines.base"),
    ("data", "checkpoint", "schedules", "losses", "metrics", "optimizers", "models", "augmentations", "mixings"),
    (
        "engines",
        "checkpoint_folders",
        "bootstrap",
        "calibration",
        "mistakes",
        "left_out_files",
        "result_files",
        "checking",
    ),
    ("run", "baselines", "views", "remembering"),
    ("classifier", "trainer", "evaluation", "environment", "resuming", "watching", "trackers"),
    ("plots", "memory", "restoring", "room", "timing", "preparation", "exporting"),
    ("batch_size", "comparing", "report", "announcing", "drawing", "ending"),
    ("experiment", "reference", "profiling", "range_test", "ensembles"),
    ("progress", "planning", "verifying"),
    ("cli",),
    ("__main__",),
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
PUBLIC_FACE = "__init__"  # clfkit/__init__.py: imports nothing until one of its functions is called


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below `clfkit`; a folder stands for its __init__.py."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def statements(node: ast.AST, *, deep: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements that run: with `deep` those inside functions too, never those for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from statements(other, deep=deep)
        elif isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif deep or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from statements(child, deep=deep)


def imported(name: str, *, deep: bool) -> Iterator[str]:
    """Absolute names of what a module imports."""
    for statement in statements(TREES[name], deep=deep):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
            continue
        assert statement.level == 0, f"{name}: relative import in line {statement.lineno}"
        for alias in statement.names:
            full = f"{statement.module}.{alias.name}"
            yield full if full.removeprefix("clfkit.") in MODULES else str(statement.module)


def own_imports(name: str, *, deep: bool) -> set[str]:
    """Modules of clfkit that a module imports, by their names below `clfkit`."""
    return {
        full.removeprefix("clfkit.")
        for full in imported(name, deep=deep)
        if full.startswith("clfkit.") and full.removeprefix("clfkit.") != name
    }


def floor_of(name: str) -> int:
    """The floor of a module: that of the longest name in the table which it is or lies below."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in FLOOR:
            return FLOOR[".".join(parts[:length])]
    pytest.fail(f"{name} has no floor: add it to the table here and in docs/architecture.md")


def test_every_name_in_the_table_exists() -> None:
    assert [name for name in FLOOR if name not in MODULES] == []


@pytest.mark.parametrize("name", [name for name in MODULES if name != PUBLIC_FACE])
def test_no_arrow_points_up(name: str) -> None:
    room = name.split(".")[0]
    upward = [
        f"{name} (floor {floor_of(name)}) imports {other} (floor {floor_of(other)})"
        for other in own_imports(name, deep=True)
        if other.split(".")[0] != room and floor_of(other) >= floor_of(name)
    ]
    assert upward == []


def test_public_face_imports_nothing_of_its_own() -> None:
    assert own_imports(PUBLIC_FACE, deep=False) == set()
    assert own_imports(PUBLIC_FACE, deep=True) != set()  # the walk does look into functions


def test_no_cycle_among_imports_that_run_at_import() -> None:
    """A module also needs the folders that it lies in, whose __init__.py runs first."""
    needs = {
        name: own_imports(name, deep=False)
        | {".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)}
        for name in MODULES
    }
    waiting = dict(needs)
    while waiting:
        free = {name for name, others in waiting.items() if not others & waiting.keys()}
        assert free, f"a cycle among {sorted(waiting)}"
        waiting = {name: others for name, others in waiting.items() if name not in free}


def outside(library: str) -> set[str]:
    """Modules that import a library anywhere, for type checkers too."""
    return {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == library for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == library)
    }


def test_trainer_computes_nothing_and_draws_nothing() -> None:
    assert "trainer" not in outside("torch") | outside("matplotlib")


def test_engines_alone_import_torch_at_the_top() -> None:
    """Elsewhere torch is imported when something is built, so that every other command starts quickly."""
    heavy = {"torch", "torchvision", "sklearn", "matplotlib", "scipy", "safetensors"}
    found = {
        name
        for name in MODULES
        if heavy & {full.split(".")[0] for full in imported(name, deep=False)} and not name.startswith("plots._")
    }
    assert found == {
        "engines.pytorch.average",
        "engines.pytorch.building",
        "engines.pytorch.device",
        "engines.pytorch.engine",
        "engines.pytorch.feed",
        "engines.pytorch.footprint",
        "engines.pytorch.global_draws",
        "engines.pytorch.global_norm",
        "engines.pytorch.guard",
        "engines.pytorch.mixing",
        "engines.pytorch.optimizing",
        "engines.pytorch.program",
        "engines.pytorch.roof",
        "engines.pytorch.state",
        "engines.pytorch.statistics",
        "engines.pytorch.whole_batch",
        "engines.pytorch.world",
    }


def test_torchvision_has_one_door() -> None:
    assert outside("torchvision") == set()
    users = [name for name, path in MODULES.items() if '"torchvision"' in path.read_text()]
    names_of_options = {"data.bundle", "data.jpeg_decoders"}  # decoder: torchvision
    assert set(users) <= {"vision", "environment", *names_of_options}


def test_nothing_is_unpickled() -> None:
    """Weights files of torch are read in one place, tensors and plain values only; pickle lends it an exception."""
    weights = "models.weight_files"
    for library in ("marshal", "joblib", "dill", "cloudpickle", "shelve"):
        assert outside(library) == set()
    assert {(name, full) for name in MODULES for full in imported(name, deep=True) if "pickle" in full} == {
        (weights, "pickle")
    }
    assert "pickle." not in MODULES[weights].read_text().replace("pickle import UnpicklingError", "")
    for name, path in MODULES.items():
        text = path.read_text()
        assert "allow_pickle=True" not in text, name
        called = {ast.unparse(node.func) for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)}
        loaders = {"torch.load", "torch.jit.load", "torch.hub.load"}
        assert called & loaders == ({"torch.load"} if name == weights else set()), name
    calls = [node for node in ast.walk(TREES[weights]) if isinstance(node, ast.Call)]
    (load,) = [node for node in calls if ast.unparse(node.func) == "torch.load"]
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in load.keywords}
    assert given == {"map_location": "'cpu'", "weights_only": "True", "mmap": "True"}


def test_figures_are_made_without_pyplot() -> None:
    assert [name for name, path in MODULES.items() if "matplotlib.pyplot" in path.read_text()] == []


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    assert name.split(".")[-1] not in {"utils", "util", "helpers", "common", "types", "misc"}
    assert ast.get_docstring(TREES[name]), "has no docstring"
    assert len(MODULES[name].read_text().splitlines()) <= 300


@pytest.mark.parametrize("name", MODULES)
def test_errors_are_caught_by_name(name: str) -> None:
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            raises_again = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in node.body)
            assert not broad or (node.type is not None and raises_again), f"{name}, line {node.lineno}"


@pytest.mark.parametrize("name", MODULES)
def test_functions_are_short(name: str) -> None:
    for node in ast.walk(TREES[name]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            start = (first.end_lineno or 0) + 1 if documented else first.lineno
            assert (node.end_lineno or 0) - start < 40, f"{name}.{node.name} has more than 40 lines"
