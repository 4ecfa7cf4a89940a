// ==UserScript==
// @name         realcoze: download a bot's config.json
// @name:zh-CN   realcoze：下载机器人的 config.json
// @namespace    realcoze
// @version      1.0.0
// @description  Adds a Download button to a bot's page on Coze, which saves the bot's config.json.
// @description:zh-CN 在 Coze 的机器人页面上添加一个下载按钮，保存机器人的 config.json。
// @license      Apache-2.0
// @match        https://www.coze.com/space/*/bot/*
// @match        https://www.coze.cn/space/*/bot/*
// @match        http://127.0.0.1:*/space/*/bot/*
// @run-at       document-start
// @grant        none
// ==/UserScript==

// The page saves a bot by POST /api/draftbot/update; the body of that call is config.json.  This
// script remembers the last such body, whichever way the page sends it, and changes nothing of the
// call.  It also works pasted into the console (F12); then edit the bot once, so that the page saves.
(() => {
  "use strict";
  if (window.__realcozeDownload) return;
  window.__realcozeDownload = true;

  const PATH = "/api/draftbot/update";
  let saved = null;

  const text = (zh, en) => (navigator.language.toLowerCase().startsWith("zh") ? zh : en);

  function isUpdate(address) {
    try {
      return new URL(address, location.href).pathname === PATH;
    } catch {
      return false;
    }
  }

  async function remember(body) {
    try {
      const read = typeof body === "string" ? body : await new Response(body).text();
      const config = JSON.parse(read);
      if (config && config.bot_id && config.work_info) {
        saved = config;
        show();
      }
    } catch { /* not the body of a bot */ }
  }

  const fetchOfPage = window.fetch;
  window.fetch = function (resource, options) {
    const address = resource instanceof Request ? resource.url : String(resource);
    if (isUpdate(address)) {
      if (options && options.body != null) remember(options.body);
      else if (resource instanceof Request) remember(resource.clone().body);
    }
    return fetchOfPage.apply(this, arguments);
  };

  const { open, send } = XMLHttpRequest.prototype;
  const updates = new WeakSet();
  XMLHttpRequest.prototype.open = function (method, address) {
    if (isUpdate(address)) updates.add(this);
    return open.apply(this, arguments);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (updates.has(this) && body != null) remember(body);
    return send.apply(this, arguments);
  };

  const button = document.createElement("button");
  button.id = "realcoze-download";
  button.type = "button";
  Object.assign(button.style, {
    position: "fixed", top: "12px", right: "12px", zIndex: "2147483647", padding: "8px 16px", border: "0",
    borderRadius: "10px", background: "#4d53e8", color: "#fff", font: "14px/1.4 system-ui, sans-serif",
    cursor: "pointer", boxShadow: "0 2px 8px rgb(0 0 0 / 25%)",
  });
  button.addEventListener("click", () => {
    if (!saved) {
      alert(text("还没有看到机器人的配置。请修改一下机器人（例如在提示词里加一个空格），页面保存后再点。",
        "The bot's configuration was not seen yet. Change the bot a little (a space in its prompt), and try again when the page has saved it."));
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(saved, null, 2)], { type: "application/json" }));
    link.download = "config.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  function show() {
    button.textContent = saved ? text("下载 config.json", "Download config.json") : text("下载（等待保存）", "Download (waiting)");
    if (document.body && !button.isConnected) document.body.append(button);
  }

  if (document.body) show();
  else document.addEventListener("DOMContentLoaded", show);
  // Single-page applications replace the body now and then.
  setInterval(show, 2000);
})();
