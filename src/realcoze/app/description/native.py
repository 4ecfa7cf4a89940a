"""The rows of our own API.

Left out are the pages with their files, which are no API, and the websocket, for which OpenAPI has no words.
"""

from typing import Annotated, Literal

import msgspec

from realcoze.app.description.apis import LOCAL, NATIVE
from realcoze.app.description.call import JSON, SSE, THREAD, Bytes, Call, Content, Parameter
from realcoze.dialects.native.health import Health
from realcoze.dialects.native.records import NdjsonEncoder, Record
from realcoze.dialects.native.reply import REPLY
from realcoze.dialects.native.request import BODY, REPLY_TYPES
from realcoze.dialects.native.speech import SPEECH, TEXT
from realcoze.dialects.native.upload import UPLOADED

_NUMBERS = ", ".join(f"{number} {kind}" for kind, number in REPLY_TYPES.items())

_STREAMS = (
    'With `"stream": true` an answer comes as it is written: as server-sent events, or as NDJSON where `Accept` names '
    "`application/x-ndjson`; each event, or line, is a record. `?stream=true` is for programs that read the stream of "
    "the Node program, which is no JSON document: docs/native-api.md."
)


class _Form(msgspec.Struct):
    file: Bytes


_FILE = (Content(media="application/octet-stream", type=Bytes), Content(media="multipart/form-data", type=_Form))
_OF_FILE = (
    Parameter(name="bot", place="query", about="The bot that it is for; none means the first"),
    Parameter(name="name", place="query", about="The file's name; counts more than that of a form"),
)

_HISTORY = [{"role": 2, "content": "Hello"}]
_QUESTIONS = {
    "plain": _HISTORY,
    "object": {"messages": _HISTORY},
    "streamed": {"messages": _HISTORY, "stream": True},
}

CALLS = (
    Call(
        method="POST",
        path="/",
        summary="An answer, whole or as it is written",
        about=_STREAMS,
        apis=(NATIVE,),
        parameters=(
            Parameter(
                name="subscribe",
                place="query",
                about=f"The kinds of steps that are wanted, numbers with commas between: {_NUMBERS}",
                type=Annotated[str, msgspec.Meta(examples=["3,4,6"])],
            ),
            *THREAD,
        ),
        body=(Content(type=BODY, examples=_QUESTIONS),),
        answer=(
            Content(type=REPLY),
            Content(media=SSE, events=(Record,)),
            Content(media=NdjsonEncoder.content_type, type=Record),
        ),
    ),
    Call(
        method="POST",
        path="/upload",
        summary="A picture or file for a bot",
        about="The key stands for the file in a history entry.",
        apis=(NATIVE,),
        parameters=_OF_FILE,
        body=_FILE,
        answer=(Content(type=UPLOADED),),
    ),
    Call(
        method="POST",
        path="/speech",
        summary="A text, spoken",
        apis=(NATIVE,),
        body=(Content(type=SPEECH, examples={"wav": {"text": "Hello", "format": "wav"}}),),
        answer=(Content(media="audio/*", type=Bytes),),
    ),
    Call(
        method="POST",
        path="/transcription",
        summary="What is said in a recording",
        apis=(NATIVE,),
        parameters=_OF_FILE,
        body=_FILE,
        answer=(Content(type=TEXT),),
    ),
    Call(
        method="GET",
        path="/health",
        summary="What is served, and how it stands",
        about="With `bots=all` and the key, also the bots that are looked up, which may ask Coze.",
        apis=(NATIVE,),
        parameters=(Parameter(name="bots", place="query", about="Those that are looked up, too", type=Literal["all"]),),
        answer=(Content(type=Health),),
        errors=LOCAL,
        is_open=True,
    ),
    Call(
        method="GET",
        path="/openapi.json",
        summary="This description",
        apis=(NATIVE,),
        answer=(Content(media=JSON, type=dict),),
        errors=LOCAL,
        is_open=True,
    ),
)
