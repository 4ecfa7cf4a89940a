// The page of realcoze: conversations with the bots that this server has.
//
// This file holds what is open and what runs, and ties the others together: kept.js (the browser's
// storage), server.js (calls), messages.js and markdown.js (drawing), follow.js (scrolling),
// composer.js (writing), banner.js, export.js.

import { banner, hideBanner } from "./banner.js";
import { cancelEditing, edit, focusComposer, startComposer } from "./composer.js";
import { $, element, icon } from "./dom.js";
import { exportConversation } from "./export.js";
import { startFollowing, stayAtEnd, toEnd } from "./follow.js";
import { forget, keep, keepOpened, keptConversations, newConversation, openedId, watchOtherTabs } from "./kept.js";
import { nodeOf, spoken, update } from "./messages.js";
import { botNames, converse, handIn } from "./server.js";
import { release } from "./sound.js";
import { say, speak } from "./words.js";

const SHORTEST_PAUSE_MS = 40;

let conversations = [];     // the last changed first
let current = null;         // the open one; null is one that is not begun yet
const runs = new Map();     // a conversation's id → {conversation, answer, abort, isDue}

const messagesDo = {
  edit: (message) => { if (!isRunning()) edit(message); },
  retry: (message) => again(message),
  ask: (text) => ask({ text, attachments: [], replaces: null }),
  hand: (message, results) => hand(message, results),
};

const isRunning = () => current !== null && runs.has(current.id);

// ---- asking -------------------------------------------------------------------------------------

/** Asks in the open conversation; false while its last answer still runs. */
function ask({ text, attachments, replaces }) {
  if (isRunning()) return false;
  hideBanner();
  if (current === null) {
    current = newConversation($("bot").value);
    conversations.unshift(current);
    keepOpened(current.id);
  }
  const waiting = current.messages.findLast((message) => message.state === "waiting");
  if (waiting) giveUp(waiting);
  const place = current.messages.indexOf(replaces);
  if (place >= 0) cut(current, place);
  current.messages.push({ role: "user", text, attachments });
  if (place === 0 || !current.title) current.title = (text || attachments[0].name).slice(0, 80);
  run(current);
  return true;
}

/** Asks once more for an answer that failed. */
function again(message) {
  const place = current.messages.indexOf(message);
  if (isRunning() || place < 1) return;
  cut(current, place);
  run(current);
}

/** Takes the messages from a place on out of a conversation. */
function cut({ messages }, place) {
  release(messages.splice(place));
}

/** Lets an answer go on with the results that it waits for; it keeps them, and waits on, if they are not taken. */
function hand(message, results) {
  if (isRunning() || !current?.messages.includes(message)) return;
  const { calls } = message;
  const taken = () => {
    message.steps.push(...results.map(({ output }, place) => ({ kind: "result", title: calls[place].name, body: output })));
    Object.assign(message, { calls: null, results: null });
  };
  Object.assign(message, { state: "running", error: null, results });
  follow(current, message, async (doing) => {
    await handIn(results, message, { ...doing, taken });
    if (message.calls === calls) message.state = "waiting";
  });
}

/** Somebody asks something else instead. */
function giveUp(message) {
  Object.assign(message, { state: "givenUp", error: null, calls: null, results: null });
  update(message);
}

function run(conversation) {
  const answer = { role: "bot", bot: $("bot").value, texts: [], steps: [], suggestions: [], state: "running", error: null };
  conversation.bot = answer.bot;
  conversation.messages.push(answer);
  tellOfForeignFiles(conversation, answer.bot);
  follow(conversation, answer, (doing) => converse(conversation, answer, doing));
}

/** Draws an answer while `asked({signal, changed})` writes into it. */
async function follow(conversation, answer, asked) {
  const abort = new AbortController();
  const running = { conversation, answer, abort, isDue: false };
  conversation.changed = Date.now();
  runs.set(conversation.id, running);
  conversations.sort((one, other) => other.changed - one.changed);
  keepOrTell(conversation);
  drawAll();
  toEnd();

  await asked({ signal: abort.signal, changed: () => drawSoon(running) });

  runs.delete(conversation.id);
  update(answer);
  if (!conversations.includes(conversation)) return;
  keepOrTell(conversation);
  drawConversations();
  if (conversation !== current) return;
  drawState();
  stayAtEnd();
  $("told").textContent = spoken(answer);
  focusComposer();
}

/**
 * Says once when a bot is sent a file that was uploaded for another: its key is good for one account
 * only, and which bot is on which the page cannot know.
 */
function tellOfForeignFiles({ messages }, bot) {
  const before = messages.slice(0, -1);
  const unseen = before.slice(before.findLastIndex((message) => message.bot === bot) + 1);
  const foreign = unseen.flatMap((message) => message.attachments ?? []).find((file) => file.bot && file.bot !== bot);
  if (foreign) banner(`${foreign.name} (${foreign.bot}): ${say("foreignFile")}`);
}

/** Draws the running answer, soon: the longer drawing takes, the longer until it is drawn again. */
function drawSoon(running) {
  if (running.isDue || running.conversation !== current) return;
  running.isDue = true;
  setTimeout(() => requestAnimationFrame(() => {
    running.isDue = false;
    if (running.conversation !== current || running.answer.state !== "running") return;
    const began = performance.now();
    update(running.answer);
    stayAtEnd();
    running.pause = Math.max(SHORTEST_PAUSE_MS, 4 * (performance.now() - began));
  }), running.pause ?? 0);
}

// ---- drawing ------------------------------------------------------------------------------------

