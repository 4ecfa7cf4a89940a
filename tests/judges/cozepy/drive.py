"""The official Python SDK against a server: what each of its calls comes to.

Called as `drive.py BASE TOKEN BOT TOOLS_BOT SPACE`; prints one JSON object, call → what it gave, or how it failed.
"""

import sys
from functools import partial
from typing import Any

from cozepy import (  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
    Chat,
    ChatEventType,
    Coze,
    Message,
    MessageObjectString,
    TokenAuth,
    ToolOutput,
)
from telling import tell, tried  # type: ignore[import-not-found, unused-ignore]  # beside this

BASE, TOKEN, BOT, TOOLS_BOT, SPACE = sys.argv[1:]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)

coze = Coze(auth=TokenAuth(TOKEN), base_url=BASE)


def streamed(text: str, bot: str = BOT, **more: Any) -> dict[str, Any]:
    """The events of a chat."""
    events, deltas, kinds, usage = [], "", [], None
    for event in coze.chat.stream(
        bot_id=bot, user_id="judge", additional_messages=[Message.build_user_question_text(text)], **more
    ):
        events.append(event.event.value)
        if event.event == ChatEventType.CONVERSATION_MESSAGE_DELTA:
            deltas += event.message.content
        if event.event == ChatEventType.CONVERSATION_MESSAGE_COMPLETED:
            kinds.append(event.message.type.value)
        if event.event == ChatEventType.CONVERSATION_CHAT_COMPLETED and event.chat.usage:
            usage = event.chat.usage.token_count
    return {"events": list(dict.fromkeys(events)), "text": deltas, "kinds": kinds, "usage": usage}


def begun(text: str, **more: Any) -> Chat:
    """A chat that is not streamed."""
    return coze.chat.create(
        bot_id=BOT, user_id="judge", additional_messages=[Message.build_user_question_text(text)], **more
    )


def polled(text: str, **more: Any) -> dict[str, Any]:
    """A chat that the SDK waits for."""
    asked = [Message.build_user_question_text(text)]
    poll = coze.chat.create_and_poll(bot_id=BOT, user_id="judge", additional_messages=asked, **more)
    return {"status": poll.chat.status.value, "messages": [message.content for message in poll.messages or ()]}


def described(conversation: Any) -> dict[str, Any]:
    return {"id": conversation.id, "name": conversation.name, "meta_data": conversation.meta_data}


def conversations() -> None:
    made = tried("create", lambda: described(coze.conversations.create(name="one", meta_data={"a": "b"}, bot_id=BOT)))
    tried("create_bare", lambda: described(coze.conversations.create()))
    assert made is not None
    name = made["id"]
    tried("retrieve", lambda: described(coze.conversations.retrieve(conversation_id=name)))
    tried("list", lambda: [found.id for found in coze.conversations.list(bot_id=BOT)])
    tried("rename", lambda: coze.conversations.update(conversation_id=name, name="two").name)
    tried("clear", lambda: coze.conversations.clear(conversation_id=name).conversation_id)
    messages(name)
    tried("talk", lambda: streamed("said in it", conversation_id=name)["text"])
    tried("talked", lambda: [found.content for found in coze.conversations.messages.list(conversation_id=name)])
    tried("delete", lambda: coze.conversations.delete(conversation_id=name) is not None)


def messages(name: str) -> None:
    service = coze.conversations.messages
    tried("no_messages", lambda: [found.content for found in service.list(conversation_id=name)])

    def add(number: int) -> str:
        text = f"number {number}"
        made: str = service.create(conversation_id=name, role="user", content=text, content_type="text").id
        return made

    made = [tried(f"message_{number}", partial(add, number)) for number in range(5)]
    tried("paged", lambda: [found.content for found in service.list(conversation_id=name, order="asc", limit=2)])
    tried("newest", lambda: [found.content for found in service.list(conversation_id=name, limit=2).items])
    one = made[0] or "1"
    tried("message", lambda: service.retrieve(conversation_id=name, message_id=one).content)
    tried(
        "modify",
        lambda: service.update(conversation_id=name, message_id=one, content="new", content_type="text").content,
    )
    tried("remove", lambda: service.delete(conversation_id=name, message_id=one).id == one)


