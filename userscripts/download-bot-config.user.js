// ==UserScript==
// @name         realcoze: download a bot's config.json
// @name:zh-CN   realcoze：下载机器人的 config.json
// @namespace    realcoze
// @version      1.0.2
// @description  Adds a Download button to a bot's page on Coze, which saves the bot's config.json.
// @description:zh-CN 在 Coze 的机器人页面上添加一个下载按钮，保存机器人的 config.json。
// @license      Apache-2.0
// @match        https://www.coze.com/space/*/bot/*
// @match        https://www.coze.cn/space/*/bot/*
// @run-at       document-start
// @grant        none
// ==/UserScript==

// The page saves a bot by POST /api/draftbot/update; the body of that call is config.json.  This
// script remembers the last such body as it was sent, whichever way the page sends it, and changes
// nothing of the call.  It also works pasted into the console (F12).  See docs/userscript.md.
(() => {
  "use strict";
  if (window.__realcozeDownload) return;
  window.__realcozeDownload = true;

  const PATH = "/api/draftbot/update";
  let saved = null;  // {text, botId} of the last call
  let lacking = null;  // the bot of a call without `work_info`, which is no config.json

  const isChinese = navigator.language.toLowerCase().startsWith("zh");
  const say = (zh, en) => (isChinese ? zh : en);

  function isUpdate(address) {
    try {
      return new URL(address, location.href).pathname === PATH;
    } catch {
      return false;
    }
  }

  // A stream is left alone: reading it would take it from the page's own call.
  async function remember(body) {
    if (body == null || body instanceof ReadableStream) return;
    try {
      const text = typeof body === "string" ? body : await new Response(body).text();
      const config = JSON.parse(text);
      if (!config.bot_id) return;
      if (config.work_info) saved = { text, botId: String(config.bot_id) };
      else lacking = String(config.bot_id);
      show();
    } catch { /* not the body of a bot */ }
  }

  // The body of a request stays the page's own; one that was used already has none.
  async function copy(request) {
    return request.clone().blob();
  }

  const fetchOfPage = window.fetch;
  window.fetch = function (resource, options) {
    const isRequest = resource instanceof Request;
    if (isUpdate(isRequest ? resource.url : resource)) {
      if (isRequest && options?.body == null) copy(resource).then(remember, () => {});
      else remember(options?.body);
    }
    return fetchOfPage.apply(this, arguments);
  };

  const { open, send } = XMLHttpRequest.prototype;
  const updates = new WeakSet();
  XMLHttpRequest.prototype.open = function (_method, address) {
    if (isUpdate(address)) updates.add(this);
    else updates.delete(this);
    return open.apply(this, arguments);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (updates.has(this)) remember(body);
    return send.apply(this, arguments);
  };

  // The page moves to another bot without a reload; then what was saved belongs to the one before.
  function isHere(botId) {
    const here = /\/bot\/(\d+)/.exec(location.pathname)?.[1];
    return !here || here === botId;
  }

  function ready() {
    return saved && isHere(saved.botId) ? saved : null;
  }

  function isLacking() {
    return lacking !== null && isHere(lacking);
  }

  function download() {
    const config = ready();
    if (!config && isLacking()) {
      alert(say("页面保存了，但其中没有机器人的配置（work_info）。请修改提示词（例如加一个空格），页面保存后再点。",
        "The page saved something, but without the bot's configuration (work_info). Change the prompt (a space will do), and try again when the page has saved it."));
      return;
    }
    if (!config) {
      alert(say("还没有看到机器人的配置。请修改一下机器人（例如在提示词里加一个空格），页面保存后再点。",
        "The bot's configuration was not seen yet. Change the bot a little (a space in its prompt), and try again when the page has saved it."));
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([config.text], { type: "application/json" }));
    link.download = "config.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const button = document.createElement("button");
  button.id = "realcoze-download";
  button.type = "button";
  Object.assign(button.style, {
    position: "fixed", top: "12px", right: "12px", zIndex: "2147483647", minHeight: "40px", padding: "8px 16px",
    border: "0", borderRadius: "10px", background: "#474de0", color: "#fff", font: "14px/1.4 system-ui, sans-serif",
    cursor: "pointer", boxShadow: "0 2px 8px rgb(0 0 0 / 25%)",
  });
  button.addEventListener("click", download);

  function show() {
    const state = ready() ? "ready" : isLacking() ? "lacking" : "waiting";
    if (button.dataset.state !== state) {
      button.dataset.state = state;
      button.textContent = {
        ready: say("下载 config.json", "Download config.json"),
        lacking: say("下载（保存的内容没有 work_info）", "Download (a save came without work_info)"),
        waiting: say("下载（等待页面保存）", "Download (waiting for a save)"),
      }[state];
      button.style.opacity = state === "ready" ? "1" : "0.75";
    }
    if (document.body && !button.isConnected) document.body.append(button);
  }

  if (document.body) show();
  else document.addEventListener("DOMContentLoaded", show);
  // Single-page applications replace the body and move to another bot now and then.
  setInterval(show, 1000);
})();
