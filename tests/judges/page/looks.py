"""Scenarios of how it looks and feels: keyboards, phones, contrast, long conversations, pictures of the page."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hands import answered, ask, choose, new_context, open_page, until
from playwright.sync_api import BrowserContext, Page, expect

Told = dict[str, Any]
RICH = (
    "# A heading\n\n" + "Pneumonoultramicroscopicsilicovolcanoconiosis" * 4 + "\n\n"
    "| one | two | three | four | five |\n|---|--:|---|---|---|\n| 1 | 2 | 数据库 | four words in here | 5 |\n\n"
    "```python\n" + "print('a line that is far too long for a telephone') " * 4 + "\n```\n\n"
    "- `code` and [a link](https://example.org/)\n\n> 引用\n\n![x](https://pictures.example/x.png)"
)

SMALL_TARGETS = """() => [...document.querySelectorAll('button, select, summary, textarea')]
    .filter((each) => each.checkVisibility({opacityProperty: true, visibilityProperty: true}) && !each.closest('.tools'))
    .map((each) => [each.id || each.className || each.textContent, each.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 39.5 || box.width < 39.5))
    .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""

POOR_CONTRAST = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
    const behind = (each) => { for (; each; each = each.parentElement) {
        const color = rgba(getComputedStyle(each).backgroundColor); if (color[3] === 255) return color; }
        return rgba('Canvas'); };
    const poor = [];
    for (const each of document.querySelectorAll('body *')) {
        const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || each.matches(':disabled, .unseen, script, noscript') || !each.checkVisibility()) continue;
        const [a, b] = [light(rgba(getComputedStyle(each).color)), light(behind(each))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push(`${each.className || each.id || each.tagName}: ${ratio.toFixed(2)}`);
    }
    return [...new Set(poor)];
}"""


def narrow(context: BrowserContext, url: str, _folder: Path) -> Told:
    """A phone in both schemes: nothing runs over the edge, fingers find the buttons, words can be read."""
    browser = context.browser
    assert browser is not None
    found: Told = {"wide": [], "small": [], "poor": [], "nameless": [], "focused": []}
    for width, scheme in ((360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")):
        own = new_context(browser, width, 740, scheme)
        page = open_page(own, url, "echo")
        ask(page, RICH)
        answered(page)
        choose(page, "tools")
        ask(page, "What is the weather?")
        answered(page, 2)
        page.locator("summary:visible").click()
        ask(page, "[[fault broken]]")
        answered(page, 3)
        if width == 360:
            found["wide"] += page.evaluate(
                "['#messages', 'body', '#composer'].filter((each) => { const e = document.querySelector(each);"
                " return e.scrollWidth > e.clientWidth })"
            )
            found["small"] += page.evaluate(SMALL_TARGETS)
            found["focused"].append(page.evaluate("document.activeElement.id"))
            _scroll_code(page)
            _tap_a_message(page)
        found["poor"] += page.evaluate(POOR_CONTRAST)
        found["nameless"] += _nameless(page)
        if width == 360:
            page.locator("#open-sidebar").click()
            expect(page.locator("#close-sidebar")).to_be_focused()
            found["small"] += page.evaluate(SMALL_TARGETS)
            found["poor"] += page.evaluate(POOR_CONTRAST)
            page.keyboard.press("Escape")
            expect(page.locator("#sidebar")).not_to_be_visible()
        own.close()
    return found


def _scroll_code(page: Page) -> None:
    """Code that is too wide fades out at its edge until its end is seen."""
    fade = "getComputedStyle(document.querySelector('.text pre')).getPropertyValue('--fade')"
    assert page.evaluate(fade) == "44px"
    page.evaluate("document.querySelector('.text pre').scrollTo(9999, 0)")
    until(page, f"{fade} === '0px'")


def _tap_a_message(page: Page) -> None:
    """What can be done with an earlier one is shown once it is tapped."""
    question = page.locator(".message.user").nth(1)
    expect(question.locator(".tools")).to_have_css("opacity", "0")
    question.locator(".body").tap()
    expect(question.locator(".tools")).to_have_css("opacity", "1")
    question.get_by_role("button", name="Edit").tap(trial=True)
    expect(page.locator(".message.user .tools").first).to_have_css("opacity", "0")


def _nameless(page: Page) -> list[str]:
    """Controls that a screen reader has no name for."""
    tree = page.locator("body").aria_snapshot()
    roles = ("button", "textbox", "combobox", "link", "article", "navigation")
    return [line for line in tree.splitlines() if line.strip().strip("-: ") in roles]


def keyboard(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Everything without a mouse; Enter while a word is composed sends nothing; on a phone it makes a line."""
    page = open_page(context, url, "echo")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("ni hao")
    composing = "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, isComposing: true})"
    page.evaluate(f"document.activeElement.dispatchEvent({composing})")
    sent_while_composing = page.locator(".message").count()
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("again")
    page.keyboard.press("Enter")
    text = answered(page)
    expect(page.locator("#question")).to_be_focused()
    reached = []
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    browser = context.browser
    assert browser is not None
    phone = open_page(new_context(browser, 360, 740, "light"), url, "echo")
    phone.locator("#question").tap()
    phone.keyboard.type("a")
    phone.keyboard.press("Enter")
    phone.keyboard.type("b")
    return {
        "sent_while_composing": sent_while_composing, "text": text, "reached": reached,
        "on_phone": phone.locator("#question").input_value(), "sent_on_phone": phone.locator(".message").count(),
    }  # fmt: skip


