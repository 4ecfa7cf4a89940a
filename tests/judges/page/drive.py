"""Drives the page in headless Chromium and prints what was seen, as one JSON object.

    python drive.py URL SCENARIO [FOLDER]

Runs in its own environment (requirements.txt beside it) and knows the page only as a person does: by
what is on the screen.  Every scenario also counts dialogs, requests to other hosts and complaints on
the console.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

URL, SCENARIO = sys.argv[1], sys.argv[2]
FOLDER = Path(sys.argv[3]) if len(sys.argv) > 3 else Path()
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
ANSWER = ".message.bot"
WAIT_MS = 15_000


class Seen:
    """What went on in one browser context."""

    def __init__(self, context: BrowserContext) -> None:
        self.dialogs: list[str] = []
        self.foreign: list[str] = []
        self.console: list[str] = []
        host = urlsplit(URL).netloc
        context.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        context.on("console", lambda said: self.console.append(said.text) if said.type == "error" else None)
        context.on("request", lambda request: self.note(request.url, host))

    def note(self, url: str, host: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host:
            self.foreign.append(url)

    def report(self) -> dict[str, Any]:
        return {"dialogs": self.dialogs, "foreign": self.foreign, "console": self.console}


def open_page(context: BrowserContext, bot: str = "") -> Page:
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(URL)
    expect(page.locator("#question")).to_be_focused(timeout=WAIT_MS)
    if bot:
        page.locator("#bot").select_option(bot)
    return page


def ask(page: Page, text: str) -> None:
    page.locator("#question").fill(text)
    page.keyboard.press("Enter")


def answered(page: Page, count: int = 1) -> str:
    """Wait until `count` answers are finished; the text of the last one."""
    expect(page.locator(ANSWER)).to_have_count(count, timeout=WAIT_MS)
    expect(page.locator(f'{ANSWER}[aria-busy="true"]')).to_have_count(0, timeout=WAIT_MS)
    return last_text(page)


def last_text(page: Page) -> str:
    texts = page.locator(ANSWER).last.locator(".text")
    return texts.inner_text() if texts.count() else ""


def conversation(context: BrowserContext) -> dict[str, Any]:
    """Two questions; the text was seen to grow; steps are folded; a suggestion is asked."""
    page = open_page(context, "memory")
    ask(page, "My name is Ada.")
    lengths: list[int] = []
    page.wait_for_selector(f"{ANSWER} .text")
    while page.locator(f'{ANSWER}[aria-busy="true"]').count():
        lengths.append(len(last_text(page)))
        page.wait_for_timeout(60)
    first = answered(page)
    suggestions = page.locator(".suggestions button").all_inner_texts()
    page.locator(".suggestions button").first.click()
    second = answered(page, 2)
    page.locator("#bot").select_option("tools")
    ask(page, "What is the weather?")
    third = answered(page, 3)
    steps = page.locator(f"{ANSWER} details")
    folded = not steps.last.evaluate("each => each.open")
    steps.last.locator("summary").click()
    shown = steps.last.inner_text()
    page.reload()
    expect(page.locator(ANSWER)).to_have_count(3)
    return {
        "grew": sorted(set(lengths)), "first": first, "suggestions": suggestions, "second": second, "third": third,
        "folded": folded, "steps": shown, "after_reload": last_text(page),
        "kept": page.locator(".conversation").count(), "title": page.title(),
    }  # fmt: skip


def stop(context: BrowserContext) -> dict[str, Any]:
    page = open_page(context, "slow")
    ask(page, "Take your time.")
    expect(page.locator(f"{ANSWER} .text")).to_have_text(re.compile(".{10}"))
    page.locator("#stop").click()
    text = answered(page)
    notice = page.locator(".notice").inner_text()
    incomplete = page.locator(".message.broken").count()
    page.locator("#bot").select_option("echo")
    ask(page, "and on")
    return {"text": text, "notice": notice, "incomplete": incomplete, "next": answered(page, 2)}


def attach(context: BrowserContext) -> dict[str, Any]:
    page = open_page(context, "pictures")
    page.locator("#file").set_input_files(str(FOLDER / "picture.png"))
    expect(page.locator("#attachments img")).to_have_count(1)
    ask(page, "What is this?")
    return {"text": answered(page), "thumbs": page.locator(".message.user img").count()}


def error(context: BrowserContext) -> dict[str, Any]:
    page = open_page(context, "echo")
    ask(page, "hello [[fault quota]]")
    answered(page)
    notice = page.locator(".notice.error")
    shown = notice.inner_text()
    buttons = notice.locator("button").all_inner_texts()
    notice.locator("button").click()
    answered(page)
    return {"notice": shown, "buttons": buttons, "answers": page.locator(ANSWER).count()}


def broken(context: BrowserContext) -> dict[str, Any]:
    page = open_page(context, "echo")
    ask(page, "one two three four five six seven eight [[fault unfinished after=4]]")
    text = answered(page)
    return {
        "text": text, "notice": page.locator(".notice.broken").inner_text(),
        "marked": page.locator(".message.broken").count(),
    }  # fmt: skip


def edit(context: BrowserContext) -> dict[str, Any]:
    page = open_page(context, "echo")
    ask(page, "first")
    answered(page)
    ask(page, "second")
    answered(page, 2)
    page.locator(".message.user").first.hover()
    page.locator(".message.user .tools button").nth(1).click()
    page.locator("#question").fill("changed")
    page.keyboard.press("Enter")
    text = answered(page, 1)
    page.locator("#new-conversation").click()
    ask(page, "another")
    answered(page)
    with page.expect_download() as download:
        page.locator("#export").click()
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    return {"text": text, "conversations": page.locator(".conversation").count(), "saved": saved}


def key(context: BrowserContext) -> dict[str, Any]:
    page = open_page(context)
    ask(page, "hello")
    page.wait_for_selector("#key-dialog[open]")
    page.locator("#key").fill("wrong-key-0123456789")
    page.keyboard.press("Enter")
    expect(page.locator("#key")).to_have_value("")
    expect(page.locator("#key-dialog")).to_have_attribute("open", "")
    page.locator("#key").fill(FOLDER.name)
    page.locator("#key-dialog button.primary").click()
    text = answered(page)
    kept = page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage)]")
    return {"text": text, "in_local": FOLDER.name in kept[0], "in_session": FOLDER.name in kept[1]}


def inject(context: BrowserContext) -> dict[str, Any]:
    """Every payload as an answer, streamed in pieces; then everything that can be clicked is clicked."""
    payloads = json.loads((FOLDER / "payloads.json").read_text(encoding="utf-8"))
    page = open_page(context, "echo")
    page.evaluate("window.hits = 0")
    for count, payload in enumerate(payloads, start=1):
        ask(page, payload)
        answered(page, count)
    bad = page.evaluate(
        """() => [...document.querySelectorAll('.message.bot .text *')].filter((each) =>
            ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'STYLE', 'FORM', 'INPUT', 'IMG', 'SVG', 'MATH', 'LINK', 'META', 'BASE',
             'VIDEO', 'AUDIO'].includes(each.tagName.toUpperCase())
            || [...each.attributes].some((one) => one.name.startsWith('on') || one.name === 'style'
               || /^\\s*(javascript|data|vbscript):/i.test(one.value))).map((each) => each.outerHTML)"""
    )
    links = page.evaluate("[...document.querySelectorAll('.message.bot a')].map((a) => [a.protocol, a.rel, a.target])")
    page.reload()
    expect(page.locator(ANSWER)).to_have_count(len(payloads))
    return {"answers": page.locator(ANSWER).count(), "bad": bad, "links": links, "hits": page.evaluate("window.hits ?? 0")}


def picture(context: BrowserContext) -> dict[str, Any]:
    """A picture in an answer loads on a click, and not before."""
    page = open_page(context, "echo")
    asked: list[str] = []
    context.route(re.compile("pictures.example"), lambda route: (asked.append(route.request.url), route.abort()))
    ask(page, "![cat](http://pictures.example/cat.png)")
    answered(page)
    before = list(asked)
    page.locator("button.picture").click()
    page.wait_for_timeout(300)
    return {"before": before, "after": asked}


def seed(context: BrowserContext) -> dict[str, Any]:
    """The Node program's second snippet, unchanged, from our page's origin."""
    page = open_page(context)
    logged: list[str] = []
    page.on("console", lambda said: logged.append(said.text))
    snippet = (FOLDER / "stream.js").read_text(encoding="utf-8")
    result = page.evaluate(f"async () => {{ {snippet} ; return 'read to the end'; }}")
    return {"result": result, "logged": logged}


def screenshots(context: BrowserContext) -> dict[str, Any]:
    """The four pictures of the documentation; the context is not used, each has its own."""
    browser = context.browser
    assert browser is not None
    names = []
    for width, height in ((1280, 800), (360, 740)):
        for scheme in ("light", "dark"):
            own = new_context(browser, width, height, scheme)
            page = open_page(own, "tools")
            ask(page, "What is the weather in Berlin?")
            answered(page)
            page.locator("#bot").select_option("markdown")
            ask(page, "the sea")
            answered(page, 2)
            page.mouse.move(2, 2)
            page.evaluate("document.activeElement.blur()")
            page.locator("#messages").evaluate("each => { each.scrollTop = 0; }")
            name = f"page-{width}-{scheme}.png"
            page.screenshot(path=str(FOLDER / name))
            names.append(name)
            own.close()
    return {"names": names}


def new_context(browser: Browser, width: int, height: int, scheme: str, locale: str = "en-GB") -> BrowserContext:
    return browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale=locale,  # type: ignore[arg-type]
        has_touch=width < 500, device_scale_factor=1,
    )  # fmt: skip


SCENARIOS: dict[str, Callable[[BrowserContext], dict[str, Any]]] = {
    each.__name__: each
    for each in (
        conversation, stop, attach, error, broken, edit, key, inject, picture, seed, screenshots,
    )  # fmt: skip
}

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    context = new_context(browser, 1280, 800, "light")
    seen = Seen(context)
    found = SCENARIOS[SCENARIO](context)
    print(json.dumps({**found, **seen.report()}, ensure_ascii=False))
    browser.close()
