// Calls to the server (docs/native-api.md), and the key that they may want.

import { $ } from "./dom.js";
import { keepKey, keptKey } from "./kept.js";
import { hear } from "./sound.js";
import { resumption } from "./wanted.js";
import { say } from "./words.js";

const LISTS = { 6: "image_list", 9: "file_list", 11: "audio_list" };  // by contentType
const LONGEST_STEP = 20_000;  // characters; a plugin may return a whole page, which nobody reads here

/** The names of the bots; none when the server cannot be reached. */
export async function botNames() {
  try {
    return (await (await call("/health?bots=all", { method: "GET" })).json()).bots;
  } catch {
    return [];
  }
}

/** Uploads a file and returns {key, contentType}. */
export async function upload(file, bot, signal) {
  const query = new URLSearchParams({ name: file.name, bot });
  return (await call(`/upload?${query}`, { method: "POST", body: file, signal })).json();
}

/**
 * Asks the bot of a conversation and writes what it says into `answer`, calling `changed` as it comes.
 * Never throws: `answer.state` and `answer.error` say how it ended.
 */
export async function converse({ messages }, answer, doing) {
  await ask({ messages: history(messages), ...resumption(messages) }, answer, doing);
}

/** The same for an answer that waits for these results of tools: it goes on, and `taken()` is called once it does. */
export async function handIn(results, answer, doing) {
  await ask({ tool_results: results, ...answer.place }, answer, doing);
}

async function ask(question, answer, { signal, changed, taken }) {
  const body = JSON.stringify({ bot: answer.bot || undefined, ...question });
  try {
    const response = await call("/?stream=true&subscribe=3,4,6,7", { method: "POST", body, signal,
      headers: { Accept: "application/x-ndjson", "Content-Type": "application/json" } });
    taken?.();
    await take(response.body, answer, changed);
  } catch (error) {
    if (signal.aborted) answer.state = "stopped";
    else answer.error ??= error.told ?? (answer.texts.length
      ? { code: "cut_off", message: say("cutOff") }
      : { code: "unreachable", message: say("unreachable"), hint: say("unreachableHint") });
  }
  if (answer.state === "running") answer.state = "broken";
}

/** The entries of the messages before the answer that is asked for. */
function history(messages) {
  const entries = [];
  for (const message of messages) {
    for (const file of message.attachments ?? []) {
      const list = LISTS[file.contentType] ?? "file_list";
      entries.push({ role: 2, contentType: file.contentType, content: JSON.stringify({ [list]: [{ key: file.key }] }) });
    }
    const text = message.role === "user" ? message.text : message.texts.join("\n\n");
    if (text) entries.push({ role: message.role === "user" ? 2 : 1, content: text });
  }
  return entries;
}

async function take(stream, answer, changed) {
  const before = answer.texts;
  const texts = new Map();
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) read(JSON.parse(line), answer, texts);
    answer.texts = [...before, ...texts.values()].filter(Boolean);
    changed();
  }
}

function read(record, answer, texts) {
  switch (record.type) {
    case "delta":
      texts.set(record.message_id, (texts.get(record.message_id) ?? "") + record.text);
      break;
    case "snapshot":
      texts.set(record.message_id, record.text);
      break;
    case "step":
      answer.steps.push({ kind: record.kind, title: record.title, body: record.body.slice(0, LONGEST_STEP) });
      break;
    case "suggestion":
      answer.suggestions.push(record.text);
      break;
    case "start":
      answer.place = { chat_id: record.chat_id, conversation_id: record.conversation_id };
      break;
    case "audio":
      hear(answer, record);
      break;
    case "requires_action":
      answer.calls = record.tool_calls;
      answer.state = "waiting";
      break;
    case "input_required":
      answer.interrupt = record.interrupt;
      if (![...texts.values()].some((text) => text.includes(record.interrupt.question ?? ""))) {
        texts.set("", record.interrupt.question);
      }
      answer.state = "done";
      break;
    case "error":
      answer.error = record.error;
      break;
    case "done":
      answer.state = "done";
      break;
  }
}

/** A response with a good status; an `Error` with the server's own in `told` otherwise. */
async function call(path, options) {
  for (let refused = false; ; refused = true) {
    const key = keptKey();
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    const told = (await response.json().catch(() => ({}))).error
      ?? { code: String(response.status), message: `HTTP ${response.status}` };
    const again = response.status === 401 && (keptKey() !== key || (await wantKey(refused || Boolean(key))));
    if (!again) throw Object.assign(new Error(told.message), { told });
  }
}

let wanted = null;  // the question for the key that stands, so that two calls ask once

function wantKey(wasRefused) {
  wanted ??= new Promise((resolve) => {
    const dialog = $("key-dialog");
    $("key").value = "";
    $("key-refused").hidden = !wasRefused;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "ok" ? $("key").value.trim() : "";
      if (given) keepKey(given);
      $("key").value = "";
      wanted = null;
      resolve(Boolean(given));
    }, { once: true });
    $("key-cancel").onclick = () => dialog.close();
    dialog.showModal();
  });
  return wanted;
}
