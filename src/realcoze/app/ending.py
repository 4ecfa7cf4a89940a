"""How a command ends: what ended it as a sentence on stderr, and a code."""

import errno
import os
import sys

import click

from realcoze.errors import RealcozeError
from realcoze.faces.terminal import exits
from realcoze.faces.terminal.printable import one_line

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


def exit_code_of(error: BaseException) -> int:
    """Say what happened, where there is something to say.  Raises what is a defect of ours."""
    match alone(error):
        case RealcozeError() as known:
            click.echo(f"realcoze: {one_line(known.message)}", err=True)
            if known.hint:
                click.echo(f"  {one_line(known.hint)}", err=True)
            return exits.exit_code(known)
        case KeyboardInterrupt():
            return exits.STOPPED
        case BrokenPipeError():
            _write_nowhere()
            return exits.READER_LEFT
        case OSError(errno=number, strerror=why, filename=None) if number in _UNWRITABLE:
            _write_nowhere()
            click.echo(f"realcoze: The output cannot be written: {why}.", err=True)
            return exits.UNWRITABLE
        case _:
            raise error


def alone(error: BaseException) -> BaseException:
    """What was raised, out of the groups that task groups have put around it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _write_nowhere() -> None:
    """Python writes what is left in its buffers when it ends, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
