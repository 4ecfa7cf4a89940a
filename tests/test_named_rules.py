"""What real clients taught is named where it is tested; whether a test checks what it names, its reader judges.

CLIENTS §4.2 has the rules of OpenAI's chat stream, §4.3 those of Anthropic's, §4.4 that of Responses, §5 a list of
tests that each come from a defect somebody had.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
NAMED = re.compile(r"CLIENTS (?:§4\.2 rule \d+|§4\.[34]|§5 item \d+)\b")
RULES = frozenset(f"CLIENTS §4.2 rule {number}" for number in range(1, 12))
ITEMS = frozenset(f"CLIENTS §5 item {number}" for number in [*range(1, 19), 20, 21, 22])
"""Item 19 is kept free; those after 22 are about what stands behind the faces."""


def _docstrings(file: Path) -> Iterator[str]:
    """Of the tests in it."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield ast.get_docstring(node) or ""


def test_every_rule_of_clients_is_named_by_a_test_and_nothing_else_is() -> None:
    files = [file for file in TESTS.rglob("test_*.py") if ".venv" not in file.parts]
    docstrings = [text for file in files for text in _docstrings(file)]
    named = [name for text in docstrings for name in NAMED.findall(text)]
    assert set(named) == RULES | {"CLIENTS §4.3", "CLIENTS §4.4"} | ITEMS
    assert len(named) == sum(text.count("CLIENTS") for text in docstrings), "each in the one form"
