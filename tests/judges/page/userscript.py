"""Scenarios of the userscript, on a page that the test serves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hands import until
from playwright.sync_api import BrowserContext, Page

Told = dict[str, Any]
BUTTON = "#realcoze-download"
SCRIPT = "download-bot-config.user.js"


def pasted(context: BrowserContext, url: str, folder: Path) -> Told:
    """Into the console, twice, on a page that has long been loaded."""
    script = (folder / SCRIPT).read_text(encoding="utf-8")
    page = context.new_page()
    page.goto(url)
    page.evaluate(script)
    page.evaluate(script)
    return _used(page, "fetch")


def injected(context: BrowserContext, url: str, folder: Path) -> Told:
    """As Tampermonkey does, before the page's own scripts."""
    context.add_init_script(path=folder / SCRIPT)
    page = context.new_page()
    page.goto(url)
    return _used(page, "xhr")


def lacking(context: BrowserContext, url: str, folder: Path) -> Told:
    """A save of something else first, then one of everything."""
    page = context.new_page()
    page.goto(url)
    page.evaluate((folder / SCRIPT).read_text(encoding="utf-8"))
    page.evaluate(
        "fetch('/api/draftbot/update', {method: 'POST', "
        "body: JSON.stringify({bot_id: location.pathname.split('/').pop(), name: 'x'})})"
    )
    until(page, f"document.querySelector('{BUTTON}').dataset.state === 'lacking'")
    label = page.locator(BUTTON).inner_text()
    page.locator(BUTTON).click()
    page.evaluate("window.save('fetch')")
    until(page, f"document.querySelector('{BUTTON}').dataset.state === 'ready'")
    return {"lacking": label, "ready": page.locator(BUTTON).inner_text()}


def _used(page: Page, first: str) -> Told:
    """Looked at before anything was saved; then every way of saving, each with its download."""
    page.wait_for_selector(BUTTON)
    waiting = page.locator(BUTTON).inner_text()
    page.locator(BUTTON).click()
    downloads = {}
    ways = [first, *(way for way in ("fetch", "request", "blob", "xhr") if way != first)]
    for way in ways:
        answer = page.evaluate("(way) => window.save(way)", way)
        until(page, f"document.querySelector('{BUTTON}').dataset.state === 'ready'")
        page.wait_for_timeout(50)  # a body that is no text is read beside the call
        with page.expect_download() as download:
            page.locator(BUTTON).click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        downloads[way] = {"name": download.value.suggested_filename, "text": text, "answer": answer}
    ready = page.locator(BUTTON).inner_text()
    page.evaluate("window.save('fetch', '/api/other')")
    used = page.evaluate("window.useTwice()")
    page.evaluate("history.pushState({}, '', '/space/1/bot/99')")
    until(page, f"document.querySelector('{BUTTON}').dataset.state === 'waiting'")
    page.evaluate("document.body.replaceChildren()")
    page.wait_for_selector(BUTTON)
    return {
        "waiting": waiting, "ready": ready, "downloads": downloads, "buttons": page.locator(BUTTON).count(),
        "used": used,
    }  # fmt: skip


SCENARIOS: tuple[Callable[[BrowserContext, str, Path], Told], ...] = (pasted, injected, lacking)
