"""Scenarios of asking: answers that come, stop, fail, break off; files; keys; languages."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hands import ANSWER, RUNNING, answered, ask, button, choose, last, last_text, open_page, shows, until
from playwright.sync_api import BrowserContext, Page, expect

Told = dict[str, Any]


def conversation(context: BrowserContext, url: str, _folder: Path) -> Told:
    """A question; a suggestion is asked; steps are folded; everything is there after a reload."""
    page = open_page(context, url, "memory")
    ask(page, "My name is Ada.")
    first = answered(page)
    suggestions = page.locator(".suggestions button").all_inner_texts()
    page.locator(".suggestions button").first.click()
    second = answered(page, 2)
    choose(page, "tools")
    ask(page, "What is the weather?")
    third = answered(page, 3)
    steps = page.locator("details.steps:visible")
    was_folded = not steps.last.evaluate("each => each.open")
    steps.last.locator("summary").click()
    shown = steps.last.inner_text()
    page.reload()
    expect(page.locator(ANSWER)).to_have_count(3)
    return {
        "first": first, "suggestions": suggestions, "second": second, "third": third, "was_folded": was_folded,
        "steps": shown, "after_reload": last_text(page), "kept": page.locator(".conversation").count(),
        "title": page.title(), "bot": page.locator("#bot").input_value(),
    }  # fmt: skip


def stream(context: BrowserContext, url: str, _folder: Path) -> Told:
    """The text grows; a reader who scrolls up stays there; the end is a button away."""
    page = open_page(context, url, "markdown")
    page.set_viewport_size({"width": 1000, "height": 420})
    page.evaluate(
        """() => { window.lengths = []; new MutationObserver(() => {
            const length = document.querySelector('.message.bot .texts')?.textContent.length ?? 0;
            if (length !== window.lengths.at(-1)) window.lengths.push(length);
        }).observe(document.querySelector('#messages'), {childList: true, subtree: true, characterData: true}) }"""
    )
    ask(page, "the sea")
    until(page, "document.querySelector('#messages').scrollTop > 60")
    page.locator("#messages").hover()
    page.mouse.wheel(0, -4000)
    until(page, "document.querySelector('#messages').scrollTop === 0")
    before = page.evaluate("window.lengths.at(-1)")
    answered(page)
    stayed = page.evaluate("document.querySelector('#messages').scrollTop")
    offered = shows(page, "#to-end")
    page.locator("#to-end").click()
    at_end = page.evaluate(
        "(() => { const m = document.querySelector('#messages'); return m.scrollHeight - m.scrollTop - m.clientHeight })()"
    )
    lengths = page.evaluate("window.lengths")
    return {
        "lengths": lengths, "scrolled_at": before, "stayed": stayed, "offered": offered, "at_end": at_end,
        "told": page.locator("#told").inner_text(),
    }  # fmt: skip


def stop(context: BrowserContext, url: str, _folder: Path) -> Told:
    """In the middle of an answer, and before its first word."""
    page = open_page(context, url, "slow")
    ask(page, "Take your time.")
    expect(page.locator(f"{ANSWER} .text")).to_have_text(re.compile(".{10}"))
    page.locator("#stop").click()
    text = answered(page)
    notice = page.locator(".notice").inner_text()
    marked = page.locator(".message.broken").count()
    choose(page, "echo")
    ask(page, "[[fault silent]]")
    page.wait_for_selector(RUNNING)
    page.locator("#stop").click()
    answered(page, 2)
    early = last(page).locator(".notice").inner_text()
    ask(page, "and on")
    return {"text": text, "notice": notice, "marked": marked, "early": early, "next": answered(page, 3)}


def attach(context: BrowserContext, url: str, folder: Path) -> Told:
    """A picture; then a file that is too large, which harms nothing."""
    page = open_page(context, url, "pictures")
    page.locator("#file").set_input_files(str(folder / "picture.png"))
    expect(page.locator("#attachments img")).to_have_count(1)
    ask(page, "What is this?")
    text = answered(page)
    page.locator("#question").fill("still here")
    page.locator("#file").set_input_files(str(folder / "large.bin"))
    banner = page.locator("#banner")
    expect(banner).to_be_visible()
    return {
        "text": text, "thumbs": page.locator(".message.user img").count(), "refused": banner.inner_text(),
        "left": page.locator("#attachments .attachment").count(), "draft": page.locator("#question").input_value(),
    }  # fmt: skip


def uploads(context: BrowserContext, url: str, _folder: Path) -> Told:
    """One that fails while an edit hides it, one that is taken back, one that another bot is sent."""
    page = open_page(context, url, "pictures")
    ask(page, "first")
    answered(page)
    chips, banner = page.locator("#attachments .attachment"), page.locator("#banner")
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route(re.compile("/upload"), hold)

    def attach_one(count: int) -> None:
        page.locator("#file").set_input_files({"name": "a.bin", "mimeType": "", "buffer": b"a file"})
        expect(chips).to_have_count(1)
        while len(held) < count:
            page.wait_for_timeout(10)

    attach_one(1)
    page.locator(".message.user").hover()
    page.locator(".message.user .edit").click()
    in_edit = chips.count()
    held[0].fulfill(status=502, json={"error": {"code": "upload_failed", "message": "It said no."}})
    expect(banner).to_be_visible()
    refused = banner.inner_text()
    page.locator("#question").press("Escape")
    after, can_send = chips.count(), page.locator("#send").is_enabled()

    attach_one(2)
    with page.expect_event("requestfailed") as gone:
        chips.locator("button").click()
    taken_back, still = gone.value.failure, banner.inner_text()

    page.unroute(re.compile("/upload"))
    attach_one(0)
    expect(chips).to_have_attribute("aria-busy", "false")
    choose(page, "echo")
    ask(page, "second")
    answered(page, 2)
    of_another_bot = banner.inner_text()
    ask(page, "third")
    answered(page, 3)
    return {
        "in_edit": in_edit, "refused": refused, "after": after, "can_send": can_send, "taken_back": taken_back,
        "still": still, "of_another_bot": of_another_bot, "told_again": shows(page, "#banner"),
    }  # fmt: skip


def error(context: BrowserContext, url: str, _folder: Path) -> Told:
    """It stands in the conversation with its hint; trying again asks again."""
    page = open_page(context, url, "echo")
    ask(page, "hello [[fault region]]")
    answered(page)
    notice = page.locator(".notice.error")
    shown = notice.inner_text()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    notice.locator("button").click()
    answered(page)
    return {"notice": shown, "asked": asked, "answers": page.locator(ANSWER).count()}


def broken(context: BrowserContext, url: str, _folder: Path) -> Told:
    """It is visibly incomplete, also after a reload."""
    page = open_page(context, url, "echo")
    ask(page, "one two three four five six seven eight [[fault unfinished after=4]]")
    text = answered(page)
    notice = page.locator(".notice.broken").inner_text()
    page.reload()
    return {
        "text": text, "notice": notice, "marked": page.locator(".message.broken").count(),
        "retry": shows(page, ".notice.broken button"),
    }  # fmt: skip


def left(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Somebody who reloads in the middle of an answer finds its beginning, marked."""
    page = open_page(context, url, "slow")
    ask(page, "Take your time.")
    expect(page.locator(f"{ANSWER} .text")).to_have_text(re.compile(".{10}"))
    page.reload()
    return {"text": answered(page), "notice": page.locator(".notice.broken").inner_text()}


