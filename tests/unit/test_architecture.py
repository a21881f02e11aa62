"""Anatomies are data: no code names one, except phantoms, which draw one; models/ holds no code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from operators.packages.radiograph import RadiographPackage

ROOT = Path(__file__).parents[2]
# A package of radiographs may bear the name of its kind, which code has to spell
ANATOMIES = {path.parent.name for path in (ROOT / "models").glob("*/package.toml")} - {RadiographPackage.kind}
BONES = {"pelvis", "sacrum", "hip", "femur", "humerus", "vertebra", "vertebrae", "tibia", "scapula", "rib"}
FOLDERS = ("osteon", "app", "operators", "training", "research", "benchmarks")
# Phantoms are drawings of one anatomy each; the columns of a published table of radiographs name body parts
EXEMPT = (ROOT / "training" / "phantoms", ROOT / "training" / "radiograph" / "datasets" / "radiograph.py")
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if not any(path.is_relative_to(exempt) for exempt in EXEMPT)
)


def docstrings(tree: ast.AST) -> set[int]:
    """The identities of the nodes that are docstrings."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = (node.body[0] for node in ast.walk(tree) if isinstance(node, holders) and node.body)
    texts = (node.value for node in first if isinstance(node, ast.Expr))
    return {id(text) for text in texts if isinstance(text, ast.Constant)}


def words_of(source: str) -> set[str]:
    """Every word of names and texts in a file's code, in lower case; comments and docstrings left out."""
    tree = ast.parse(source)
    skipped = docstrings(tree)
    said = (field for node in ast.walk(tree) if id(node) not in skipped for field in vars(node).values())
    texts = [text for text in said if isinstance(text, str)]
    return set(re.findall("[a-z]+", "\n".join(texts).lower()))


def test_no_code_names_an_anatomy_or_a_bone() -> None:
    names = ANATOMIES | BONES
    sources = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    # Most files hold none of the names in any form, and need no parsing
    held = {path: text for path, text in sources.items() if any(name in text.lower() for name in names)}
    named = {path: words_of(text) & names for path, text in held.items()}
    assert len(SOURCES) > 400
    assert {str(path.relative_to(ROOT)): words for path, words in named.items() if words} == {}


def test_no_text_of_a_file_spells_a_packages_name() -> None:
    names = re.compile(rf"\b({'|'.join(ANATOMIES)})\b")
    lines = {path: path.read_text(encoding="utf-8").splitlines() for path in SOURCES}
    spelled = {
        path: [line for line in each if names.search(line.split("#")[0])] for path, each in lines.items()
    }
    assert {str(path.relative_to(ROOT)): found for path, found in spelled.items() if found} == {}


@pytest.mark.parametrize(
    "code",
    [
        "femur = 1",
        "def find_femur(): ...",
        "x.femur",
        "f(femur=1)",
        "x = 'a Femur'",
        "import femur",
        "f'{x} femur'",
    ],
)
def test_a_bones_name_is_found_wherever_code_can_hold_it(code: str) -> None:
    assert "femur" in words_of(code)


def test_comments_and_docstrings_may_speak_of_bones() -> None:
    assert "femur" not in words_of('"""Of a femur."""\n# femur\ndef f():\n    """A femur."""\n')


def test_models_hold_no_code() -> None:
    assert ANATOMIES
    suffixes = {path.suffix for path in (ROOT / "models").rglob("*") if path.is_file()}
    assert suffixes <= {".toml", ".safetensors", ".json", ".md", ".svg", ".txt"}
