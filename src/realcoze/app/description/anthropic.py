"""The rows of Anthropic's API; those that it shares stand in `openai.py`."""

from realcoze.app.description.apis import ANTHROPIC
from realcoze.app.description.call import IGNORED, SSE, THREAD, Call, Content, whole_and_streamed
from realcoze.dialects.anthropic_messages import counting, reply, request, stream
from realcoze.dialects.anthropic_messages.failure import FAILURE

_ASKED = whole_and_streamed(request.BODY, model="", max_tokens=1024, messages=[{"role": "user", "content": "Hello"}])

_ID = {"request-id": "The same as `x-request-id`, by the name that Anthropic's clients know"}

CALLS = (
    Call(
        method="POST",
        path="/v1/messages",
        summary="An answer, whole or streamed",
        about='With `"stream": true` it comes as it is written; a stream that fails ends with the event `error`.',
        apis=(ANTHROPIC,),
        parameters=THREAD,
        body=(_ASKED,),
        answer=(Content(type=reply.MessageBody), Content(media=SSE, events=(*stream.EVENTS, FAILURE))),
        headers={**_ID, **IGNORED},
    ),
    Call(
        method="POST",
        path="/v1/messages/count_tokens",
        summary="How long a question is: an estimate",
        apis=(ANTHROPIC,),
        body=(_ASKED,),
        answer=(Content(type=counting.COUNT),),
        headers={**_ID, "x-realcoze-estimate": "Always `true`"},
    ),
)
