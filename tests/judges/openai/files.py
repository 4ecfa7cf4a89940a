"""What OpenAI's official Python SDK does with files: what each of its calls comes to.

Called as `files.py BASE KEY PICTURE`: a picture in base64.  Prints one JSON object: call → what it gave, or how it
failed.
"""

import base64
import json
import sys
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from outcomes import told, tried  # type: ignore[import-not-found, unused-ignore]  # beside it

BASE, KEY, PICTURE = sys.argv[1:4]

client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)
files = client.files


def upload(name: str = "a.png", data: bytes = b"", **more: Any) -> Any:
    return files.create(**{"file": (name, base64.b64decode(PICTURE) + data), "purpose": "vision", **more})


def uploaded() -> list[Any]:
    file = upload()
    return [file.object, file.filename, file.bytes, file.purpose, file.status, file.expires_at > file.created_at]


def had_again() -> bool:
    file = upload()
    return bool(files.retrieve(file.id) == file)


def listed() -> list[Any]:
    """By pages, as the SDK goes through them."""
    for file in files.list():
        files.delete(file.id)
    for number in range(3):
        upload(f"{number}.png", bytes([number]), purpose="vision" if number else "user_data")
    newest = [file.filename for file in files.list(limit=2)]
    oldest = [file.filename for file in files.list(limit=1, order="asc")]
    return [newest, oldest, [file.filename for file in files.list(purpose="user_data")]]


def shown() -> list[str]:
    """One file in a question of each API."""
    file = upload()
    picture = {"type": "input_image", "detail": "auto", "file_id": file.id}
    text = {"type": "input_text", "text": "Look"}
    response = client.responses.create(model="memory", input=[{"role": "user", "content": [text, picture]}])
    part = {"type": "file", "file": {"file_id": file.id}}
    message = {"role": "user", "content": [{"type": "text", "text": "Look"}, part]}
    completion = client.chat.completions.create(model="memory", messages=[message])
    return [response.output_text, completion.choices[0].message.content]


def deleted() -> list[Any]:
    file = upload()
    gone = files.delete(file.id)
    return [gone.deleted, gone.id == file.id, file.id in [each.id for each in files.list()]]


for each in (uploaded, had_again, listed, shown, deleted):
    tried(each.__name__, each)
tried("of_a_bot", lambda: upload(extra_body={"model": "memory"}).filename)
tried("of_no_bot", lambda: upload(extra_body={"model": "nobody"}))
tried("content", lambda: files.content(upload().id).read())
tried("nowhere", lambda: files.retrieve("nowhere"))
tried("no_purpose", lambda: upload(purpose="batch"))
sys.stdout.write(json.dumps(told))