def cancelling() -> None:
    """A chat that never ends by itself."""
    chat = begun("hello [[fault stuck]]", conversation_id=conversation)
    ids = {"conversation_id": chat.conversation_id, "chat_id": chat.id}
    tried("begun", lambda: chat.status.value)
    tried("chat", lambda: coze.chat.retrieve(**ids).status.value)
    tried("cancel", lambda: coze.chat.cancel(**ids).status.value)
    tried("cancel_again", lambda: coze.chat.cancel(**ids).status.value)


def tools() -> None:
    """A chat that wants a tool run, and goes on with what it gave."""
    events = list(
        coze.chat.stream(
            bot_id=BOT,
            user_id="judge",
            additional_messages=[Message.build_user_question_text("hello [[fault requires]]")],
            conversation_id=conversation,
        )
    )
    chat = events[-1].chat
    action = chat.required_action.submit_tool_outputs.tool_calls[0]
    outputs = [ToolOutput(tool_call_id=action.id, output="a picture of the sea")]
    ids = {"conversation_id": chat.conversation_id, "chat_id": chat.id}
    tried("called", lambda: [events[-1].event.value, action.function.name])
    tried(
        "submit",
        lambda: "".join(
            event.message.content
            for event in coze.chat.submit_tool_outputs(**ids, tool_outputs=outputs, stream=True)
            if event.event == ChatEventType.CONVERSATION_MESSAGE_DELTA
        ),
    )
    tried("submit_again", lambda: coze.chat.submit_tool_outputs(**ids, tool_outputs=outputs, stream=False).id)


def pictures() -> None:
    uploaded = tried("upload", lambda: coze.files.upload(file=("a.png", PNG)).id)
    tried("file", lambda: coze.files.retrieve(file_id=uploaded or "1").bytes)
    shown = Message.build_user_question_objects(
        [MessageObjectString.build_text("look"), MessageObjectString.build_image(file_id=uploaded)]
    )
    tried(
        "shown",
        lambda: "".join(
            event.message.content
            for event in coze.chat.stream(
                bot_id=BOT[:-1] + "6", user_id="judge", additional_messages=[shown], conversation_id=conversation
            )
            if event.event == ChatEventType.CONVERSATION_MESSAGE_DELTA
        ),
    )


def catalog() -> None:
    tried("bots_old", lambda: [bot.bot_id for bot in coze.bots.list(space_id=SPACE, page_size=2)])
    tried("bots_new", lambda: [bot.id for bot in coze.bots.list(space_id=SPACE, page_size=4, use_api_version=2)])
    tried("bot_old", lambda: coze.bots.retrieve(bot_id=BOT).name)
    tried("bot_new", lambda: coze.bots.retrieve(bot_id=BOT, use_api_version=2).name)
    tried("bot_with_plugin", lambda: coze.bots.retrieve(bot_id=TOOLS_BOT, use_api_version=2).name)
    tried("workspaces", lambda: [space.id for space in coze.workspaces.list()])
    tried("me", lambda: coze.users.me().user_name)


def refused() -> None:
    stranger = Coze(auth=TokenAuth("pat_of_somebody_else"), base_url=BASE)
    asked = [Message.build_user_question_text("hello")]
    tried("wrong_token", stranger.workspaces.list)
    tried(
        "wrong_token_chat",
        lambda: list(
            stranger.chat.stream(bot_id=BOT, user_id="u", additional_messages=asked, conversation_id=conversation)
        ),
    )
    tried("unknown_bot", lambda: streamed("hello", "7300000000000000099", conversation_id=conversation))
    tried("unknown_chat", lambda: coze.chat.retrieve(conversation_id="1", chat_id="2").id)
    tried("unsaved", lambda: begun("hello", auto_save_history=False, conversation_id=conversation).id)


tried("stream", lambda: streamed("hello there"))
conversation = coze.conversations.create(meta_data={"for": "the judge"}).id
tried("stream_in_conversation", lambda: streamed("hello there", conversation_id=conversation))
tried("tools", lambda: streamed("the weather", TOOLS_BOT, conversation_id=conversation))
tried("poll", lambda: polled("wait for me", conversation_id=conversation))
cancelling()
tried("tool", tools)
conversations()
pictures()
catalog()
refused()
tell()
