"""What the tools of a bot gave back, from the person at the terminal."""

from collections.abc import Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.faces.terminal.printable import one_line

DONE = "done"
"""What an empty line stands for."""


async def ask_results(
    calls: Sequence[ToolCall], prompt: PromptSession[str], console: Console
) -> tuple[ToolResult, ...] | None:
    """Show each call and ask for its result; None when somebody gives up, with Ctrl-C or Ctrl-D."""
    results: list[ToolResult] = []
    for call in calls:
        console.print(Text(f"→ {one_line(call.name)} {one_line(call.arguments)}", style="dim", overflow="fold"))
        try:
            with patch_stdout(raw=True):
                line = await prompt.prompt_async(f"Result of {one_line(call.name)}, or Enter for “{DONE}”> ")
        except (EOFError, KeyboardInterrupt):
            return None
        output = line.strip().encode(errors="replace").decode()
        results.append(ToolResult(call_id=call.call_id, output=output or DONE))
    return tuple(results)


async def ask_again(prompt: PromptSession[str]) -> bool:
    """Offer to hand the same results in once more; whether somebody does not give up."""
    try:
        with patch_stdout(raw=True):
            await prompt.prompt_async("Enter hands the same results in again, Ctrl-C gives up> ")
    except (EOFError, KeyboardInterrupt):
        return False
    return True
