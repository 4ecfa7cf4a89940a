// A conversation as a Markdown file.

import { save } from "./dom.js";
import { endOf } from "./messages.js";
import { say } from "./words.js";

export function exportConversation({ title, messages }) {
  const text = messages.map((message) => {
    const isMine = message.role === "user";
    const said = isMine ? [...message.attachments.map((file) => `[${file.name}]`), message.text] : message.texts;
    const end = isMine ? [] : endOf(message).map((words) => `_${words}_`);
    return [`## ${isMine ? say("you") : message.bot || say("bot")}`, ...said, ...end].filter(Boolean).join("\n\n");
  }).join("\n\n");
  const name = title.replace(/[^\p{L}\p{N} _-]/gu, "").trim() || "conversation";
  save(`${text}\n`, "text/markdown", `${name}.md`);
}
