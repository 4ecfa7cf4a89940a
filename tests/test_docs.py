"""The documentation knows every setting, route, error, record, fault and exit code that there is."""

import re
import typing
from pathlib import Path

import msgspec
import pytest

from realcoze import errors
from realcoze.app import config
from realcoze.dialects.native import records
from realcoze.emulator import fault
from realcoze.faces.terminal import exits

ROOT = Path(__file__).parents[1]


def doc(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("struct", [config.Server, config.Upstream, config.Bot])
def test_every_setting_of_the_file_is_described(struct: type[msgspec.Struct]) -> None:
    missing = [name for name in struct.__struct_fields__ if f"`{name}`" not in doc("settings.md")]
    assert missing == []


def test_every_class_of_error_stands_in_the_table_or_is_no_answer_to_a_caller() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    classes = {kind.__name__ for kind in kinds if not kind.__subclasses__()}
    told = {name for name in classes if name in doc("errors.md")}
    assert classes - told == {"Misconfigured"}


def test_every_record_is_described() -> None:
    tags = {kind.__struct_config__.tag for kind in typing.get_args(records.Record)}
    assert {tag for tag in tags if f"`{tag}`" not in doc("native-api.md")} == set()


def test_every_exit_code_is_described() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", doc("command.md"), re.MULTILINE)}
    known = {exits.OK, exits.BROKE_OFF, exits.STOPPED, exits.READER_LEFT, exits.TERMINATED, *exits._CODES.values()}
    assert known | {2} == told


def test_every_fault_has_a_description() -> None:
    assert all(fault.FAULTS.values())


def test_both_readmes_have_the_same_commands() -> None:
    blocks = [re.findall(r"```(?:sh|ini)\n(.*?)```", text, re.DOTALL) for text in readmes()]
    english, chinese = ([re.sub(r"\"[^\"]*\"|=.*", "", block) for block in each] for each in blocks)
    assert english == chinese


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+?)\)", text)
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def readmes() -> list[str]:
    return [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")]
