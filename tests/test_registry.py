"""Registries: components whose options are the keyword-only parameters of a function."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt, TypeAdapter, ValidationError

from clfkit import components
from clfkit.errors import UnknownName, UsageError
from clfkit.options import Options, one_of
from clfkit.plugins import load_plugin
from clfkit.registry import Component, Registry, plain
from clfkit.wording import closest, meant, printable, shown


class Shared(Options):
    """What all shapes share."""

    scale: float = Field(1.0, description="how large")


Sides = Annotated[PositiveInt | Literal["many"], one_of("a whole number above 0, or 'many'")]


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Shared]]:
    """A registry whose folder is an empty package, with two members."""
    package = types.ModuleType("shapes_for_tests")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "shapes_for_tests", package)
    registry: Registry[Shared] = Registry("shape", "shapes_for_tests", Shared, default="polygon")

    @registry.register("polygon", inputs="vector", classes=2)
    def polygon(where: str, *, sides: Sides = 3, names: tuple[str, ...] = ("a",), lr: float = 0.1) -> Any:
        """A closed line
        of straight pieces.

        As in Euclid.

        Options:
            sides: how many
                pieces.
            names: of the corners

        Not an option: this.
        """
        return where, sides, names, lr

    @registry.register("circle")
    def circle(where: str, *, radius: Annotated[float, Field(gt=0)]) -> Any:
        return where, radius

    yield registry


def faults(registry: Registry[Any], value: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Annotated[Any, registry]).validate_python(value)
    return {".".join(map(str, line["loc"])): line["msg"] for line in caught.value.errors()}


def test_names_and_entries(shapes: Registry[Shared]) -> None:
    assert shapes.names() == ["circle", "polygon"]
    entry = shapes.entry("polygon")
    assert (entry.name, entry.inputs, entry.classes, entry.own) == ("polygon", "vector", 2, ("sides", "names", "lr"))
    assert list(entry.options.model_fields) == ["scale", "sides", "names", "lr"]
    assert (shapes.entry("circle").inputs, shapes.entry("circle").classes) == (None, None)


def test_the_docstring_is_taken_apart(shapes: Registry[Shared]) -> None:
    entry = shapes.entry("polygon")
    assert entry.summary == "A closed line of straight pieces."
    assert entry.doc == "A closed line\nof straight pieces.\n\nAs in Euclid."
    texts = {name: field.description for name, field in entry.options.model_fields.items()}
    assert texts == {"scale": "how large", "sides": "how many pieces", "names": "of the corners", "lr": None}
    assert shapes.entry("circle").doc == shapes.entry("circle").summary == ""


def test_a_name_is_registered_once(shapes: Registry[Shared]) -> None:
    with pytest.raises(ValueError, match="shape 'circle' is registered twice: in test_registry and test_registry"):
        shapes.register("circle")(lambda where: None)
    assert shapes.build(shapes.parse({"name": "circle", "radius": 2.0}), "here") == ("here", 2.0)


def test_options_need_types_and_other_names_than_name(shapes: Registry[Shared]) -> None:
    def untyped(where, *, width=3):  # type: ignore[no-untyped-def]
        return width

    def named(where: str, *, name: str = "x") -> Any:
        return name

    with pytest.raises(TypeError, match="option 'width' of shape 'untyped' needs a type"):
        shapes.register("untyped")(untyped)
    with pytest.raises(ValueError, match="shape 'named' has an option called 'name'"):
        shapes.register("named")(named)
    assert shapes.names() == ["circle", "polygon"]


def test_a_class_is_a_component_too(shapes: Registry[Shared]) -> None:
    @shapes.register("square")
    class Square:
        """Four sides."""

        def __init__(self, where: str, *, width: PositiveInt = 2) -> None:
            self.where, self.width = where, width

    built = shapes.build(shapes.parse({"name": "square", "width": 5}), "here")
    assert (built.where, built.width) == ("here", 5)


def test_unknown_names(shapes: Registry[Shared]) -> None:
    with pytest.raises(UnknownName, match=r"^unknown shape 'cirle'; did you mean 'circle'[?]$"):
        shapes.entry("cirle")
    with pytest.raises(UnknownName, match=r"^unknown shape 'zzz'; choose from circle, polygon$"):
        shapes.entry("zzz")
    with pytest.raises(UnknownName) as caught:
        shapes.entry("\x1b[31m" + "x" * 10_000)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


def test_a_backbone_given_as_a_model_is_told_where_it_belongs() -> None:
    with pytest.raises(UnknownName, match=r"^'conv' is a backbone: model: {name: custom_head, backbone: conv\}$"):
        components.models.entry("conv")
    with pytest.raises(ValidationError, match=r"'resnet18' is a backbone: .*resnet18\}") as refused:
        components.models.parse("resnet18")
    assert "--plugin" not in str(refused.value)


def test_parse(shapes: Registry[Shared]) -> None:
    bare = shapes.parse("polygon")
    assert bare == shapes.parse({"name": "polygon"}) == shapes.parse({}) == shapes.parse(bare)
    assert bare.plain() == {"name": "polygon", "scale": 1.0, "sides": 3, "names": ["a"], "lr": 0.1}
    given = shapes.parse({"name": "polygon", "sides": "many", "scale": 2.0})
    assert shapes.build(given, "here") == ("here", "many", ("a",), 0.1)
    assert given.options.scale == 2.0


def test_parse_completes_a_component_made_by_hand(shapes: Registry[Shared]) -> None:
    assert shapes.parse(Component("polygon", Shared(scale=3.0))) == shapes.parse({"name": "polygon", "scale": 3.0})


def test_options_are_frozen(shapes: Registry[Shared]) -> None:
    component = shapes.parse("polygon")
    with pytest.raises(ValidationError):
        component.options.scale = 2.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        component.name = "circle"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {"": "must be the name of a shape, or {name: …} with options, not empty"}),
        (3, {"": "must be the name of a shape, or {name: …} with options, not 3"}),
        ({"name": 3}, {"name": "must be the name of a shape, not 3"}),
        ("circel", {"name": "unknown shape 'circel'; did you mean 'circle'?"}),
        ("x", {"name": "unknown shape 'x'; choose from circle, polygon (a component of your own needs --plugin FILE)"}),
        ("circle", {"radius": "missing; it has no default"}),
        ({"name": "circle", "raduis": 2.0}, {"raduis": "unknown option; did you mean 'radius'?"}),
        ({"name": "circle", "radius": 0}, {"radius": "must be above 0, not 0"}),
        ({"name": "circle", "radius": float("nan")}, {"radius": "must be a finite number, not nan"}),
        (
            {"name": "circle", "radius": 1.0, "sides": 3},
            {"sides": "not an option of shape 'circle' (it belongs to 'polygon'); 'circle' has: scale, radius"},
        ),
        ({"sides": 0}, {"sides": "must be a whole number above 0, or 'many', not 0"}),
        (
            {"sides": 2.0, "names": "ab"},
            {"sides": "must be a whole number above 0, or 'many', not 2.0", "names": "must be a list, not 'ab'"},
        ),
        ({"names": ("a", 1)}, {"names.1": "must be text, not 1; quotes make it text"}),
        ({"learning_rate": 1.0}, {"learning_rate": "unknown option; did you mean 'lr'?"}),
        ({"type": "circle"}, {"type": "unknown option; did you mean 'name'?"}),
        ({"wrong": 1}, {"wrong": "unknown option; choose from lr, name, names, scale, sides"}),
    ],
)  # fmt: skip
def test_faults(shapes: Registry[Shared], value: object, expected: dict[str, str]) -> None:
    assert faults(shapes, value) == expected


def test_a_missing_name(shapes: Registry[Shared]) -> None:
    shapes.default = None
    assert faults(shapes, {"sides": 3}) == {"name": "missing; choose from circle, polygon"}
    assert faults(shapes, {"nmae": "circle"}) == {"nmae": "unknown option; did you mean 'name'?"}


def test_json_schema(shapes: Registry[Shared]) -> None:
    bare, circle, polygon = TypeAdapter(Annotated[Any, shapes]).json_schema()["anyOf"]
    assert bare == {"enum": ["circle", "polygon"]}
    assert (circle["title"], circle["required"], circle["additionalProperties"]) == (
        "circle",
        ["name", "radius"],
        False,
    )
    assert "required" not in polygon  # it is the default
    assert polygon["description"] == "A closed line of straight pieces."
    assert polygon["properties"]["name"] == {"const": "polygon"}
    assert polygon["properties"]["sides"]["description"] == "how many pieces"
    assert polygon["properties"]["names"] == {
        "type": "array", "items": {"type": "string"}, "default": ["a"], "title": "Names",
        "description": "of the corners",
    }  # fmt: skip


def test_owners_and_paths(shapes: Registry[Shared]) -> None:
    assert shapes.owners("radius") == ["circle"]
    assert shapes.owners("scale") == ["circle", "polygon"]
    assert shapes.owners("nothing") == []
    assert (shapes.path_to("radius"), shapes.path_to("nothing")) == ("radius", None)
    assert components.datasets.path_to("valid") == "split.valid"


PLUGIN = """
from clfkit.components import metrics
from clfkit.metrics import Predictions


