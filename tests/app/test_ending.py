import errno

import pytest

from realcoze.app.ending import alone, exit_code_of
from realcoze.errors import Misconfigured, RateLimited


def test_an_error_is_taken_out_of_its_groups() -> None:
    error = RateLimited("Too fast.")
    assert alone(error) is error
    assert alone(ExceptionGroup("", [ExceptionGroup("", [error])])) is error
    both = ExceptionGroup("", [error, error])
    assert alone(both) is both


def test_an_error_of_ours_is_a_sentence_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(Misconfigured("It is missing.", hint="Write it.")) == 78
    assert exit_code_of(RateLimited("Too fast.")) == 75
    assert capsys.readouterr().err == "realcoze: It is missing.\n  Write it.\nrealcoze: Too fast.\n"


def test_ctrl_c_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "")


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code_of(ZeroDivisionError())
    with pytest.raises(OSError, match=r"input\.png"):
        exit_code_of(OSError(errno.EIO, "Input/output error", "input.png"))
    with pytest.raises(PermissionError):
        exit_code_of(PermissionError(errno.EACCES, "Permission denied"))
