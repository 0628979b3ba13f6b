"""The borders of the house, kept from the imports, and order in the repository."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
KERAS = ("keras", "tensorflow")


@dataclass(frozen=True)
class Rule:
    """Files whose path matches `where`, and not `but`, must not import any of `forbidden`."""

    says: str
    where: str
    but: str
    forbidden: tuple[str, ...]

    def broken_by(self, path: str, source: str) -> list[str]:
        """What the source at this path imports against the rule, sorted."""
        if not re.match(self.where, path) or re.match(self.but, path):
            return []
        return sorted(m for m in imports(source, path) if is_in(m, self.forbidden))


NOTHING = r"(?!)"
RULES = [
    Rule("TensorFlow and Keras only in model/nn", "", r"model/nn/|tests/", KERAS),
    Rule("Streamlit only in app.py and pages", "", r"app\.py|pages/|tests/", ("streamlit",)),
    Rule(
        "pages call the services",
        r"app\.py|pages/",
        r"pages/shared/services\.py",
        ("model.nn", "sqlalchemy", "mlflow", "ray"),
    ),
    Rule(
        "model/nn knows no store, jobs or registry",
        "model/nn/",
        NOTHING,
        ("model.store", "model.training", "model.versions.registry"),
    ),
    Rule("model knows no user interface", "model/", NOTHING, ("pages", "app")),
]


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    """Whether the dotted name is one of the packages or lies in one."""
    return any(module == p or module.startswith(p + ".") for p in packages)


def package_of(path: str) -> str:
    """`model/nn/train.py` -> `model.nn`, from where its relative imports count."""
    return ".".join(PurePosixPath(path).parent.parts)


def module_of(path: str) -> str:
    """`model/nn/train.py` -> `model.nn.train`, `model/__init__.py` -> `model`."""
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def imports(source: str, path: str, top_only: bool = False) -> set[str]:
    """Every module the source may import, in full, `from a import b` as both a and a.b.

    With `top_only` what is inside functions, and what only a type checker sees, is left out.
    """
    found: set[str] = set()
    for node in nodes(ast.parse(source), top_only):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(name, package_of(path)) if node.level else name
            found.update({base} | {f"{base}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.args[0].value
            if ast.unparse(node.func).endswith(("import_module", "__import__")):
                found.add(importlib.util.resolve_name(name, package_of(path)))
    return found


def nodes(node: ast.AST, top_only: bool) -> Iterator[ast.AST]:
    """The nodes below this one; with `top_only` those that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        lazy = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        )
        if not (top_only and lazy):
            yield child
            yield from nodes(child, top_only)


def chain_to_keras(start: str, sources: dict[str, str]) -> list[str]:
    """By which modules, first to last, importing `start` imports Keras; [] if it does not."""
    paths = {module_of(path): path for path in sources}
    chains = [[module_of(start)]]
    seen = set(chains[0])
    while chains:
        chain = chains.pop(0)
        path = paths[chain[-1]]
        for module in sorted(imports(sources[path], path, top_only=True)):
            if is_in(module, KERAS):
                return [*chain, module]
            parts = module.split(".")
            for name in (".".join(parts[: i + 1]) for i in range(len(parts))):
                if name in paths and name not in seen:
                    seen.add(name)
                    chains.append([*chain, name])
    return []


def strangers(names: list[str]) -> list[str]:
    """Those of these paths that are at a top level where they have no place."""
    house = {"README.md", "requirements.txt", "app.py", "pyproject.toml", "LICENSE", "CHANGELOG.md"}
    rooms = {"model", "pages", "assets", "tests"}
    return sorted(
        name
        for name in names
        if not name.startswith(".")
        and name not in house
        and not ("/" in name and name.split("/")[0] in rooms)
    )


def asserts_something(source: str) -> bool:
    """Whether the source has a test that asserts, or that expects an error or a page element."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, functions)]
    called = re.compile(r"(.*\.)?(raises|fail|expect|assert\w*|check\w*)")
    return any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Call) and called.fullmatch(ast.unparse(node.func)))
        for test in found
        if test.name.startswith("test")
        for node in ast.walk(test)
    )


def private_paths(text: str) -> list[str]:
    """Absolute paths in the text that exist on one person's machine only."""
    return re.findall(r"(?<![\w.~-])/(?:home|Users|root|work)/[\w.-]+|\b[A-Z]:\\Users\\\w+", text)


