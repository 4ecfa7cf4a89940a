from realcoze.domain.ids import BotName, ChatId, ConversationId, MessageId, RequestId, UserId


def test_an_id_is_the_text_it_was_made_of() -> None:
    for kind in (BotName, ChatId, ConversationId, MessageId, UserId, RequestId):
        assert kind("73") == "73"