@metrics.register("always_half")
def always_half(predictions: Predictions, *, value: float = 0.5) -> float:
    "Half."
    return value
"""


def in_fresh_interpreter(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_plugin_registers_its_components(tmp_path: Path) -> None:
    file = tmp_path / "my plugin.py"
    file.write_text(PLUGIN)
    assert (
        in_fresh_interpreter(
            "from clfkit.plugins import load_plugin\n"
            "from clfkit.components import metrics\n"
            f"load_plugin({str(file)!r}); load_plugin({str(file)!r})\n"
            "print('always_half' in metrics.names(), metrics.build(metrics.parse('always_half'), None))"
        )
        == "True 0.5"
    )


@pytest.mark.parametrize("name", ["nothing.py", "folder", "text.txt"])
def test_what_is_no_plugin(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text(PLUGIN)
    with pytest.raises(UsageError, match=r"no such Python file|not a Python file"):
        load_plugin(tmp_path / name)


def test_a_plugin_that_fails_fails_again(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("raise RuntimeError('mine')")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="mine"):
            load_plugin(file)


def test_a_plugin_cannot_take_a_name(tmp_path: Path) -> None:
    file = tmp_path / "thief.py"
    file.write_text(PLUGIN.replace('"always_half"', '"accuracy"'))
    components.metrics.names()
    with pytest.raises(
        ValueError, match=r"metric 'accuracy' is registered twice: in clfkit\.metrics\.accuracy and clfkit_plugin"
    ):
        load_plugin(file)


def test_a_folder_is_imported_at_the_first_look_up_and_nothing_heavy_ever() -> None:
    printed = in_fresh_interpreter(
        "import sys\n"
        "from clfkit import components\n"
        "loaded = [m for m in sys.modules if m.startswith('clfkit.optimizers')]\n"
        "print(loaded, 'sgd' in components.optimizers.names(), 'clfkit.optimizers.sgd' in sys.modules)\n"
        "for registry in components.ALL.values():\n"
        "    for name in registry.names():\n"
        "        registry.entry(name).options.model_json_schema()\n"
        "print(sorted({'torch', 'torchvision', 'matplotlib', 'sklearn', 'scipy', 'PIL'} & set(sys.modules)))"
    )
    assert printed == "[] True True\n[]"


def test_a_folder_that_fails_to_import_fails_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "failing_shapes_for_tests"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "shape.py").write_text("raise RuntimeError('mine')")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("shape", "failing_shapes_for_tests", Shared)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="mine"):
            registry.names()


def members() -> list[tuple[str, str]]:
    return [(kind, name) for kind, registry in components.ALL.items() for name in registry.names()]


@pytest.mark.parametrize(("kind", "name"), members())
def test_every_component_explains_itself(kind: str, name: str) -> None:
    entry = components.ALL[kind].entry(name)
    assert entry.summary.endswith("."), "the docstring begins with a sentence"
    for option, field in entry.options.model_fields.items():
        assert field.description, f"the Options: block of the docstring lacks {option}"
    if isinstance(entry.classes, str):
        assert entry.classes in entry.own


@pytest.mark.parametrize(("kind", "name"), members())
def test_a_wrong_value_of_any_option_is_one_fault_at_that_option(kind: str, name: str) -> None:
    registry = components.ALL[kind]
    for option in registry.entry(name).options.model_fields:
        for wrong in (b"bytes", {"?": b"bytes"}, (b"bytes",)):
            with pytest.raises(ValidationError) as caught:
                registry.parse({"name": name, option: wrong})
            found = [line for line in caught.value.errors() if line["loc"][0] == option]
            assert len(found) == 1, found
            assert found[0]["type"] == "clfkit"
            assert set(found[0]["loc"][1:]) <= {"?", 0, "name"}, found


def test_plain() -> None:
    assert plain((1, ("a", None), {"k": (2.0,)}, Shared())) == [1, ["a", None], {"k": [2.0]}, {"scale": 1.0}]
    assert plain(Component("x", Options())) == "x"


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("lerning_rate", ["lr", "momentum"], "lr"), ("learning_rate", ["momentum"], None), ("LR", ["lr"], "lr"),
        ("batch-size", ["batch_size"], "batch_size"), ("epoch", ["epochs", "seed"], "epochs"),
        ("zzz", ["epochs"], None),
        ("", ["epochs"], None), ("gpu", ["cpu", "cuda"], "cuda"), ("x", [], None),
    ],
)  # fmt: skip
def test_closest(word: str, known: list[str], found: str | None) -> None:
    assert closest(word, known) == found


def test_meant_and_shown_and_printable() -> None:
    assert meant("zzz", []) == "none exist"
    assert meant("zzz", ["b", "a"]) == "choose from a, b"
    assert meant("acc", ["mcc", "accuracy"]) == "did you mean 'accuracy'?"
    assert meant("", ["b", "a"]) == "choose from a, b"
    assert [shown(value) for value in (None, True, 1.5, "a", (1, "b", None), {"k\n": {}}, "x" * 99)] == [
        "empty", "true", "1.5", "'a'", "[1, 'b', empty]", "{k\\n: {}}", "'" + "x" * 58 + "…",
    ]  # fmt: skip
    assert shown("\x1b\n\u202e\ud800") == "'\\x1b\\n\\u202e\\ud800'"
    assert printable("é\x1b\n") == "é\\x1b\\n"
    assert len(printable("x" * 999)) == 80


def test_required_option_is_missed_at_registration(shapes: Registry[Shared]) -> None:
    with pytest.raises(TypeError, match="optimizer 'still' needs an option 'lr'"):

        @components.optimizers.register("still")
        def still(groups: Any, *, rate: float = 0.1) -> Any:
            return groups, rate

    assert "still" not in components.optimizers.names()
    needy: Registry[Shared] = Registry("shape", "shapes_for_tests", Shared, required=("scale",))

    @needy.register("dot")
    def dot() -> None:
        """An option that all share will do."""

    assert needy.names() == ["dot"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("def broken(:\n", r"plugin\.py:1: SyntaxError"), ("import no_such_module\n", "No module named 'no_such_module'")],
)
def test_a_plugin_that_cannot_be_read_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "plugin.py"
    file.write_text(text)
    for _ in range(2):
        with pytest.raises(UsageError, match=message) as caught:
            load_plugin(file)
        assert "\n" not in str(caught.value)
