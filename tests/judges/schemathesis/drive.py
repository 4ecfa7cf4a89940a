"""Runs Schemathesis over a server's /openapi.json and prints its report, one JSON object.

    python drive.py URL KEY EXAMPLES PHASES [SEED]

KEY may be empty.  Runs in its own environment (requirements.txt beside it), and leaves what it writes in $HOME.
What is checked is what a server owes whatever it is sent; which requests it takes is its own affair.  The report is
Schemathesis's own, with `statuses`, how often each operation answered with which, and `said`, what people read.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance",
)  # fmt: skip
REPORT, EVENTS = Path("report.json"), Path("events.ndjson")


def command(url: str, key: str, examples: str, phases: str, seed: str = "") -> list[str]:
    return [
        str(Path(sys.executable).with_name("st")), "run", f"{url}/openapi.json", "--url", url, "--no-color",
        "--checks", ",".join(CHECKS), "--max-examples", examples, "--phases", phases, "--continue-on-failure",
        "--report", "json,ndjson", "--report-json-path", str(REPORT), "--report-ndjson-path", str(EVENTS),
        *(["--header", f"authorization: Bearer {key}"] if key else []),
        *(["--seed", seed] if seed else []),
    ]  # fmt: skip


def statuses() -> dict[str, Counter[int]]:
    found: dict[str, Counter[int]] = {}
    for line in EVENTS.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for each in recorder.get("interactions", {}).values():
            if each["request"]["method"] != recorder["label"].partition(" ")[0]:
                continue  # whether the path knows other methods was tried, too
            status = each["response"]["status_code"] if each["response"] else 0
            found.setdefault(recorder["label"], Counter())[status] += 1
    return found


os.chdir(os.environ["HOME"])
finished = subprocess.run(command(*sys.argv[1:]), capture_output=True, text=True, check=False)
report = json.loads(REPORT.read_text())
report["said"] = finished.stdout[-8000:]
report["statuses"] = statuses()
sys.stdout.write(json.dumps(report))
