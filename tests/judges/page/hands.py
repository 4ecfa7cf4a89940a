"""What a person does with the page, and what is seen meanwhile.  The page is known by what is on the screen."""

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page

ANSWER = ".message.bot"
RUNNING = f"{ANSWER}[aria-busy=true]"
WAIT_MS = 15_000
HTTP_COMPLAINT = re.compile(
    r"Failed to load resource: (the server responded with a status of \d+|net::ERR_INCOMPLETE_CHUNKED_ENCODING)"
)
"""What Chromium says of every answer that is an error or that breaks off, expected or not."""


class Seen:
    """What went on in one browser context: dialogs, requests to other hosts, complaints, errors of scripts."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.dialogs: list[str] = []
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self._host = urlsplit(url).netloc
        context.add_init_script("window.hits = 0")
        context.on("dialog", self._dialog)
        context.on("request", lambda request: self._request(request.url))
        context.on("console", lambda said: self._said(said.text) if said.type in ("error", "warning") else None)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("page", lambda page: page.set_default_timeout(WAIT_MS))

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self.foreign.append(url)

    def _said(self, text: str) -> None:
        if not HTTP_COMPLAINT.match(text):
            self.complaints.append(text)

    def report(self) -> dict[str, Any]:
        return {"dialogs": self.dialogs, "foreign": self.foreign, "complaints": self.complaints}


def new_context(browser: Browser, width: int, height: int, scheme: str, locale: str = "en-GB") -> BrowserContext:
    """A phone when it is narrow."""
    is_phone = width < 500
    return browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale=locale,  # type: ignore[arg-type]
        has_touch=is_phone, is_mobile=is_phone,
    )  # fmt: skip


def open_page(context: BrowserContext, url: str, bot: str = "") -> Page:
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#bot option", state="attached")
    if bot:
        choose(page, bot)
    return page


def choose(page: Page, bot: str) -> None:
    page.locator("#bot").select_option(bot)


def ask(page: Page, text: str) -> None:
    page.locator("#question").fill(text)
    page.locator("#send").click()


def ask_all(page: Page, texts: tuple[str, ...]) -> None:
    """One after the other, each when the last is answered; without waiting until a button stands still."""
    page.evaluate(
        """async ([texts, running]) => {
            for (const text of texts) {
                document.querySelector('#question').value = text;
                document.querySelector('#composer').requestSubmit();
                while (document.querySelector(running)) await new Promise((done) => setTimeout(done, 5));
            }
        }""",
        [texts, RUNNING],
    )


def answered(page: Page, count: int = 1) -> str:
    """Wait until `count` answers stand there and none runs; the text of the last one."""
    until(page, f"document.querySelectorAll('{ANSWER}').length === {count} && !document.querySelector('{RUNNING}')")
    return last_text(page)


def last(page: Page) -> Locator:
    return page.locator(ANSWER).last


def last_text(page: Page) -> str:
    return "\n\n".join(last(page).locator(".text").all_inner_texts())


def button(page: Page, name: str) -> Locator:
    """The last button of this name, as a screen reader knows it."""
    return page.get_by_role("button", name=name, exact=True).last


def until(page: Page, expression: str) -> None:
    """Wait until it holds; not by wait_for_function, whose eval the page's policy forbids."""
    for _ in range(WAIT_MS // 10):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(10)
    raise TimeoutError(expression)


def shows(page: Page, selector: str) -> bool:
    return page.locator(selector).is_visible()
