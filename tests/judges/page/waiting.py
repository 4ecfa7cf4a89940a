"""Scenarios of bots that wait: for the results of tools, for an answer; and of spoken answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hands import answered, ask, button, last, open_page
from payloads import PAYLOADS
from playwright.sync_api import BrowserContext, Page, expect

Told = dict[str, Any]


def tools(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Two calls, of which one box stays empty; then a question; then its answer, after a reload."""
    page = open_page(context, url)
    ask(page, "What time is it?")
    before = answered(page)
    form = page.locator("form.calls")
    calls = form.locator(".call").all_inner_texts()
    page.reload()
    form.locator("textarea").first.fill("12:00")
    form.locator("button").click()
    expect(form).to_have_count(0)
    asked = answered(page)
    hint = last(page).locator(".asks").inner_text()
    page.reload()
    ask(page, "Rome")
    done = answered(page, 2)
    page.locator("details.steps:visible summary").first.click()
    return {
        "before": before, "calls": calls, "asked": asked, "hint": hint, "done": done,
        "hints_left": page.locator(".asks:visible").count(), "steps": page.locator("details.steps").first.inner_text(),
    }  # fmt: skip


def given_up(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Something else is asked in place of handing in; no form is left."""
    page = open_page(context, url)
    ask(page, "What time is it?")
    answered(page)
    named = button(page, "Hand in").count()
    ask(page, "Something else")
    answered(page, 2)
    return {
        "named": named,
        "forms": page.locator("form.calls").count(),
        "marked": page.locator(".message.broken").count(),
        "notice": page.locator(".message.broken .notice").inner_text(),
    }


def refused_results(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Handing in fails once; then, after a reload, what was typed is handed in as it stands there."""
    page = open_page(context, url)
    ask(page, "What time is it?")
    answered(page)
    form = page.locator("form.calls")
    form.locator("textarea").first.fill("12:00")
    form.locator("button").click()
    page.locator("form.calls .notice").wait_for()
    said = form.locator(".notice p").all_inner_texts()
    typed = [box.input_value() for box in form.locator("textarea").all()]
    retries = page.locator(".retry").count()
    page.reload()
    after_reload = [box.input_value() for box in form.locator("textarea").all()]
    form.locator("button").click()
    expect(form).to_have_count(0)
    asked = answered(page)
    page.locator("details.steps:visible summary").first.click()
    return {
        "said": said, "typed": typed, "after_reload": after_reload, "retries": retries, "asked": asked,
        "steps": page.locator("details.steps").first.inner_text(),
    }  # fmt: skip


def speech_in_rounds(context: BrowserContext, url: str, _folder: Path) -> Told:
    """A sound before the results and more behind them; then the conversation is removed, and brought back."""
    context.add_init_script(
        """window.made = 0; window.released = 0;
        const make = URL.createObjectURL, release = URL.revokeObjectURL;
        URL.createObjectURL = (blob) => { window.made++; return make.call(URL, blob); };
        URL.revokeObjectURL = (address) => { window.released++; release.call(URL, address); };"""
    )
    page = open_page(context, url)
    ask(page, "Speak")
    answered(page)
    first_s = _length_s(page)
    page.locator("form.calls button").click()
    expect(page.locator("form.calls")).to_have_count(0)
    answered(page)
    both_s = _length_s(page)
    page.locator("#conversations .conversation").hover()
    page.locator("#conversations .remove").click()
    page.locator("#banner button").first.click()
    again_s = _length_s(page)
    return {
        "first_s": first_s, "both_s": both_s, "again_s": again_s,
        "made": page.evaluate("window.made"), "released": page.evaluate("window.released"),
    }  # fmt: skip


def speech(context: BrowserContext, url: str, _folder: Path) -> Told:
    """A player that plays; after a reload a note."""
    page = open_page(context, url)
    ask(page, "Speak")
    text = answered(page)
    length_s = _length_s(page)
    page.reload()
    answered(page)
    return {
        "text": text, "length_s": length_s, "after": page.locator("audio").count(), "note": last(page).inner_text()
    }  # fmt: skip


def inject_waiting(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Names, arguments and questions that would be markup."""
    page = open_page(context, url)
    ask(page, "tools")
    answered(page)
    calls = page.locator("form.calls .call").count()
    inside = page.locator("form.calls .call :not(strong, pre, textarea)").count()
    ask(page, "question")
    answered(page, 2)
    return {
        "payloads": len(PAYLOADS), "calls": calls, "inside": inside, "hits": page.evaluate("window.hits"),
    }  # fmt: skip


def _length_s(page: Page) -> float:
    """How long the player of the page says that its sound is."""
    page.locator("audio").wait_for()
    length_s: float = page.evaluate(
        """async () => {
            const audio = document.querySelector('audio');
            while (Number.isNaN(audio.duration)) await new Promise((done) => setTimeout(done, 5));
            return audio.duration;
        }"""
    )
    return length_s


SCENARIOS: tuple[Callable[[BrowserContext, str, Path], Told], ...] = (
    tools, given_up, refused_results, speech_in_rounds, speech, inject_waiting,
)  # fmt: skip
