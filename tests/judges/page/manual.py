"""Scenarios of the page at /docs; `url` is that of the server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page

Told = dict[str, Any]
CALL = ".opblock"


def read(context: BrowserContext, url: str, _folder: Path) -> Told:
    """What is said before anything is drawn."""
    page = context.new_page()
    page.goto(f"{url}docs")
    page.wait_for_selector("#intro:not(:empty)")
    return _said(page)


def tried(context: BrowserContext, url: str, folder: Path) -> Told:
    """The same, and what is drawn; then a call without the key, and with it, which is in the file `key`."""
    page = _opened(context, url)
    shown = {**_said(page), **_drawn(page)}
    refused = _executed(page, "operations-OpenAI-post_v1_chat_completions")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill((folder / "key").read_text(encoding="utf-8"))
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close", exact=True).first.click()
    answered = _executed(page, "operations-OpenAI-post_v1_chat_completions")
    kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    return {**shown, "refused": refused, "answered": answered, "kept": kept}


def _opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(f"{url}docs")
    page.wait_for_selector(CALL)
    return page


def _said(page: Page) -> Told:
    return {
        "title": page.title(), "language": page.evaluate("document.documentElement.lang"),
        "intro": page.locator("#intro").inner_text(),
    }  # fmt: skip


def _drawn(page: Page) -> Told:
    paths = page.locator(f"{CALL} .opblock-summary-path").evaluate_all("all => all.map((each) => each.dataset.path)")
    methods = page.locator(f"{CALL} .opblock-summary-method").all_inner_texts()
    return {
        "calls": [list(each) for each in zip(methods, paths, strict=True)],
        "badges": page.locator(".badge, a[href*='validator']").count(),
        "errors": page.locator(".errors-wrapper").count(),
    }  # fmt: skip


def _executed(page: Page, name: str) -> list[str]:
    """The status and the body of what one call of the page's gave, with the body that it proposes."""
    call = page.locator(f"[id='{name}']")
    if not _button(call, "Execute").count():
        call.locator(".opblock-summary-control").click()
        _button(call, "Try it out").click()
    with page.expect_response(lambda response: response.request.method == "POST"):
        _button(call, "Execute").click()
    row = call.locator(".live-responses-table tr.response")
    row.locator(".microlight, .highlight-code").first.wait_for()
    return [
        row.locator(".response-col_status").inner_text().split()[0],
        row.locator(".response-col_description").inner_text(),
    ]


def _button(call: Locator, name: str) -> Locator:
    return call.get_by_role("button", name=name, exact=True)


SCENARIOS: tuple[Callable[[BrowserContext, str, Path], Told], ...] = (read, tried)
