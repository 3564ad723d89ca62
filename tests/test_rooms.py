"""The rules of the house that no linter knows, read off the source.

Who may import whom is import-linter's matter (`make rooms`). Each rule here is a function from one
module to the offences in it, and each is shown an offender, so that a rule cannot fall asleep.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = ("ctinr", "phantoms")
PACKAGES = (*LIBRARY, "recon_scripts")

FILE_LINES, BODY_LINES, MAIN_LINES = 300, 50, 40
VAGUE_NAMES = frozenset({"utils", "util", "misc", "helpers", "helper", "common"})
GLOBAL_SEEDS = frozenset(
    {"torch.manual_seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all"}
    | {"np.random.seed", "numpy.random.seed", "random.seed", "torch.seed"}
)
LAZY = ("numba", "matplotlib", "astra", "torch_radon", "skimage", "tyro", "rich", "jinja2", "dask")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file: where it is, what it says."""

    path: Path
    source: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    def find(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))


def modules(*packages: str) -> list[Module]:
    paths = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [Module(path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in paths]


def dotted(node: ast.AST) -> str:
    """`torch.autograd.Function` for the expression that says so, "" for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def body_lines(function: ast.AST) -> int:
    """Lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


# ------------------------------------------------------------------ rules for one module


def too_long(module: Module) -> list[str]:
    lines = len(module.source.splitlines())
    return [f"{lines} lines, more than {FILE_LINES}"] if lines > FILE_LINES else []


def long_bodies(module: Module) -> list[str]:
    sizes = [(function, body_lines(function)) for function in module.find(*Function.__args__)]
    return [
        f"{function.name} has {size} lines, more than {BODY_LINES}"
        for function, size in sizes
        if size > BODY_LINES
    ]


def vague_name(module: Module) -> list[str]:
    vague = VAGUE_NAMES & {*module.path.with_suffix("").parts}
    return [f"the name says nothing: {name}" for name in vague]


def getters(module: Module) -> list[str]:
    functions = module.find(*Function.__args__)
    return [function.name for function in functions if function.name.startswith("get_")]


def prints(module: Module) -> list[str]:
    calls = [node for node in module.find(ast.Call) if dotted(node.func) == "print"]
    return [f"line {node.lineno}: print" for node in calls]


def asserts(module: Module) -> list[str]:
    return [f"line {node.lineno}: assert" for node in module.find(ast.Assert)]


def global_seeds(module: Module) -> list[str]:
    calls = [(node.lineno, dotted(node.func)) for node in module.find(ast.Call)]
    return [f"line {line}: {name}" for line, name in calls if name in GLOBAL_SEEDS]


def long_main(module: Module) -> list[str]:
    mains = [node for node in module.tree.body if getattr(node, "name", "") == "main"]
    if not mains:
        return ["a command is a config and a `main`; here is no `main`"]
    lines = body_lines(mains[0])
    return [f"main has {lines} lines, more than {MAIN_LINES}"] if lines > MAIN_LINES else []


# ------------------------------------------------------------------ things there is one of


def autograd_functions(module: Module) -> list[str]:
    named = {"Function", "autograd.Function", "torch.autograd.Function"}
    classes = module.find(ast.ClassDef)
    return [node.name for node in classes if named & {dotted(base) for base in node.bases}]


def optimizer_steps(module: Module) -> list[str]:
    calls = [(node.lineno, dotted(node.func)) for node in module.find(ast.Call)]
    return [f"line {line}: {name}" for line, name in calls if name.endswith("optimizer.step")]


# ------------------------------------------------------------------ the tests

COMMANDS = [
    module
    for module in modules("recon_scripts")
    if module.path.stem != "__main__" and not module.path.stem.startswith("_")
]
RULES: dict[Callable[[Module], list[str]], list[Module]] = {
    too_long: modules(*PACKAGES),
    long_bodies: modules(*PACKAGES),
    vague_name: modules(*PACKAGES, "tests"),
    getters: modules(*PACKAGES),
    prints: modules(*LIBRARY),
    asserts: modules(*LIBRARY),
    global_seeds: modules(*PACKAGES),
    long_main: COMMANDS,
}
OFFENDERS: dict[Callable[[Module], list[str]], str] = {
    too_long: "x = 1\n" * (FILE_LINES + 1),
    long_bodies: "def f():\n" + "    x = 1\n" * (BODY_LINES + 1),
    getters: "class A:\n    def get_norm(self): ...",
    prints: "def f():\n    print('x')",
    asserts: "def f(x):\n    assert x",
    global_seeds: "import torch\ntorch.manual_seed(0)",
    long_main: "def main():\n" + "    x = 1\n" * (MAIN_LINES + 1),
    autograd_functions: "import torch\nclass Apply(torch.autograd.Function): ...",
    optimizer_steps: "def fit(self):\n    self.optimizer.step()",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_is_kept(rule):
    offences = [f"{module.path}: {what}" for module in RULES[rule] for what in rule(module)]
    assert not offences, "\n" + "\n".join(offences)


@pytest.mark.parametrize("rule", OFFENDERS, ids=lambda rule: rule.__name__)
def test_the_rule_is_awake(rule):
    assert len(rule(Module(Path("ctinr/example.py"), OFFENDERS[rule]))) == 1
    assert rule(Module(Path("ctinr/example.py"), 'def main():\n    """Do nothing."""')) == []


def test_a_vague_name_is_seen():
    assert vague_name(Module(Path("ctinr/utils/rays.py"), "")) != []


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        # One rule for all linear maps; the fused wavelet is not linear and has its own, with the
        # layer before it too.
        (
            autograd_functions,
            [
                "ctinr/networks/bspline.py",
                "ctinr/networks/linear_wavelet.py",
                "ctinr/operators/base.py",
            ],
        ),
        (optimizer_steps, ["ctinr/recon/fit.py"]),
    ],
    ids=["autograd_functions", "optimizer_steps"],
)
def test_each_stands_in_its_place_and_nowhere_else(kind, places):
    found = [str(module.path) for module in modules("ctinr") for _ in kind(module)]
    assert sorted(found) == places


@pytest.mark.parametrize("package", LIBRARY)
def test_importing_a_package_loads_nothing_heavy(package):
    code = f"import sys, {package}; print(*({set(LAZY)!r} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []


def test_no_file_names_a_place_on_the_machine_it_was_written_on():
    places = "|".join(("work", "tmp", "root", "home", "Users", "opt"))
    pattern = re.compile(rf"(?<![\w./:>}}]){'/'}(?:{places})/")
    offences = [
        f"{path}:{number}: {line.strip()}"
        for path in project_files()
        for number, line in enumerate(readable_lines(path), 1)
        if pattern.search(line) or "file:" + "//" in line
    ]
    assert not offences, "\n" + "\n".join(offences)


def project_files() -> list[Path]:
    """What git holds or would hold; without git (an unpacked archive) the packages' sources."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def readable_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []
