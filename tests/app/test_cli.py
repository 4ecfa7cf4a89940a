from pathlib import Path

import click
import pytest

from commands import run, shell
from realcoze import __version__
from realcoze.app.cli import Commands

SUBCOMMANDS = {
    "chat": ("--config", "--bot", "--url", "--key", "REALCOZE_KEY", "--demo", "--steps", "--verbose"),
    "run": (
        "--input",
        "--file",
        "--last",
        "--resume",
        "--kind",
        "--conversation",
        "--chat",
        "--answer",
        "--url",
        "--key",
        "--demo",
        "--config",
    ),
    "serve": ("--config", "--host", "--port", "--verbose"),
    "snippets": ("--config", "--url", "--model"),
    "demo": ("--port", "--once", "--verbose"),
    "emulate": ("--port", "--seed", "--pace", "--frames", "--write", "--api", "--plan", "--faults", "--verbose"),
    "doctor": ("--config", "--upstream", "--yes", "--verbose"),
    "bots": ("--config", "--workspace", "--verbose"),
    "login": ("--config", "--client-id", "--base", "--pkce", "--port", "--verbose"),
    "logout": ("--config", "--client-id", "--base", "--verbose"),
}


async def test_help_and_version(tmp_path: Path) -> None:
    helped = await run("--help", cwd=tmp_path)
    assert (helped.code, helped.err) == (0, "")
    assert helped.out.startswith("Usage: realcoze [OPTIONS] COMMAND [ARGS]...")
    assert all(f"\n  {name} " in helped.out for name in SUBCOMMANDS)
    assert (await run("-h", cwd=tmp_path)).out == helped.out
    version = await run("--version", cwd=tmp_path)
    assert (version.code, version.out) == (0, f"realcoze, version {__version__}\n")


@pytest.mark.parametrize("name", SUBCOMMANDS)
async def test_every_subcommand_explains_its_options(tmp_path: Path, name: str) -> None:
    helped = await run(name, "--help", cwd=tmp_path)
    assert helped.code == 0
    assert helped.out.startswith(f"Usage: realcoze {name} [OPTIONS]")
    assert [option for option in SUBCOMMANDS[name] if option not in helped.out] == []


async def test_the_installed_script_is_the_same_command(tmp_path: Path) -> None:
    assert (await shell("realcoze --version", tmp_path)).out == f"realcoze, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chatt",), "No such command 'chatt'"),
        (("chat", "--bott", "x"), "No such option"),
        (("serve", "--port", "65536"), "65536 is not in the range 0<=x<=65535"),
        (("emulate", "--frames", "odd"), "'odd' is not one of"),
        (("emulate", "--pace", "-1"), "-1.0 is not in the range x>=0"),
        (("snippets", "netscape"), "'netscape' is none of: curl, openai-python, openai-node, "),
        (("run",), "Missing argument 'WORKFLOW'"),
        (("run", ""), "WORKFLOW is empty"),
        (("run", "1", "--chat", "7"), "--conversation and --chat belong to --resume"),
        (("run", "1", "--answer", "Rome"), "--resume and --answer belong together"),
        (("run", "1", "--resume", "5", "--answer", "Rome", "--input", "x"), "neither --input nor --file"),
    ],
)
async def test_a_wrong_command_line_has_a_code_of_its_own(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = await run(*arguments, cwd=tmp_path)
    assert ended.code == 2
    assert ended.out == ""
    assert said in ended.err


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_has_its_code_before_the_work_has_begun(
    capsys: pytest.CaptureFixture[str], ended_by: type[BaseException]
) -> None:
    @click.group(cls=Commands)
    def commands() -> None: ...

    @commands.command()
    def slow() -> None:
        raise ended_by

    with pytest.raises(SystemExit) as ended:
        commands(["slow"])
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


async def test_a_terminal_that_is_not_utf_8_gets_a_mark_for_what_it_cannot_show(tmp_path: Path) -> None:
    ended = await run("chat", "--demo", "--bot", "echo", cwd=tmp_path, stdin="hi 😀".encode(), PYTHONIOENCODING="ascii")
    assert (ended.code, ended.out) == (0, "hi ?\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize(
    "arguments", [("chat", "--demo"), ("demo", "--once", "--port", "0"), ("snippets", "curl"), ("--help",)]
)
async def test_a_full_disk_is_a_sentence_and_a_code(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    full = ("sh", "-c", 'exec "$@" >/dev/full', "sh")
    ended = await run(*arguments, cwd=tmp_path, stdin=b"hi", through=full)
    assert (ended.code, ended.err) == (74, "realcoze: The output cannot be written: No space left on device.\n")


async def test_a_folder_that_is_gone_is_a_sentence_and_a_code(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    gone = ("sh", "-c", 'cd gone && rmdir ../gone && exec "$@"', "sh")
    ended = await run("serve", cwd=tmp_path, through=gone)
    assert (ended.code, ended.err.splitlines()[0]) == (
        78,
        "realcoze: The folder that this runs in is not there any more.",
    )
