// What the page says, in the language of the browser: Chinese or English.

const WORDS = {
  en: {
    conversations: "Conversations", conversation: "Conversation", close: "Close", newConversation: "New conversation",
    bot: "Bot", export: "Save the conversation as a file", cancel: "Cancel", send: "Send", stop: "Stop",
    editing: "You change an earlier question; what followed it will be replaced.",
    attach: "Attach a picture or a file", question: "Ask something", toEnd: "To the end", uploading: "uploading…",
    key: "Key", keyWanted: "This server wants a key. It is kept until this tab is closed.", go: "Go on",
    keyRefused: "The server does not know that key.",
    untitled: "New conversation", welcome: "What would you like to know?", you: "You",
    welcomeHint: "Enter sends, Shift+Enter begins a new line.",
    step: "step", steps: "steps", call: "calls", result: "answers", recall: "knows", other: "notes",
    copy: "Copy", copied: "Copied", edit: "Edit", retry: "Try again", remove: "Delete", removed: "Deleted:", undo: "Undo",
    incomplete: "This answer broke off and is incomplete.", noAnswer: "There was no answer.",
    stopped: "You stopped this answer; it is incomplete.", stoppedEarly: "You stopped before the first word.",
    loadPicture: "Load the picture from", unreachable: "The server cannot be reached.",
    unreachableHint: "Is it still running? Look at its terminal, then try again.",
    cutOff: "The connection ended before the answer was complete.",
    toolsWanted: "The bot waits for what its tools give:", resultOf: "Result of", orDone: "empty: done", handIn: "Hand in",
    toolsGivenUp: "You asked something else; the bot got no results.",
    answerWanted: "The bot asks; your next message is the answer.",
    spoken: "The spoken answer", soundGone: "This answer was spoken; its sound is not kept.",
    full: "The browser's room for conversations is full, so this one will not be here next time. Delete some others.",
    foreignFile: "was uploaded for that bot. On another account this one cannot see it; attach it again then.",
    answering: "answering", codes: {},
  },
  zh: {
    conversations: "对话列表", conversation: "对话", close: "关闭", newConversation: "新对话",
    bot: "机器人", export: "把对话保存为文件", cancel: "取消", send: "发送", stop: "停止",
    editing: "正在修改之前的问题，它之后的内容会被替换。",
    attach: "添加图片或文件", question: "问点什么", toEnd: "回到底部", uploading: "正在上传…",
    key: "密钥", keyWanted: "这个服务器需要密钥。它只保存到关闭此标签页为止。", go: "继续",
    keyRefused: "服务器不认识这个密钥。",
    untitled: "新对话", welcome: "想知道些什么？", you: "你",
    welcomeHint: "回车发送，Shift+回车换行。",
    step: "个步骤", steps: "个步骤", call: "调用", result: "返回", recall: "知识", other: "其他",
    copy: "复制", copied: "已复制", edit: "修改", retry: "重试", remove: "删除", removed: "已删除：", undo: "撤销",
    incomplete: "这个回答中断了，不完整。", noAnswer: "没有得到回答。",
    stopped: "你停止了这个回答，它不完整。", stoppedEarly: "你在第一个字之前就停止了。",
    loadPicture: "加载图片，来自", unreachable: "无法连接到服务器。",
    unreachableHint: "它还在运行吗？看看它的终端，然后重试。",
    cutOff: "回答完成之前连接断开了。",
    toolsWanted: "机器人在等待工具的结果：", resultOf: "结果：", orDone: "留空表示 done", handIn: "提交",
    toolsGivenUp: "你问了别的，机器人没有得到结果。",
    answerWanted: "机器人在提问，你的下一条消息就是回答。",
    spoken: "语音回答", soundGone: "这个回答是语音，声音没有保存。",
    full: "浏览器的存储空间已满，下次打开时不会有这个对话。请删除一些其他对话。",
    foreignFile: "是为那个机器人上传的。如果现在的机器人在另一个账号上，就看不到它，需要重新添加。",
    answering: "正在回答",
    codes: {
      bad_request: "请求有误。", request_too_large: "内容太大。", context_length_exceeded: "对话太长，请开始新对话。",
      content_filter: "Coze 拒绝了这个内容。", invalid_api_key: "密钥缺失或不正确。", not_found: "找不到。",
      previous_response_not_found: "找不到上一个 response。",
      model_not_found: "没有这个机器人，或它还没有发布到 API。", conversation_busy: "上一个回答还没有结束。", overloaded: "服务器忙，请稍后重试。",
      internal_error: "服务器出错了，详情在它的日志里。", rate_limited: "请求太频繁，请稍后重试。",
      insufficient_quota: "这个账号的额度用完了。", upstream_auth: "Coze 不认识这个令牌，或登录会话已失效，需要换新的。",
      upstream_blocked: "Coze 拒绝了请求：地区限制、流量异常，或需要签名。", upstream_forbidden: "令牌缺少权限，或 Coze 拒绝了连接。",
      upstream_error: "Coze 出错了。", upstream_unreachable: "服务器连接不上 Coze。", upstream_tls: "与 Coze 的连接不安全。",
      upstream_protocol: "Coze 的回答无法读懂。", upstream_timeout: "Coze 太久没有回答，请重试。",
      upstream_truncated: "回答中断了，请重试。", push_lost: "回答的结尾丢失了，请重试。",
      answer_rewritten: "机器人收回了已经发出的内容。", answer_unfit: "机器人没有按要求的格式回答，也无法更正。", tool_wanted: "机器人在等待调用方运行工具，这个接口不支持。",
      no_picture: "机器人没有画出图片。", url_refused: "不能从这个网址取文件。", url_not_fetched: "从这个网址取不到文件。",
      thread_unsupported_request: "这里不保存对话，请每次发送全部历史。",
      socket_unavailable: "与 Coze 的连接断开了，请稍后重试。", too_many_connections: "连接太多，请关闭其他程序。",
      not_supported_by_upstream: "Coze 的这个接口不支持此请求。", upload_failed: "文件上传失败，请重试。",
      too_many_messages: "消息太多，请开始新对话。",
      no_voice: "需要指定一个声音。", store_failed: "服务器保存对话时出错了，请看它的日志。",
      event_too_large: "Coze 的回答太大。", answer_too_long: "回答太长。", bad_http: "请求无法读懂，或传输太慢。",
      no_such_path: "这里没有这个地址。", method_not_allowed: "这个地址不接受这种请求。",
      upgrade_required: "这个地址只接受 websocket。", wrong_host: "服务器不接受这个主机名。",
      wrong_origin: "服务器不接受来自这个网站的请求。",
    },
  },
};

export const LANGUAGE = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";

export const say = (word) => WORDS[LANGUAGE][word];

/** What the server's error means in the reader's language; null where its own message is all there is. */
export const sayCode = (code) => (Object.hasOwn(say("codes"), code) ? say("codes")[code] : null);

/** Puts the words into index.html: as text, as placeholder, as name for the pointer and for screen readers. */
export function speak() {
  document.documentElement.lang = LANGUAGE === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = say(each.dataset.placeholder);
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", say(each.dataset.label));
    if (each.tagName === "BUTTON") each.title = say(each.dataset.label);
  }
}