def edit(context: BrowserContext, url: str, _folder: Path) -> Told:
    """An earlier question is changed; a draft survives a change of mind."""
    page = open_page(context, url, "echo")
    for count, text in enumerate(("first", "second"), start=1):
        ask(page, text)
        answered(page, count)
    page.locator("#question").fill("a draft")
    page.locator(".message.user").first.hover()
    page.get_by_role("button", name="Edit").first.click()
    in_box = page.locator("#question").input_value()
    page.keyboard.press("Escape")
    draft = page.locator("#question").input_value()
    page.get_by_role("button", name="Edit").first.click()
    page.locator("#question").fill("changed")
    page.keyboard.press("Enter")
    text = answered(page, 1)
    page.keyboard.press("ArrowUp")
    return {
        "in_box": in_box, "draft": draft, "text": text, "title": page.locator("#title").inner_text(),
        "by_arrow": page.locator("#question").input_value(),
    }  # fmt: skip


def key(context: BrowserContext, url: str, folder: Path) -> Told:
    """A wrong key, the right one, and no question after a reload."""
    page = open_page(context, url)
    ask(page, "hello")
    page.wait_for_selector("#key-dialog[open]")
    page.locator("#key").fill("wrong-key-0123456789")
    page.keyboard.press("Enter")
    expect(page.locator("#key-refused")).to_be_visible()
    page.locator("#key").fill(folder.name)
    page.locator("#key-dialog button.primary").click()
    text = answered(page)
    page.reload()
    ask(page, "again")
    again = answered(page, 2)
    kept = page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie]")
    other = open_page(context, url)
    other.locator(".conversation .open").first.click()
    ask(other, "in another tab")
    other.wait_for_selector("#key-dialog[open]")
    other.locator("#key-cancel").click()
    answered(other, 3)
    return {
        "text": text, "again": again, "kept_in": [folder.name in each for each in kept],
        "cancelled": other.locator(".notice.error").inner_text(),
    }  # fmt: skip


