"""`GET /v1/models` and `GET /v1/models/{id}`; app/v1.py has the routes, which are Anthropic's too."""

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from realcoze.dialects.openai_chat.models import encode_model, encode_models
from realcoze.domain.ids import BotName
from realcoze.faces.http import answered
from realcoze.faces.openai.refusal import JSON, refuse_error
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway


class ModelsFace:
    """The bots of the settings, their other names, and the bots that are discovered."""

    def __init__(self, gateway: Gateway, access: Access) -> None:
        self._gateway = gateway
        self._access = access

    async def get_all(self, request: HttpRequest) -> Response:
        return await answered(request, self._access, self._all, refuse=refuse_error)

    async def get_one(self, request: HttpRequest) -> Response:
        """A name that reaches a bot is a model; another is a 404 that lists those there are."""
        return await answered(request, self._access, self._one, refuse=refuse_error)

    async def _all(self, _request: HttpRequest) -> Response:
        return Response(encode_models(await self._gateway.names()), media_type=JSON)

    async def _one(self, request: HttpRequest) -> Response:
        name = BotName(request.path_params["name"])
        await self._gateway.find(name)
        return Response(encode_model(name), media_type=JSON)
