import pytest

from realcoze.gateway.json_in_words import MOST_BRACKETS, json_of

IT = '{"a": 1}'


@pytest.mark.parametrize(
    "text",
    [
        IT,
        f" \n{IT}\n",
        f"```json\n{IT}\n```",
        f"Here it is:\n```json\n{IT}\n```\nFine?",
        f"Here it is:\n  ~~~\n{IT}\n  ~~~\n",
        f"```{IT}```",
        f"It is {IT}, I think.",
        f"For {{x}} in [list]: {IT} (see [see] and {{y}}).",
        f"[Note: a guess]\n```json\n{IT}\n```",
        f"```python\nprint({{'a': 1}}[0], {{\n```\nwrites\n```json\n{IT}\n```",
        f'```\n{{"a": 2}}\n```\nNo:\n```\n{IT}\n```\n',
        f'```\n{{"a": 2}}\n```\nNo: {IT}\n',
        f'{{"b": 2}}\n```\n{IT}\n```\n',
        f"{IT}\n\nI took the interval [0, 1).",
        f"<think>The set {{a, b}}, or {{'a': 2}}, or {{\"a\": </think>\n\n{IT}",
        rf"$\frac{{\sqrt{{a}}}}{{b}}$ and $x_{{i,j}}$: {IT}",
        f"f'{{x:.2f}}' [the docs, part 1](http://x) [it's](y) {{{{name}}}} [[see]]: {IT}",
        "if (a[i] > b[j]) { return x; }\n" * 40 + IT,
        f"\ufeff{IT}"[1:],
    ],
)
def test_the_json_of_an_answer_is_what_it_says_last(text: str) -> None:
    assert json_of(text)[0] == (IT, {"a": 1})


def test_all_values_are_found_the_last_first() -> None:
    assert [each.text for each in json_of(f"[1] {IT} [2]")] == ["[2]", IT, "[1]"]
    assert [each.text for each in json_of(f'```\n[1]\n```\n```\n{IT}\n```\n{{"b": 2}}')] == ['{"b": 2}', IT, "[1]"]
    assert [each.value for each in json_of("```json\n3\n```")] == [3]
    assert json_of('"x"') == [('"x"', "x")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is one.",
        '{"a": 1',
        '{"b": {"a": 1}, "c',
        '{"b": [{"a": 1}',
        '[{"a": 1}, {"b": 2}',
        "[[1, 2], [3, 4]",
        f"{IT} [1, 2",
        f"{IT} [tru",
        f"{IT} and then {{",
        f'{IT} and then {{"b": ',
        f'```\n{IT}\n```\nBetter:\n```json\n{{"a": 2, "rows": [1, 2',
        f'```\n{IT}\n```\nBetter: {{"a": 2, "rows": [1, 2',
        '{"text": "a smile :-} and {}", "more": "cut off he',
        '{"md": "```{}```", "rest": "cut o',
        '{"md": "\n```\n{}\n```\n", "rest": "cut o',
        "{'a': '}', 'b': {}}",
        '{a: "}", list: {"b": 1}, rest',
        '{"x": NaN}',
        "{x}" * MOST_BRACKETS + IT,
        '{"a":' * 5000,
    ],
)
def test_what_is_broken_or_cut_off_is_none(text: str) -> None:
    assert json_of(text) == []