def git_files(*options: str) -> list[str]:
    """What `git ls-files` lists and is there."""
    command = ["git", "ls-files", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not in a git checkout: no list of the project's files")
    return sorted(path for path in set(done.stdout.splitlines()) if (ROOT / path).is_file())


def project_files(suffix: str = "") -> list[str]:
    """Files of the project, not those that git ignores, whether committed yet or not."""
    return git_files("--cached", "--others", "--exclude-standard", "*" + suffix)


def read_sources() -> dict[str, str]:
    """Path -> text of every Python file of the project."""
    return {path: (ROOT / path).read_text("utf-8") for path in project_files(".py")}


# The house as it is


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_imports_keep_the_rule(rule: Rule):
    broken = {path: rule.broken_by(path, source) for path, source in read_sources().items()}
    assert {path: modules for path, modules in broken.items() if modules} == {}, rule.says


def test_nothing_outside_nn_imports_keras_at_its_top():
    sources = read_sources()
    outside = [p for p in sources if p.startswith(("app.py", "model/", "pages/"))]
    outside = [p for p in outside if not p.startswith("model/nn/")]
    chains = {path: chain_to_keras(path, sources) for path in outside}
    assert {path: " -> ".join(chain) for path, chain in chains.items() if chain} == {}


def test_importing_for_real_leaves_keras_out():
    """Sees also what other packages import. Pages stay out: to import one is to run it."""
    wanted = re.compile(r"model/(?!nn/).*\.py|pages/shared/.*\.py")
    modules = [module_of(p) for p in project_files(".py") if wanted.fullmatch(p)]
    program = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
    heavy = sorted({{"keras", "tensorflow"}} & set(sys.modules))
    if heavy:
        sys.exit(f"import {{name}} imports {{heavy}}")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_top_level_holds_the_house_and_no_more():
    assert strangers(git_files()) == []


def test_every_test_module_tests_something():
    modules = [p for p in project_files(".py") if re.match(r"tests/(.*/)?test_[^/]*$", p)]
    assert [p for p in modules if not asserts_something((ROOT / p).read_text("utf-8"))] == []


def test_no_path_of_one_machine_is_written_down():
    texts = {p: (ROOT / p).read_text("utf-8", errors="ignore") for p in project_files()}
    assert {p: private_paths(text) for p, text in texts.items() if private_paths(text)} == {}


# The checks themselves: each catches what it is there for


@pytest.mark.parametrize(
    ("path", "source", "caught"),
    [
        ("model/xray.py", "import keras.ops as ops", "keras.ops"),
        ("assets/make.py", "def f():\n    from tensorflow import data", "tensorflow"),
        ("model/report.py", "import streamlit as st", "streamlit"),
        ("pages/read.py", "from model.nn.classifier import Classifier", "model.nn.classifier"),
        ("pages/read.py", "from model import nn", "model.nn"),
        ("pages/shared/auth.py", "import sqlalchemy.orm", "sqlalchemy.orm"),
        ("app.py", "import importlib as i\ni.import_module('mlflow.keras')", "mlflow.keras"),
        ("pages/admin.py", "async def f():\n    import ray", "ray"),
        ("model/nn/train.py", "from ..versions import registry", "model.versions.registry"),
        ("model/nn/train.py", "from ..store import Store as S", "model.store"),
        ("model/nn/train.py", "from importlib import import_module as im", None),
        ("model/nn/train.py", "import keras, tensorflow as tf", None),
        ("model/training/jobs.py", "import pages.shared.services", "pages.shared.services"),
        ("pages/shared/services.py", "from model.nn import classifier; import mlflow", None),
        ("pages/read.py", "import rayleigh; from model import nnx", None),
        ("tests/nn/test_train.py", "import keras", None),
    ],
)
def test_a_broken_rule_is_caught(path: str, source: str, caught: str | None):
    broken = [m for rule in RULES for m in rule.broken_by(path, source)]
    assert broken == [] if caught is None else caught in broken


def test_keras_is_found_through_other_modules():
    sources = {
        "pages/read.py": "from pages.shared import services",
        "pages/shared/services.py": "from model import overlay",
        "model/__init__.py": "",
        "model/overlay.py": "try:\n    from .nn import gradcam\nexcept ImportError:\n    pass",
        "model/nn/__init__.py": "",
        "model/nn/gradcam.py": "import keras",
        "model/lazy.py": "def f():\n    import model.nn.gradcam",
    }
    chain = ["pages.read", "pages.shared.services", "model.overlay", "model.nn.gradcam", "keras"]
    assert chain_to_keras("pages/read.py", sources) == chain
    assert chain_to_keras("model/lazy.py", sources) == []


def test_a_stranger_at_the_top_level_is_caught():
    names = ["README.md", "app.py", ".ci/run", "model/xray.py", "utils.py", "src/a.py", "model"]
    assert strangers(names) == ["model", "src/a.py", "utils.py"]


def test_an_empty_test_is_caught():
    assert not asserts_something('"""Later."""')
    assert not asserts_something("def test_a():\n    pass\ndef helper():\n    assert 1")
    assert asserts_something("def test_a():\n    assert 1")
    assert asserts_something("class TestA:\n    def test_b(self):\n        expect(page).to_be(1)")


def test_a_private_path_is_caught():
    home = "/".join(["", "home", "ann"])
    assert private_paths(f"open('{home}/xray.png')") == [home]
    assert private_paths("see example.org/home/page and ./home/done and ~/home/x") == []
