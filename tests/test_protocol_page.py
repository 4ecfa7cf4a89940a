"""Every weakness of the Node program and every vector of the protocol page has its test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/protocol/playground-2024.md").read_text(encoding="utf-8")

NOT_TESTED = {
    30: "says that there are no tests",
}


def names_of_tests() -> list[str]:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return [name for text in texts for name in re.findall(r"def (test_\w+)", text)]


def test_every_weakness_of_the_page_has_a_test() -> None:
    section = PAGE.partition("## 10. Weaknesses")[2].partition("\n## ")[0]
    on_the_page = {int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    tested = {int(found.group(1)) for name in names_of_tests() if (found := re.match(r"test_weakness_(\d\d)_", name))}
    assert on_the_page == set(range(1, 31))
    assert tested == on_the_page - NOT_TESTED.keys()


def test_every_vector_of_the_page_has_a_test() -> None:
    vectors = {
        "test_vector_access_key": "e0e931d0c0c689f3aed0cfd0fe88f5cf",
        "test_vector_frame": "08071080c28293de3118",
        "test_vector_ping_frame": "08001000180220002a0c",
        "test_vector_apply": "4534e559bcf8706c6124466374e235e0630e72ce2e7f2c55d8fa31bfcbef6bf1",
        "test_vector_commit": "a07421d71b56051178d7e718eccc45bf02491adc69dd417eb771388695c34ad6",
        "test_vector_body_of_commit": "5c2e024ef120be57410f036db2d309eda31865355a30f4d3e391a92a9c969935",
        "test_vector_crc_of_hello_world": "0d4a1185",
        "test_vector_crc_of_sample53": "058910d0",
    }
    assert all(text in PAGE for text in vectors.values())
    names = names_of_tests()
    assert [name for name in vectors if not any(each.startswith(name) for each in names)] == []
