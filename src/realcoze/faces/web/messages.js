// Messages → elements.  Each message is drawn once; a running answer is brought up to date in place.
//
// `does` are the things that a reader can do with a message: edit(message), retry(message), ask(text),
// hand(message, results).

import { element, icon } from "./dom.js";
import { copyButton, showMarkdown } from "./markdown.js";
import { player } from "./sound.js";
import { resultsForm } from "./wanted.js";
import { say, sayCode } from "./words.js";

const views = new WeakMap();  // a message → {node, update}

/** The element of a message. */
export function nodeOf(message, does) {
  return viewOf(message, does).node;
}

/** Brings an answer's element up to date. */
export function update(message) {
  views.get(message)?.update();
}

/** What a screen reader is told when an answer has ended. */
export function spoken(answer) {
  const text = (views.get(answer)?.node.querySelector(".text")?.textContent ?? "").slice(0, 1000);
  return [text, answer.interrupt ? say("answerWanted") : "", ...endOf(answer)].filter(Boolean).join(" ");
}

/** Why an answer that is not whole ended: what it means for the reader, what happened, what to do. */
export function endOf(answer) {
  if (answer.state === "waiting") return [...causeOf(answer), say("toolsWanted")];
  if (answer.state === "done" || answer.state === "running") return [];
  const hasText = answer.texts.length > 0;
  if (answer.state === "givenUp") return [say("toolsGivenUp")];
  if (answer.state === "stopped") return [say(hasText ? "stopped" : "stoppedEarly")];
  const { error } = answer;
  return [hasText ? say("incomplete") : error ? "" : say("noAnswer"), ...causeOf(answer)].filter(Boolean);
}

const isUnended = ({ state }) => ["givenUp", "stopped", "broken"].includes(state);

function causeOf({ error }) {
  return error ? [sayCode(error.code) ?? "", error.message ?? "", error.hint ?? ""].filter(Boolean) : [];
}

function viewOf(message, does) {
  let view = views.get(message);
  if (!view) {
    view = message.role === "user" ? { node: question(message, does), update() {} } : answerView(message, does);
    views.set(message, view);
  }
  return view;
}

function question(message, does) {
  const files = message.attachments ?? [];
  return element(
    "article", { className: "message user", tabindex: "-1", "aria-label": say("you") },
    files.length ? element("div", { className: "files" }, ...files.map(shownFile)) : null,
    message.text ? element("div", { className: "body", dir: "auto" }, message.text) : null,
    element("div", { className: "tools" }, message.text ? copyButton(() => message.text) : null,
      element("button", { type: "button", className: "edit", onclick: () => does.edit(message) }, say("edit"))),
  );
}

function shownFile(file) {
  return file.thumb
    ? element("img", { src: file.thumb, alt: file.name, title: file.name })
    : element("span", { className: "attachment" }, icon("file"), file.name);
}

function answerView(message, does) {
  const name = message.bot || say("bot");
  const steps = stepsView(message);
  const texts = element("div", { className: "texts" });
  const foot = element("div", { className: "foot" });
  const node = element("article", { className: "message bot", tabindex: "-1", "aria-label": name },
    element("div", { className: "who", "aria-hidden": "true" }, name), steps.node, texts, foot);

  function update() {
    const isRunning = message.state === "running";
    node.setAttribute("aria-busy", String(isRunning));
    node.classList.toggle("broken", isUnended(message) && message.texts.length > 0);
    steps.update();
    while (texts.children.length > message.texts.length) texts.lastElementChild.remove();
    message.texts.forEach((text, place) => {
      const body = texts.children[place] ?? texts.appendChild(element("div", { className: "text", dir: "auto" }));
      showMarkdown(body, text);
    });
    foot.replaceChildren(...(isRunning ? [element("div", { className: "waiting" })] : footOf(message, does)));
  }

  update();
  return { node, update };
}

function footOf(message, does) {
  return [
    player(message),
    message.state === "waiting" ? resultsForm(message, causeOf(message), (results) => does.hand(message, results)) : null,
    message.state === "done" && message.interrupt ? element("p", { className: "asks" }, say("answerWanted")) : null,
    isUnended(message) ? notice(message, does) : null,
    message.texts.length
      ? element("div", { className: "tools" }, copyButton(() => message.texts.join("\n\n"))) : null,
    message.suggestions.length
      ? element("div", { className: "suggestions" }, ...message.suggestions.map((text) =>
        element("button", { type: "button", onclick: () => does.ask(text) }, text))) : null,
  ].filter(Boolean);
}

/** Folded, and open once the reader opened it: later steps are added to what stands there. */
function stepsView(message) {
  const summary = element("summary");
  const list = element("ol");
  const node = element("details", { className: "steps", hidden: "" }, summary, list);

  function update() {
    const count = message.steps.length;
    node.hidden = count === 0;
    summary.textContent = `${count} ${say(count === 1 ? "step" : "steps")}`;
    for (const step of message.steps.slice(list.children.length)) {
      list.append(element("li", {}, element("strong", {}, `${say(step.kind) ?? step.kind} ${step.title}`),
        element("pre", {}, step.body)));
    }
  }

  return { node, update };
}

function notice(message, does) {
  const { error } = message;
  const isError = error && message.texts.length === 0;
  const [first, ...others] = endOf(message);
  return element(
    "div", { className: `notice ${isError ? "error" : "broken"}` },
    element("p", {}, element("strong", {}, first)),
    ...others.map((text) => element("p", {}, text)),
    error?.request_id ? element("p", { className: "request" }, `${error.code} · ${error.request_id}`) : null,
    element("button", { type: "button", className: "retry", onclick: () => does.retry(message) }, say("retry")),
  );
}
