"""The rows of OpenAI's API, and those that Anthropic's shares with it."""

from typing import Annotated

import msgspec

from realcoze.app.description.apis import ANTHROPIC, OPENAI
from realcoze.app.description.call import IGNORED, SSE, THREAD, Bytes, Call, Content, Parameter, whole_and_streamed
from realcoze.dialects import openai_audio, openai_completions, openai_images
from realcoze.dialects.anthropic_messages import models as anthropic_models
from realcoze.dialects.openai_chat import models, reply, request, stream
from realcoze.dialects.openai_responses import reply as response
from realcoze.dialects.openai_responses import request as responses_request
from realcoze.dialects.openai_responses import stream as responses_stream
from realcoze.dialects.openai_wire import FAILURE

_STREAMS = (
    'With `"stream": true` it comes as it is written; a stream that fails ends with an error, and never with `[DONE]`.'
)


class _Form(msgspec.Struct):
    file: Bytes
    model: Annotated[str, msgspec.Meta(description="A bot's name")] = ""
    response_format: Annotated[str, msgspec.Meta(description="json or text")] = ""


_EXTRAS = Parameter(name="x-realcoze-extras", place="header", about="`1` asks for `x_coze`, what only Coze has")
_VERSION = Parameter(
    name="anthropic-version", place="header", about="With it, whatever it says, the answer is that of Anthropic's API"
)
_NAME = Parameter(name="name", place="path", about="The name of a bot", type=Annotated[str, msgspec.Meta(min_length=1)])
_PAGING = (
    Parameter(name="limit", place="query", about="How many a page has (Anthropic's API)", type=int),
    Parameter(name="after_id", place="query", about="The page after this name (Anthropic's API)"),
    Parameter(name="before_id", place="query", about="The page before this name (Anthropic's API)"),
)

CALLS = (
    Call(
        method="POST",
        path="/v1/chat/completions",
        summary="An answer, whole or streamed",
        about=_STREAMS,
        apis=(OPENAI,),
        parameters=(*THREAD, _EXTRAS),
        body=(whole_and_streamed(request.BODY, messages=[{"role": "user", "content": "Hello"}]),),
        answer=(Content(type=reply.REPLY), Content(media=SSE, events=(stream.CHUNK, FAILURE), last="[DONE]")),
        headers=IGNORED,
    ),
    Call(
        method="POST",
        path="/v1/responses",
        summary="An answer as a response, whole or streamed",
        about='With `"stream": true` it comes as it is written; one that fails ends with `response.failed`, `error`.',
        apis=(OPENAI,),
        parameters=THREAD,
        body=(whole_and_streamed(responses_request.BODY, input="Hello"),),
        answer=(Content(type=response.ResponseBody), Content(media=SSE, events=responses_stream.EVENTS)),
        headers=IGNORED,
    ),
    Call(
        method="POST",
        path="/v1/completions",
        summary="An answer to a prompt, for old programs",
        about=_STREAMS,
        apis=(OPENAI,),
        parameters=THREAD,
        body=(whole_and_streamed(openai_completions.BODY, prompt="Hello"),),
        answer=(
            Content(type=openai_completions.REPLY),
            Content(media=SSE, events=(openai_completions.REPLY, FAILURE), last="[DONE]"),
        ),
        headers=IGNORED,
    ),
    Call(
        method="POST",
        path="/v1/images/generations",
        summary="What a bot draws",
        apis=(OPENAI,),
        body=(Content(type=openai_images.BODY, examples={"whole": {"model": "pictures", "prompt": "Draw a cat"}}),),
        answer=(Content(type=openai_images.REPLY),),
        headers=IGNORED,
    ),
    Call(
        method="POST",
        path="/v1/audio/speech",
        summary="A text, spoken",
        apis=(OPENAI,),
        body=(
            Content(
                type=openai_audio.SPEECH,
                examples={"wav": {"input": "Hello", "voice": "alloy", "response_format": "wav"}},
            ),
        ),
        answer=(Content(media="audio/*", type=Bytes),),
        headers=IGNORED,
    ),
    Call(
        method="POST",
        path="/v1/audio/transcriptions",
        summary="A recording, written down",
        apis=(OPENAI,),
        body=(Content(media="multipart/form-data", type=_Form),),
        answer=(Content(type=openai_audio.TEXT), Content(media="text/plain")),
        headers=IGNORED,
    ),
    Call(
        method="GET",
        path="/v1/models",
        summary="The bots",
        apis=(OPENAI, ANTHROPIC),
        parameters=(_VERSION, *_PAGING),
        answer=(Content(type=models.MODELS), Content(type=anthropic_models.MODELS)),
    ),
    Call(
        method="GET",
        path="/v1/models/{name}",
        summary="One of them, or of the names that reach a bot without standing there",
        apis=(OPENAI, ANTHROPIC),
        parameters=(_VERSION, _NAME),
        answer=(Content(type=models.MODEL), Content(type=anthropic_models.MODEL)),
    ),
)
