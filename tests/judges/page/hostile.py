"""Scenarios of hostile answers: every payload as an answer, as a step, as a suggestion, and in every prefix."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hands import ANSWER, answered, ask, ask_all, open_page
from payloads import PAYLOADS
from playwright.sync_api import BrowserContext, Page, expect

Told = dict[str, Any]

STRANGE = """() => {
    const tags = new Set(`article div span p strong em s del code pre a button br hr ul ol li blockquote table thead tbody
        tr th td h1 h2 h3 h4 h5 h6 details summary svg use`.split(/\\s+/));
    const names = new Set(`class href type target rel data-source tabindex aria-label aria-busy aria-hidden aria-current
        role dir hidden open start title`.split(/\\s+/));
    const found = [];
    for (const room of ['#messages', '#conversations', '#title', '#told'])
        for (const each of document.querySelectorAll(`${room} *`)) {
            if (!tags.has(each.tagName.toLowerCase())) found.push(each.outerHTML);
            for (const { name, value } of each.attributes) {
                if (!names.has(name)) found.push(`${name} of ${each.outerHTML}`);
                if (name === 'href' && !/^(https?:|mailto:|#icon-)/.test(value)) found.push(`href of ${each.outerHTML}`);
            }
        }
    return found.map((each) => each.slice(0, 200));
}"""
"""Elements and attributes that a message of ours never has."""

LINKS = """() => [...new Set([...document.querySelectorAll('#messages a[href]')]
    .map((each) => `${each.protocol} ${each.rel} ${each.target}`))]"""


def inject(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Every payload as an answer, a few conversations of many answers each; all of it again after a reload."""
    page = open_page(context, url)
    strange: list[str] = []
    missing: list[str] = []
    hits, links = 0, set()
    for start in range(0, len(PAYLOADS), 20):
        page.locator("#new-conversation").click()
        part = PAYLOADS[start : start + 20]
        ask_all(page, part)
        answered(page, len(part))
        asked = page.locator(".message.user .body").all_text_contents()
        missing += [text for text in part if text.strip("\ufeff \n") not in asked]
        strange += page.evaluate(STRANGE)
        links |= set(page.evaluate(LINKS))
        hits += page.evaluate("window.hits")
        page.reload()
        expect(page.locator(ANSWER)).to_have_count(len(part))
        strange += page.evaluate(STRANGE)
        hits += page.evaluate("window.hits")
    return {"payloads": len(PAYLOADS), "strange": strange, "links": sorted(links), "hits": hits, "not_asked": missing}


def inject_aside(context: BrowserContext, url: str, _folder: Path) -> Told:
    """Every payload as the title and the body of a step, as a suggestion and as an error's text."""
    page = open_page(context, url)
    ask(page, "everything")
    answered(page)
    page.locator("summary:visible").click()
    steps, suggestions = page.locator(".steps li").count(), page.locator(".suggestions button").count()
    page.locator(".suggestions button").last.click()
    answered(page, 2)
    strange = page.evaluate(STRANGE)
    page.reload()
    expect(page.locator(ANSWER)).to_have_count(2)
    return {
        "payloads": len(PAYLOADS), "steps": steps, "suggestions": suggestions, "title": page.title(),
        "strange": strange + page.evaluate(STRANGE), "hits": page.evaluate("window.hits"),
    }  # fmt: skip


def inject_prefixes(context: BrowserContext, url: str, _folder: Path) -> Told:
    """The page's own renderer on every prefix of every payload, one after the other in the same element."""
    page = open_page(context, url)
    rendered = page.evaluate(
        """async (payloads) => {
            const { showMarkdown } = await import('/markdown.js');
            document.querySelector('.welcome').remove();
            let count = 0;
            for (const payload of payloads) {
                const body = document.createElement('div');
                document.querySelector('#messages').append(body);
                for (let end = 1; end <= payload.length; end++, count++) showMarkdown(body, payload.slice(0, end));
            }
            return count;
        }""",
        list(PAYLOADS),
    )
    _settle(page)
    return {"rendered": rendered, "strange": page.evaluate(STRANGE), "hits": page.evaluate("window.hits")}


def _settle(page: Page) -> None:
    """Whatever waits for its turn gets it."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))")


SCENARIOS: tuple[Callable[[BrowserContext, str, Path], Told], ...] = (inject, inject_aside, inject_prefixes)
