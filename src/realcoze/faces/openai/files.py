"""`/v1/files`: files go to Coze, and are listed here under the keys that questions name them by.

A key may have slashes: those of the playground have.
"""

import time
from functools import partial

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from realcoze.dialects.openai_files import decode_form, encode_deleted, encode_file, encode_files
from realcoze.dialects.openai_pages import read_page
from realcoze.domain.ids import CallerId
from realcoze.domain.uploaded import UploadedFile
from realcoze.errors import BadRequest
from realcoze.faces.http import CallersWork, answered_for, declared_bytes, ignoring, is_a_form, read_file, unless_left
from realcoze.faces.openai.refusal import JSON, refuse_error
from realcoze.faces.room import Room
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.gateway.files import Files

PATH = "/v1/files"

MOST_FILES = 10_000
"""In a list, also where the caller does not say (openai 3, file_list_params.py)."""

NAME_CHARACTERS = 200
UNNAMED = "file"


class FilesFace:
    """`room` is for files that are on their way."""

    def __init__(self, gateway: Gateway, access: Access, files: Files, *, room: Room, upload_bytes: int) -> None:
        self._gateway = gateway
        self._access = access
        self._files = files
        self._room = room
        self._upload_bytes = upload_bytes

    def routes(self) -> list[Route]:
        one = f"{PATH}/{{id:path}}"
        return [
            self._route("POST", PATH, self._post),
            self._route("GET", PATH, self._get_all),
            self._route("GET", f"{one}/content", self._get_content),
            self._route("GET", one, self._get),
            self._route("DELETE", one, self._delete),
        ]

    def _route(self, method: str, path: str, work: CallersWork) -> Route:
        endpoint = partial(answered_for, access=self._access, work=work, refuse=refuse_error)
        return Route(path, endpoint, methods=[method])

    async def _post(self, request: HttpRequest, caller: CallerId) -> Response:
        if not is_a_form(request):
            raise BadRequest("A file comes in a form.", hint="With curl: -F file=@cat.png -F purpose=vision.")
        with self._room.place(declared_bytes(request, most=self._upload_bytes)):
            came = await read_file(request, max_bytes=self._upload_bytes)
            form = decode_form(came.fields, request.query_params)
            part = await unless_left(request.receive, self._gateway.upload(came.data, came.name, bot=form.bot))
        now = time.time()
        file = UploadedFile(
            key=part.key,
            name=came.name[:NAME_CHARACTERS] or UNNAMED,
            size_bytes=len(came.data),
            purpose=form.purpose,
            created=int(now),
            until=int(now + self._files.keep_s),
        )
        await self._files.add(caller, file)
        return Response(encode_file(file), headers=ignoring(form.ignored), media_type=JSON)

    async def _get_all(self, request: HttpRequest, caller: CallerId) -> Response:
        query = request.query_params
        page = read_page(query, usual=MOST_FILES, most=MOST_FILES)
        return _answer(encode_files(await self._files.all(caller), page, purpose=query.get("purpose", "")))

    async def _get(self, request: HttpRequest, caller: CallerId) -> Response:
        return _answer(encode_file(await self._files.find(caller, _wanted(request))))

    async def _get_content(self, request: HttpRequest, caller: CallerId) -> Response:
        """What nobody has but Coze."""
        file = await self._files.find(caller, _wanted(request))
        raise BadRequest(
            f"Coze does not give files back, and none are kept here: {file.key[:80]!r} can only be shown to a bot.",
            code="not_supported_by_upstream",
            hint="Name it as `file_id` in a question.",
        )

    async def _delete(self, request: HttpRequest, caller: CallerId) -> Response:
        wanted = _wanted(request)
        await self._files.forget(caller, wanted)
        return _answer(encode_deleted(wanted))


def _wanted(request: HttpRequest) -> str:
    named: str = request.path_params["id"]
    return named


def _answer(body: bytes) -> Response:
    return Response(body, media_type=JSON)