def long(context: BrowserContext, url: str, _folder: Path) -> Told:
    """With 200 messages there, an answer that comes touches nothing but its own element."""
    page = open_page(context, url)
    page.evaluate("document.querySelector('#bot').value")
    kept = {
        "id": "long", "title": "long", "bot": "markdown", "changed": 1,
        "messages": [
            {"role": "user", "text": f"question {place}", "attachments": []} if place % 2 == 0 else
            {"role": "bot", "bot": "markdown", "texts": [RICH], "steps": [], "suggestions": [], "state": "done", "error": None}
            for place in range(200)
        ],
    }  # fmt: skip
    page.evaluate("(text) => localStorage.setItem('realcoze.conversation.long', text)", json.dumps(kept))
    page.reload()
    page.wait_for_selector("#bot option", state="attached")
    opening_ms = page.evaluate(
        """() => { const began = performance.now(); document.querySelector('.conversation .open').click();
            document.querySelector('#messages').offsetHeight; return performance.now() - began; }"""
    )
    page.evaluate(
        """() => { window.touched = new Set(); new MutationObserver((all) => { for (const each of all) {
            const message = each.target.closest?.('.message'); if (message) window.touched.add(message); } })
            .observe(document.querySelector('#messages'), {childList: true, subtree: true, attributes: true}) }"""
    )
    choose(page, "markdown")
    ask(page, "the sea")
    answered(page, 101)
    touched = page.evaluate(
        "[...window.touched].map((each) => [...document.querySelectorAll('.message')].indexOf(each))"
    )
    return {"opening_ms": opening_ms, "touched": touched, "count": page.locator(".message").count()}


def screenshots(context: BrowserContext, url: str, folder: Path) -> Told:
    """The pictures of the documentation, each in a context of its own."""
    browser = context.browser
    assert browser is not None
    names = []
    for width, height in ((1280, 800), (360, 740)):
        for scheme in ("light", "dark"):
            own = new_context(browser, width, height, scheme)
            page = open_page(own, url, "memory")
            for earlier in ("你还记得我刚刚说了什么吗？", "A name for a small boat"):
                ask(page, earlier)
                answered(page)
                page.locator("#new-conversation" if width > 500 else "#new-here").click()
            questions = [("tools", "What is the weather in Berlin?"), ("markdown", "the sea" if width > 500 else "海")]
            if (width, scheme) == (1280, "light"):
                _attach_evening(page)
                questions = [("pictures", "What do you see?"), questions[0]]
            for count, (bot, question) in enumerate(questions, start=1):
                choose(page, bot)
                ask(page, question)
                answered(page, count)
            if (width, scheme) == (360, "light"):  # the beginning; elsewhere the end
                steps = page.locator("details.steps:visible")
                steps.evaluate("(each) => document.querySelector('#messages').scrollTo(0, each.offsetTop - 190)")
            page.mouse.move(2, 2)
            page.evaluate("document.activeElement.blur()")
            page.wait_for_timeout(300)
            name = f"page-{width}-{scheme}.png"
            page.screenshot(path=str(folder / name))
            names.append(name)
            own.close()
    return {"names": names}


def _attach_evening(page: Page) -> None:
    """A picture of the sea, drawn here."""
    drawn = page.evaluate(
        """() => { const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
            canvas.width = canvas.height = 224;
            const sky = pen.createLinearGradient(0, 0, 0, 150);
            sky.addColorStop(0, '#3b3f8f'); sky.addColorStop(1, '#ffb37a');
            pen.fillStyle = sky; pen.fillRect(0, 0, 224, 150);
            pen.fillStyle = '#ffe9c4'; pen.beginPath(); pen.arc(140, 128, 34, 0, 7); pen.fill();
            pen.fillStyle = '#274b74'; pen.fillRect(0, 148, 224, 76);
            pen.fillStyle = '#5f86ad'; for (let y = 158; y < 224; y += 12) pen.fillRect(140 - (y - 140) / 2, y, y - 140, 3);
            return canvas.toDataURL().split(',')[1]; }"""
    )
    page.locator("#file").set_input_files({"name": "evening.png", "mimeType": "image/png", "buffer": b64decode(drawn)})
    page.locator("#attachments img").wait_for()
    until(page, "!document.querySelector('#send').disabled")


SCENARIOS: tuple[Callable[[BrowserContext, str, Path], Told], ...] = (narrow, keyboard, long, screenshots)
