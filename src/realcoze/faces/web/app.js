// The page of realcoze: conversations with the bots that this server has.
//
// State lives in one object (`store`), kept in localStorage; `render…` functions draw what it says.
// An answer comes as NDJSON records (docs/native-api.md).  Whatever a bot writes is hostile until it
// has been through markdown-it (no HTML) and DOMPurify; pictures become buttons and load on a click.
"use strict";

const WORDS = {
  en: {
    conversations: "Conversations", close: "Close", newConversation: "New conversation", bot: "Bot",
    export: "Save the conversation as a file", editing: "Editing an earlier question: what followed it will be replaced.",
    cancel: "Cancel", attach: "Attach a picture or a file", question: "Ask something", send: "Send", stop: "Stop",
    key: "Key", keyWanted: "This server wants a key. It is kept until this tab is closed.", go: "Go on",
    untitled: "New conversation", welcome: "Ask something, and the bot answers here.", you: "You", steps: "steps",
    copy: "Copy", copied: "Copied", edit: "Edit", retry: "Try again", remove: "Delete",
    incomplete: "This answer broke off and is incomplete.", stopped: "You stopped this answer; it is incomplete.",
    loadPicture: "Load the picture from", unreachable: "The server cannot be reached.",
    unreachableHint: "Is it still running? Look at its terminal, then try again.",
    cutOff: "The connection ended before the answer was complete.", call: "calls", result: "answers", recall: "knows",
    other: "notes", full: "The browser's room for conversations is full; delete some.", tooLong: "uploading…",
  },
  zh: {
    conversations: "对话列表", close: "关闭", newConversation: "新对话", bot: "机器人",
    export: "把对话保存为文件", editing: "正在修改之前的问题：它之后的内容会被替换。",
    cancel: "取消", attach: "添加图片或文件", question: "问点什么", send: "发送", stop: "停止",
    key: "密钥", keyWanted: "这个服务器需要密钥。它只保存到关闭此标签页为止。", go: "继续",
    untitled: "新对话", welcome: "问点什么，机器人会在这里回答。", you: "你", steps: "个步骤",
    copy: "复制", copied: "已复制", edit: "修改", retry: "重试", remove: "删除",
    incomplete: "这个回答中断了，不完整。", stopped: "你停止了这个回答，它不完整。",
    loadPicture: "加载图片，来自", unreachable: "无法连接到服务器。",
    unreachableHint: "它还在运行吗？看看它的终端，然后重试。",
    cutOff: "回答完成之前连接断开了。", call: "调用", result: "返回", recall: "知识",
    other: "其他", full: "浏览器的存储空间已满，请删除一些对话。", tooLong: "正在上传…",
  },
};
const LANGUAGE = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
const say = (word) => WORDS[LANGUAGE][word];
const $ = (id) => document.getElementById(id);

// ---- what is kept -------------------------------------------------------------------------------

const STORE = "realcoze.conversations";
const store = load();
let bots = [];
let running = null;      // {conversation, answer, abort}
let attachments = [];    // {key, contentType, name, thumb}
let editing = null;      // the place of the question that is being edited

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE));
    if (kept && Array.isArray(kept.conversations)) return kept;
  } catch { /* nothing that can be read is kept */ }
  return { conversations: [], current: null };
}

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(store));
  } catch {
    alert(say("full"));
  }
}

function current() {
  return store.conversations.find((each) => each.id === store.current) ?? null;
}

function begin() {
  const conversation = { id: crypto.randomUUID(), title: "", bot: $("bot").value, messages: [] };
  store.conversations.unshift(conversation);
  store.current = conversation.id;
  return conversation;
}

// ---- drawing ------------------------------------------------------------------------------------

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "className") made.className = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const markdown = window.markdownit({ html: false, linkify: true, breaks: true });
markdown.renderer.rules.image = (tokens, index) => {
  const source = tokens[index].attrGet("src") ?? "";
  return `<button type="button" class="picture" data-source="${markdown.utils.escapeHtml(source)}"></button>`;
};
markdown.renderer.rules.table_open = () => '<div class="table"><table>';
markdown.renderer.rules.table_close = () => "</table></div>";

