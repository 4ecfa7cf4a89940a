"""Drives headless Chromium through scenarios and prints what was seen, one JSON object a line.

    python drive.py URL SCENARIO [FOLDER [LOCALE]]

Without arguments it reads them as lines of JSON, an array each, and keeps the browser for all of them.
Runs in its own environment (requirements.txt beside it).  FOLDER has what the scenario needs and gets
what it makes.  Beside the scenario's own facts it always tells the dialogs, the requests to other hosts
and the complaints on the console; or `failed`, with the traceback.
"""

import json
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import hostile
import looks
import manual
import talking
import userscript
import waiting
from hands import Seen, new_context
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""Without a window's parts it takes half of the CPU."""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
SCENARIOS = {
    each.__name__: each
    for part in (talking, looks, hostile, userscript, waiting, manual)
    for each in part.SCENARIOS
}  # fmt: skip


def drive(browser: Browser, url: str, scenario: str, folder: str = ".", locale: str = "en-GB") -> dict[str, Any]:
    context = new_context(browser, 1280, 800, "light", locale)
    try:
        seen = Seen(context, url)
        found = SCENARIOS[scenario](context, url, Path(folder))
        return {**found, **seen.report()}
    except Exception:
        return {"failed": traceback.format_exc()}
    finally:
        for each in browser.contexts:
            each.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    for arguments in [sys.argv[1:]] if sys.argv[1:] else map(json.loads, sys.stdin):
        print(json.dumps(drive(browser, *arguments), ensure_ascii=False), flush=True)
    browser.close()
