"""A bot over Coze's official open API: coze.com, coze.cn, or a Coze Studio of one's own."""
