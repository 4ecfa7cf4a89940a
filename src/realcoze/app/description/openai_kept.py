"""The rows of what OpenAI's API keeps: responses and files."""

from typing import Annotated, Literal

import msgspec

from realcoze.app.description.apis import OPENAI
from realcoze.app.description.call import IGNORED, Bytes, Call, Content, Parameter
from realcoze.dialects import openai_files
from realcoze.dialects.openai_pages import PAGE
from realcoze.dialects.openai_responses import kept
from realcoze.dialects.openai_responses.reply import ResponseBody

_ID = Parameter(name="id", place="path", about="Its id", type=Annotated[str, msgspec.Meta(min_length=1)])
_PAGING = (
    Parameter(name="limit", place="query", about="How many a page has", type=Annotated[int, msgspec.Meta(ge=1)]),
    Parameter(name="after", place="query", about="The page after this id"),
    Parameter(name="order", place="query", about="Newest first, unless asc", type=Literal["asc", "desc"]),
)


class _Form(msgspec.Struct):
    file: Bytes
    purpose: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(openai_files.PURPOSES)})] = ""
    model: Annotated[str, msgspec.Meta(description="The bot that it is for")] = ""


CALLS = (
    Call(
        method="GET",
        path="/v1/responses/{id}",
        summary="A response that is kept",
        apis=(OPENAI,),
        parameters=(_ID,),
        answer=(Content(type=ResponseBody),),
    ),
    Call(
        method="DELETE",
        path="/v1/responses/{id}",
        summary="Keep it no longer",
        apis=(OPENAI,),
        parameters=(_ID,),
        answer=(Content(type=kept.DELETED),),
    ),
    Call(
        method="GET",
        path="/v1/responses/{id}/input_items",
        summary="What it answers",
        apis=(OPENAI,),
        parameters=(_ID, *_PAGING),
        answer=(Content(type=PAGE),),
    ),
    Call(
        method="POST",
        path="/v1/responses/{id}/cancel",
        summary="Stop one that is made in the background",
        apis=(OPENAI,),
        parameters=(_ID,),
        answer=(Content(type=ResponseBody),),
    ),
    Call(
        method="POST",
        path="/v1/files",
        summary="A picture or file for a bot",
        apis=(OPENAI,),
        body=(Content(media="multipart/form-data", type=_Form),),
        answer=(Content(type=openai_files.FILE),),
        headers=IGNORED,
    ),
    Call(
        method="GET",
        path="/v1/files",
        summary="The files of who asks",
        apis=(OPENAI,),
        parameters=(*_PAGING, Parameter(name="purpose", place="query", about="Only those that are for this")),
        answer=(Content(type=PAGE),),
    ),
    Call(
        method="GET",
        path="/v1/files/{id}",
        summary="One of them",
        apis=(OPENAI,),
        parameters=(_ID,),
        answer=(Content(type=openai_files.FILE),),
    ),
    Call(
        method="DELETE",
        path="/v1/files/{id}",
        summary="List it no longer",
        apis=(OPENAI,),
        parameters=(_ID,),
        answer=(Content(type=openai_files.DELETED),),
    ),
    Call(
        method="GET",
        path="/v1/files/{id}/content",
        summary="What nobody has but Coze: always an error",
        apis=(OPENAI,),
        parameters=(_ID,),
    ),
)
