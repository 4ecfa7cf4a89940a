"""What the emulated reckoner says: it works sums out with the tools that its prompt tells it of, and with nothing else.

It reads its prompt as a model does: the tools are lines of JSON with a name, a call is written between tags, and
what came of it stands in a later message.  Pure; a function of the history.
"""

import ast
import json
import operator
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from realcoze.domain.message import Message
from realcoze.emulator.fault import without_mark

_OPERATIONS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
}
_WORK = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv}
_TOOL = re.compile(r'^\{"name": "([^"]+)"', re.MULTILINE)
_RESULT = re.compile(r"<tool_result[^>]*>(.*?)</tool_result>", re.DOTALL)
_SUM = re.compile(r"[\d(][\d\s.()+*/-]*[+*/-][\d\s.()+*/-]*[\d)]")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_SLIP = "slip"
"""Who says it is given a wrong call first."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation; an operand is a number, or the place of the step that gives it."""

    tool: str
    operands: tuple["float | int | _Place", "float | int | _Place"]


@dataclass(frozen=True, slots=True)
class _Place:
    number: int


def reckon(history: Sequence[Message]) -> str:
    """The next answer; `history` ends with the user's message."""
    said = [without_mark(message.text) for message in history]
    asked = [at for at, message in enumerate(history) if message.role == "user" and _steps_in(said[at])]
    if not asked:
        return "Give me a sum, such as (2 + 3) * 4 - 1, and tools to add, subtract, multiply and divide."
    asked_at = asked[-1]
    question = said[asked_at].rpartition("\n\n")[2]
    steps = _steps_in(said[asked_at])
    tools = {name for text in said for name in _TOOL.findall(text)}
    is_json = any("Answer with one JSON" in text for text in said)
    if is_json and not tools:
        return _conclusion(_sum_of(steps), question, is_json=True)
    if missing := sorted({step.tool for step in steps} - tools):
        return f"For that I lack tools: {', '.join(missing)}."
    if _SLIP in question.lower() and len(history) == asked_at + 1:
        return f"I shall call one.\n\n{_call('plus', (1, 1))}"
    results = [result for text in said[asked_at + 1 :] for result in _RESULT.findall(text.rpartition("\n\n")[2])]
    is_single = any("one tool at a time" in text for text in said)
    values = _worked_out(steps, results, is_single=is_single)
    if len(values) < len(steps):
        ready = list(_ready(steps, values))[: 1 if is_single else None]
        calls = "\n".join(_call(steps[at].tool, _operands(steps[at], values)) for at in ready)
        return f"Let me work it out.\n\n{calls}"
    return _conclusion(values[len(steps) - 1], question, is_json=is_json)


def _steps_in(text: str) -> list[_Step]:
    """The operations of the last sum of a question, each after those that it needs; none where there is no sum.

    The question stands behind whatever the bot is told.
    """
    question = text.rpartition("\n\n")[2]
    sums = [] if "<tool_result" in question else _SUM.findall(question)
    steps: list[_Step] = []
    with suppress(SyntaxError, RecursionError, IndexError):
        _add_steps(ast.parse(sums[-1].strip(), mode="eval").body, steps)
    return steps


def _add_steps(node: ast.expr, steps: list[_Step]) -> float | int | _Place:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        operands = (_add_steps(node.left, steps), _add_steps(node.right, steps))
        steps.append(_Step(_OPERATIONS[type(node.op)], operands))
        return _Place(len(steps) - 1)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else 0


def _worked_out(steps: Sequence[_Step], results: Sequence[str], *, is_single: bool) -> dict[int, float | int]:
    """What each step gave, as its caller was asked for them round by round."""
    values: dict[int, float | int] = {}
    waiting = list(results)
    while waiting and len(values) < len(steps):
        for at in list(_ready(steps, values))[: 1 if is_single else None]:
            if waiting:
                values[at] = _number(waiting.pop(0))
    return values


def _sum_of(steps: Sequence[_Step]) -> float | int:
    """What the steps make, worked out here; 0 for what nobody can."""
    values: dict[int, float | int] = {}
    with suppress(ArithmeticError):
        for at, step in enumerate(steps):
            values[at] = _WORK[step.tool](*_operands(step, values))
    return values.get(len(steps) - 1, 0)


def _ready(steps: Sequence[_Step], values: dict[int, float | int]) -> Iterator[int]:
    for at, step in enumerate(steps):
        needed = [operand.number for operand in step.operands if isinstance(operand, _Place)]
        if at not in values and all(number in values for number in needed):
            yield at


def _operands(step: _Step, values: dict[int, float | int]) -> tuple[float | int, ...]:
    return tuple(values[each.number] if isinstance(each, _Place) else each for each in step.operands)


def _number(text: str) -> float | int:
    try:
        value = float(text.strip())
    except ValueError:
        return 0
    return int(value) if value.is_integer() else value


def _call(tool: str, operands: Sequence[float]) -> str:
    arguments = dict(zip("ab", operands, strict=True))
    return f"<tool_call>{json.dumps({'name': tool, 'arguments': arguments})}</tool_call>"


def _conclusion(value: float, question: str, *, is_json: bool) -> str:
    if is_json:
        return f"Here it is:\n\n```json\n{json.dumps({'result': value})}\n```"
    return f"结果是 {value}。" if _CHINESE.search(question) else f"That makes {value}."