function drawAll() {
  drawConversations();
  drawMessages();
  drawState();
}

function drawConversations() {
  $("conversations").replaceChildren(...conversations.map((conversation) => element(
    "div", { className: `conversation${conversation === current ? " current" : ""}` },
    element("button", { type: "button", className: "open", title: conversation.title, onclick: () => open(conversation),
      ...(conversation === current ? { "aria-current": "true" } : {}) },
      element("span", {}, conversation.title || say("untitled")),
      runs.has(conversation.id) ? element("span", { className: "dot", role: "img", "aria-label": say("answering") }) : null),
    element("button", { type: "button", className: "remove icon", "aria-label": `${say("remove")}: ${conversation.title}`,
      title: say("remove"), onclick: () => remove(conversation) }, icon("remove")),
  )));
}

/** Brings the room to what the open conversation has; elements that stand there already are left alone. */
function drawMessages() {
  const room = $("messages");
  const nodes = current?.messages.length ? current.messages.map((message) => nodeOf(message, messagesDo)) : [welcome()];
  let same = 0;
  while (same < nodes.length && room.children[same] === nodes[same]) same++;
  while (room.children.length > same) room.lastElementChild.remove();
  room.append(...nodes.slice(same));
  for (const message of current?.messages ?? []) if (message.state === "running") update(message);
  stayAtEnd();
}

function welcome() {
  return element("div", { className: "welcome" }, element("img", { src: "icon.svg", alt: "", width: 56, height: 56 }),
    element("h2", {}, say("welcome")), element("p", { className: "fine-only" }, say("welcomeHint")));
}

function drawState() {
  const title = current?.title || say("untitled");
  $("title").textContent = title;
  document.title = current?.title ? `${title} – realcoze` : "realcoze";
  $("send").hidden = isRunning();
  $("stop").hidden = !isRunning();
  $("messages").classList.toggle("running", isRunning());
  $("export").disabled = !current?.messages.length;
}

function keepOrTell(conversation) {
  if (!keep(conversation)) banner(say("full"));
}

// ---- moving about -------------------------------------------------------------------------------

function open(conversation) {
  cancelEditing();
  current = conversation;
  keepOpened(conversation?.id);
  if (conversation) chooseBot(conversation.bot);
  showSidebar(false);
  drawAll();
  toEnd();
  document.activeElement.blur();
  focusComposer();
}

function remove(conversation) {
  runs.get(conversation.id)?.abort.abort();
  conversations = conversations.filter((each) => each !== conversation);
  forget(conversation);
  release(conversation.messages);
  if (conversation === current) open(null);
  else drawConversations();
  $("new-conversation").focus();
  banner(`${say("removed")} ${conversation.title}`, { name: say("undo"), act: () => {
    conversations = [...conversations, conversation].sort((one, other) => other.changed - one.changed);
    keepOrTell(conversation);
    hideBanner();
    conversation.messages.forEach(update);
    open(conversation);
  } });
}

function chooseBot(name) {
  if ([...$("bot").options].some((option) => option.value === name)) $("bot").value = name;
}

function showSidebar(isOpen) {
  $("sidebar").classList.toggle("open", isOpen);
  $("shade").hidden = !isOpen;
  $("room").inert = isOpen;
  if (isOpen) $("close-sidebar").focus();
}

/** What another tab kept or forgot; an answer that runs here is ours to write. */
function takeFromOtherTab(id, conversation) {
  if (runs.has(id)) return;
  const place = conversations.findIndex((each) => each.id === id);
  const wasOpen = current?.id === id;
  for (const { messages } of place >= 0 ? conversations.splice(place, 1) : []) release(messages);
  if (conversation) conversations.push(conversation);
  conversations.sort((one, other) => other.changed - one.changed);
  if (wasOpen) {
    cancelEditing();
    current = conversation;
  }
  if (wasOpen) drawAll();
  else drawConversations();
}

// ---- starting -----------------------------------------------------------------------------------

async function start() {
  speak();
  conversations = keptConversations();
  current = conversations.find((each) => each.id === openedId()) ?? null;
  for (const { messages } of conversations) {
    for (const message of messages) if (message.state === "running") message.state = message.calls ? "waiting" : "broken";
  }
  startComposer({ ask, tell: banner, editLast: () => {
    const last = isRunning() ? undefined : current?.messages.findLast((message) => message.role === "user");
    if (last) edit(last);
    return Boolean(last);
  } });
  listen();
  drawAll();
  focusComposer();

  const bots = await botNames();
  $("bot").replaceChildren(...bots.map((name) => element("option", { value: name }, name)));
  document.body.classList.toggle("many-bots", bots.length > 1);
  if (current) chooseBot(current.bot);
}

function listen() {
  $("bot").addEventListener("change", () => {
    if (!current) return;
    current.bot = $("bot").value;
    keepOrTell(current);
  });
  $("stop").addEventListener("click", () => runs.get(current?.id)?.abort.abort());
  for (const id of ["new-conversation", "new-here"]) $(id).addEventListener("click", () => open(null));
  $("export").addEventListener("click", () => exportConversation(current));
  $("open-sidebar").addEventListener("click", () => showSidebar(true));
  for (const id of ["close-sidebar", "shade"]) $(id).addEventListener("click", () => showSidebar(false));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && $("sidebar").classList.contains("open")) showSidebar(false);
  });
  // What an answer has said so far outlives the page; the next visit shows it as broken off.
  addEventListener("pagehide", () => { for (const { conversation } of runs.values()) keep(conversation); });
  watchOtherTabs(takeFromOtherTab);
  startFollowing();
}

start();