def chinese(context: BrowserContext, url: str, _folder: Path) -> Told:
    """The words and an error's meaning, in Chinese."""
    page = open_page(context, url, "tools")
    names = page.locator("#send, #attach, #export").evaluate_all("all => all.map((each) => each.ariaLabel)")
    ask(page, "北京的天气怎么样？")
    text = answered(page)
    summary = page.locator("summary:visible").inner_text()
    choose(page, "echo")
    ask(page, "你好 [[fault quota]]")
    answered(page, 2)
    return {
        "language": page.evaluate("document.documentElement.lang"), "names": names, "text": text, "summary": summary,
        "notice": page.locator(".notice.error").inner_text(), "new": page.locator("#new-conversation").inner_text(),
    }  # fmt: skip


def messages(context: BrowserContext, url: str, _folder: Path) -> Told:
    """An answer of two messages, the first with a fence that it never closes."""
    page = open_page(context, url)
    ask(page, "two")
    answered(page)
    return {
        "texts": page.locator(f"{ANSWER} .text").all_inner_texts(), "code": page.locator("pre").count(),
        "visible": shows(page, ANSWER), "chooser": shows(page, "#bot"),
    }  # fmt: skip


def picture(context: BrowserContext, url: str, _folder: Path) -> Told:
    """A picture in an answer loads on a click, and not before."""
    page = open_page(context, url, "echo")
    asked: list[str] = []
    context.route(re.compile("pictures.example"), lambda route: (asked.append(route.request.url), route.abort()))
    ask(page, "![cat](http://pictures.example/cat.png) ![](javascript:alert(1)) ![](data:image/png;base64,AAAA)")
    answered(page)
    before = list(asked)
    label = page.locator("button.picture").all_inner_texts()
    page.locator("button.picture").click()
    until(page, "document.querySelector('.message.bot img')?.complete")  # the route has been told by then
    return {"before": before, "after": asked, "label": label}


def seed(context: BrowserContext, url: str, folder: Path) -> Told:
    """The Node program's second snippet, unchanged, from our page's origin."""
    page = open_page(context, url)
    page.evaluate("window.logged = []; console.log = (...said) => window.logged.push(...said)")
    snippet = (folder / "stream.js").read_text(encoding="utf-8")
    result = page.evaluate(f"async () => {{ {snippet}\n; return 'read to the end'; }}")
    return {"result": result, "logged": page.evaluate("window.logged")}


def _keys(page: Page) -> list[str]:
    return page.evaluate("Object.keys(localStorage)")


def several(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Several conversations: one runs on while another is read; delete and undo; export; copy."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_page(context, url, "slow")
    ask(page, "the slow one")
    page.wait_for_selector(f"{RUNNING} .text")
    page.locator("#new-conversation").click()
    choose(page, "echo")
    ask(page, "the quick **one**")
    quick = answered(page)
    dots = page.locator(".conversation .dot").count()
    page.get_by_role("button", name="Copy", exact=True).last.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        page.locator("#export").click()
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    page.locator(".conversation .open", has_text="the slow one").click()
    goes_on = page.locator(RUNNING).count()
    page.locator(".conversation", has_text="the slow one").hover()
    button(page, "Delete: the slow one").click()
    after_delete = page.locator(".conversation .open").all_inner_texts()
    kept_after_delete = len(_keys(page))
    button(page, "Undo").click()
    answered(page)
    undone = page.locator(".conversation .open").all_inner_texts()
    return {
        "quick": quick, "dots": dots, "copied": copied, "saved": saved, "name": download.value.suggested_filename,
        "goes_on": goes_on, "after_delete": after_delete, "kept_after_delete": kept_after_delete, "undone": undone,
        "notice": page.locator(".notice").inner_text(), "kept": len(_keys(page)),
    }  # fmt: skip


def tabs(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Two tabs: neither loses what the other keeps."""
    one, other = open_page(context, url, "echo"), open_page(context, url, "echo")
    ask(one, "from the first")
    answered(one)
    ask(other, "from the second")
    answered(other)
    expect(one.locator(".conversation")).to_have_count(2)
    one.locator(".conversation .open", has_text="from the second").click()
    ask(one, "more")
    answered(one, 2)
    answered(other, 2)
    one.reload()
    return {"one": one.locator(".conversation .open").all_inner_texts(), "other": last_text(other)}


def full(context: BrowserContext, url: str, _folder: Path) -> Told:
    """A browser without room says so, and the conversation goes on."""
    page = open_page(context, url, "echo")
    page.evaluate(
        """() => { let size = 1 << 22; while (size >= 1) {
            try { localStorage.setItem('fill' + size, 'x'.repeat(size)); } catch { /* smaller */ } size >>= 1; } }"""
    )
    ask(page, "hello")
    return {"text": answered(page), "banner": page.locator("#banner").inner_text()}


SCENARIOS: tuple[Callable[[BrowserContext, str, Path], Told], ...] = (
    conversation, stream, stop, attach, uploads, error, broken, left, edit, key, chinese, messages, picture, seed, several, tabs,
    full,
)  # fmt: skip