const SAFE = {
  ALLOWED_TAGS: ["a", "blockquote", "br", "button", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"],
  ALLOWED_ATTR: ["href", "class", "data-source", "start", "type"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#)/i,
  ALLOW_DATA_ATTR: false,
};

function rendered(text) {
  const body = element("div", { className: "text" });
  body.append(DOMPurify.sanitize(markdown.render(text), { ...SAFE, RETURN_DOM_FRAGMENT: true }));
  for (const link of body.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const button of body.querySelectorAll("button.picture")) preparePicture(button);
  for (const block of body.querySelectorAll("pre")) {
    const frame = element("div", { className: "block" });
    block.replaceWith(frame);
    frame.append(block, copyButton(() => block.textContent));
  }
  return body;
}

function preparePicture(button) {
  let address;
  try {
    address = new URL(button.dataset.source, location.href);
  } catch {
    address = null;
  }
  if (!address || !["http:", "https:"].includes(address.protocol)) return button.remove();
  button.textContent = `🖼 ${say("loadPicture")} ${address.host}`;
  button.addEventListener("click", () => {
    button.replaceWith(element("img", { src: address.href, alt: "", referrerpolicy: "no-referrer" }));
  });
}

function copyButton(text) {
  const button = element("button", { type: "button" }, say("copy"));
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = say("copied");
    setTimeout(() => { button.textContent = say("copy"); }, 1500);
  });
  return button;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function renderAll() {
  renderConversations();
  renderMessages();
  renderComposer();
}

function renderConversations() {
  $("conversations").replaceChildren(...store.conversations.map((conversation) => element(
    "div", { className: `conversation${conversation.id === store.current ? " current" : ""}` },
    element("button", { type: "button", className: "open", onclick: () => open(conversation.id) },
      conversation.title || say("untitled")),
    element("button", { type: "button", className: "remove", "aria-label": say("remove"), title: say("remove"),
      onclick: () => remove(conversation.id) }, "✕"),
  )));
  $("title").textContent = current()?.title || say("untitled");
  document.title = current()?.title ? `${current().title} – realcoze` : "realcoze";
}

function renderMessages() {
  const conversation = current();
  const messages = conversation?.messages ?? [];
  $("messages").replaceChildren(...(messages.length
    ? messages.map((message, place) => message.role === "user" ? question(message, place) : answer(message, place))
    : [element("p", { className: "welcome" }, say("welcome"))]));
  $("messages").scrollTop = $("messages").scrollHeight;
}

function question(message, place) {
  return element(
    "article", { className: "message user", "aria-label": say("you") },
    message.attachments?.length ? element("div", { className: "files" }, ...message.attachments.map(shownFile)) : null,
    message.text ? element("div", { className: "body" }, message.text) : null,
    element("div", { className: "tools" }, copyButton(() => message.text),
      element("button", { type: "button", onclick: () => edit(place) }, say("edit"))),
  );
}

function answer(message, place) {
  const conversation = current();
  const isLast = place === conversation.messages.length - 1;
  const isRunning = running?.answer === message;
  const broken = !isRunning && message.state !== "done" && message.text;
  return element(
    "article", { className: `message bot${broken ? " broken" : ""}`, "aria-busy": String(isRunning) },
    element("div", { className: "who" }, message.bot || "bot"),
    message.steps?.length ? steps(message.steps) : null,
    message.text ? rendered(message.text) : null,
    isRunning ? element("div", { className: "waiting" }) : null,
    isRunning ? null : notice(message),
    isRunning || !message.text ? null : element("div", { className: "tools" }, copyButton(() => message.text)),
    isLast && !isRunning && message.suggestions?.length
      ? element("div", { className: "suggestions" }, ...message.suggestions.map((text) =>
        element("button", { type: "button", onclick: () => ask(text) }, text)))
      : null,
  );
}

function steps(list) {
  return element("details", { className: "steps" },
    element("summary", {}, `${list.length} ${say("steps")}`),
    element("ol", {}, ...list.map((step) => element("li", {},
      element("strong", {}, `${say(step.kind)} ${step.title}`), element("pre", {}, step.body)))));
}

function notice(message) {
  if (message.state === "done") return null;
  const error = message.error;
  const isError = error && !message.text;
  return element(
    "div", { className: `notice ${isError ? "error" : "broken"}`, role: "alert" },
    message.text ? element("p", {}, element("strong", {}, say(message.state === "stopped" ? "stopped" : "incomplete"))) : null,
    error ? element("p", {}, error.message) : null,
    error?.hint ? element("p", { className: "hint" }, error.hint) : null,
    error?.request_id ? element("p", { className: "request" }, `${error.code} · ${error.request_id}`) : null,
    element("button", { type: "button", onclick: () => retry(message) }, say("retry")),
  );
}

function shownFile(file) {
  return file.thumb ? element("img", { src: file.thumb, alt: file.name }) : element("span", { className: "attachment" }, `📄 ${file.name}`);
}

function renderComposer() {
  $("send").hidden = Boolean(running);
  $("stop").hidden = !running;
  $("editing").hidden = editing === null;
  $("attachments").replaceChildren(...attachments.map((file) => element("span", { className: "attachment" },
    file.thumb ? element("img", { src: file.thumb, alt: "" }) : "📄", ` ${file.name} `,
    element("button", { type: "button", "aria-label": say("remove"), onclick: () => {
      attachments = attachments.filter((each) => each !== file);
      renderComposer();
    } }, "✕"))));
  const area = $("question");
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, innerHeight * 0.4)}px`;
}

// ---- asking -------------------------------------------------------------------------------------

function ask(text) {
  const words = text.trim();
  if (running || (!words && !attachments.length)) return;
  const conversation = current() ?? begin();
  if (editing !== null) conversation.messages.length = editing;
  editing = null;
  conversation.messages.push({ role: "user", text: words, attachments });
  conversation.title ||= (words || attachments[0]?.name || "").slice(0, 60);
  conversation.bot = $("bot").value;
  attachments = [];
  $("question").value = "";
  run(conversation);
}

function retry(message) {
  const conversation = current();
  const place = conversation.messages.indexOf(message);
  if (running || place < 1) return;
  conversation.messages.length = place;
  run(conversation);
}

async function run(conversation) {
  const answer = { role: "bot", bot: conversation.bot, text: "", steps: [], suggestions: [], state: "broken", error: null };
  const body = JSON.stringify({ bot: conversation.bot, messages: entries(conversation.messages) });
  conversation.messages.push(answer);
  running = { conversation, answer, abort: new AbortController() };
  keep();
  renderAll();
  try {
    await receive(body, answer, running.abort.signal);
  } catch (error) {
    if (running.abort.signal.aborted) answer.state = "stopped";
    else answer.error ??= error.told ?? { code: "unreachable", message: say(answer.text ? "cutOff" : "unreachable"),
      hint: answer.text ? undefined : say("unreachableHint") };
  }
  running = null;
  keep();
  renderAll();
  $("question").focus({ preventScroll: true });
}

function entries(messages) {
  const list = [];
  for (const message of messages) {
    for (const file of message.attachments ?? []) {
      const name = file.contentType === 6 ? "image_list" : "file_list";
      list.push({ role: 2, contentType: file.contentType, content: JSON.stringify({ [name]: [{ key: file.key }] }) });
    }
    if (message.text) list.push({ role: message.role === "user" ? 2 : 1, content: message.text });
  }
  return list;
}

async function receive(body, answer, signal) {
  const response = await call("/?stream=true&subscribe=3,4,6,7", { method: "POST", body, signal,
    headers: { Accept: "application/x-ndjson", "Content-Type": "application/json" } });
  const texts = new Map();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) take(JSON.parse(line), answer, texts);
    drawSoon();
  }
}

function take(record, answer, texts) {
  switch (record.type) {
    case "delta":
      texts.set(record.message_id, (texts.get(record.message_id) ?? "") + record.text);
      break;
    case "snapshot":
      texts.set(record.message_id, record.text);
      break;
    case "step":
      answer.steps.push({ kind: record.kind, title: record.title, body: record.body });
      break;
    case "suggestion":
      answer.suggestions.push(record.text);
      break;
    case "done":
      answer.state = "done";
      break;
    case "error":
      answer.error = record.error;
      break;
  }
  answer.text = [...texts.values()].filter(Boolean).join("\n\n");
}

// A picture of the running answer at most every 80 ms, whatever comes.
let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => requestAnimationFrame(() => {
    drawing = false;
    if (!running || running.conversation !== current()) return;
    const messages = $("messages");
    const follows = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80;
    const place = running.conversation.messages.indexOf(running.answer);
    const opened = messages.children[place]?.querySelector("details")?.open;
    const drawn = answer(running.answer, place);
    if (opened) drawn.querySelector("details")?.setAttribute("open", "");
    messages.children[place]?.replaceWith(drawn);
    if (follows) messages.scrollTop = messages.scrollHeight;
  }), 80);
}

// ---- calling the server -------------------------------------------------------------------------

const KEY = "realcoze.key";

async function call(path, options) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    const told = (await response.json().catch(() => ({}))).error ?? { code: String(response.status), message: `HTTP ${response.status}` };
    if (response.status !== 401 || !(await wantKey())) throw Object.assign(new Error(told.message), { told });
  }
}

function wantKey() {
  return new Promise((resolve) => {
    const dialog = $("key-dialog");
    $("key").value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "ok" && $("key").value.trim();
      if (given) sessionStorage.setItem(KEY, given);
      resolve(Boolean(given));
    }, { once: true });
    dialog.showModal();
  });
}

async function attach(file) {
  if (!file) return;
  const waiting = { name: `${file.name} ${say("tooLong")}`, thumb: null };
  attachments.push(waiting);
  renderComposer();
  let made = null;
  try {
    const response = await call(`/upload?name=${encodeURIComponent(file.name)}&bot=${encodeURIComponent($("bot").value)}`, { method: "POST", body: file });
    const { key, contentType } = await response.json();
    made = { key, contentType, name: file.name, thumb: contentType === 6 ? await thumbnail(file) : null };
  } catch (error) {
    alert(error.told ? [error.told.message, error.told.hint].filter(Boolean).join("\n") : say("unreachable"));
  }
  attachments = attachments.flatMap((each) => each === waiting ? (made ? [made] : []) : [each]);
  renderComposer();
}

async function thumbnail(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, 144 / Math.max(picture.width, picture.height));
    const canvas = element("canvas", { width: Math.max(1, picture.width * scale), height: Math.max(1, picture.height * scale) });
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.8);
  } catch {
    return null;
  }
}

// ---- moving about -------------------------------------------------------------------------------

function open(id) {
  store.current = id;
  editing = null;
  const conversation = current();
  if (conversation && bots.includes(conversation.bot)) $("bot").value = conversation.bot;
  showSidebar(false);
  keep();
  renderAll();
}

function remove(id) {
  if (running?.conversation.id === id) running.abort.abort();
  store.conversations = store.conversations.filter((each) => each.id !== id);
  if (store.current === id) store.current = store.conversations[0]?.id ?? null;
  keep();
  renderAll();
}

function edit(place) {
  if (running) return;
  editing = place;
  const message = current().messages[place];
  attachments = [...(message.attachments ?? [])];
  $("question").value = message.text;
  renderComposer();
  $("question").focus();
}

function exportConversation() {
  const conversation = current();
  if (!conversation) return;
  const text = conversation.messages.map((message) =>
    `## ${message.role === "user" ? say("you") : message.bot || say("bot")}\n\n${message.text}` +
    (message.role === "bot" && message.state !== "done" ? `\n\n_${say("incomplete")}_` : "")).join("\n\n");
  const link = element("a", { href: URL.createObjectURL(new Blob([text + "\n"], { type: "text/markdown" })),
    download: `${(conversation.title || "conversation").replace(/[^\p{L}\p{N} _-]/gu, "").trim() || "conversation"}.md` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function showSidebar(isOpen) {
  $("sidebar").classList.toggle("open", isOpen);
  $("shade").hidden = !isOpen;
}

function speakLanguage() {
  document.documentElement.lang = LANGUAGE === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = say(each.dataset.placeholder);
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", say(each.dataset.label));
    each.title = say(each.dataset.label);
  }
}

async function start() {
  speakLanguage();
  for (const conversation of store.conversations) {
    const last = conversation.messages.at(-1);
    if (last?.role === "user") conversation.messages.push({ role: "bot", bot: conversation.bot, text: "", state: "broken", error: null });
  }
  try {
    bots = (await (await call("/health", { method: "GET" })).json()).bots;
  } catch { /* the first question will say why */ }
  $("bot").replaceChildren(...bots.map((name) => element("option", { value: name }, name)));
  $("bot").parentElement.hidden = bots.length < 2;
  if (current() && bots.includes(current().bot)) $("bot").value = current().bot;
  renderAll();

  $("composer").addEventListener("submit", (event) => { event.preventDefault(); ask($("question").value); });
  $("question").addEventListener("input", renderComposer);
  $("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      ask($("question").value);
    }
  });
  $("question").addEventListener("paste", (event) => { for (const file of event.clipboardData.files) attach(file); });
  $("room").addEventListener("dragover", (event) => event.preventDefault());
  $("room").addEventListener("drop", (event) => {
    event.preventDefault();
    for (const file of event.dataTransfer.files) attach(file);
  });
  $("stop").addEventListener("click", () => running?.abort.abort());
  $("attach").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { attach($("file").files[0]); $("file").value = ""; });
  $("cancel-editing").addEventListener("click", () => { editing = null; attachments = []; $("question").value = ""; renderComposer(); });
  $("new-conversation").addEventListener("click", () => open(null));
  $("export").addEventListener("click", exportConversation);
  $("open-sidebar").addEventListener("click", () => showSidebar(true));
  $("close-sidebar").addEventListener("click", () => showSidebar(false));
  $("shade").addEventListener("click", () => showSidebar(false));
  $("question").focus();
}

start();
