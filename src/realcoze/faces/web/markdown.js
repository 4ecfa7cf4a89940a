// Text of a bot → elements.  Whatever a bot writes is hostile: markdown-it makes no HTML of its HTML,
// DOMPurify lets a short list through, links open elsewhere and pictures load on a click.

import { copy, element, icon } from "./dom.js";
import { say } from "./words.js";

const SAFE = {
  ALLOWED_TAGS: ["a", "blockquote", "br", "button", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"],
  ALLOWED_ATTR: ["href", "class", "data-source", "start", "type"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

const markdown = window.markdownit({ html: false, linkify: true, breaks: true });
const { rules } = markdown.renderer;
rules.image = (tokens, place, options, env, renderer) => {
  const source = markdown.utils.escapeHtml(tokens[place].attrGet("src") ?? "");
  const about = markdown.utils.escapeHtml(renderer.renderInlineAsText(tokens[place].children, options, env));
  return `<button type="button" class="picture" data-source="${source}">${about}</button>`;
};
rules.table_open = () => '<div class="table"><table>';
rules.table_close = () => "</table></div>";
rules.th_open = rules.td_open = (tokens, place) => {
  const side = /right|center/.exec(tokens[place].attrGet("style") ?? "")?.[0] ?? "";
  return `<${tokens[place].tag} class="${side}">`;
};

const shown = new WeakMap();  // a body → the markup of its blocks

/** Makes `body` show `text`; blocks that did not change stay, with what the reader selected or loaded in them. */
export function showMarkdown(body, text) {
  const blocks = [...DOMPurify.sanitize(markdown.render(text), SAFE).children];
  const fresh = blocks.map((block) => block.outerHTML);
  const before = shown.get(body) ?? [];
  let same = 0;
  while (same < before.length && before[same] === fresh[same]) same++;
  while (body.children.length > same) body.lastElementChild.remove();
  body.append(...blocks.slice(same).map(prepared));
  shown.set(body, fresh);
}

/** A small button that copies and says so. */
export function copyButton(text) {
  const button = element("button", { type: "button" }, say("copy"));
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = say("copied");
    setTimeout(() => { button.textContent = say("copy"); }, 1500);
  });
  return button;
}

function prepared(block) {
  const frame = element("div", {}, block);
  for (const link of frame.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const button of frame.querySelectorAll("button")) preparePicture(button);
  for (const pre of frame.querySelectorAll("pre")) frameCode(pre);
  return frame.children.length === 1 ? frame.firstElementChild : frame;
}

function frameCode(pre) {
  const language = /language-(\S+)/.exec(pre.firstElementChild?.className ?? "")?.[1] ?? "";
  const head = element("div", { className: "head" }, element("span", {}, language), copyButton(() => pre.textContent));
  const block = element("div", { className: "block" }, head);
  pre.replaceWith(block);
  block.append(pre);
  pre.tabIndex = 0;  // so that a keyboard can scroll it
}

function preparePicture(button) {
  const about = button.textContent;
  const source = button.dataset.source ?? "";
  if (!/^https?:/i.test(source) || !URL.canParse(source)) return button.replaceWith(about);
  const { href, host } = new URL(source);
  button.replaceChildren(icon("picture"), [` ${say("loadPicture")} ${host}`, about].filter(Boolean).join(" · "));
  button.addEventListener("click", () => {
    button.replaceWith(element("img", { src: href, alt: about, referrerpolicy: "no-referrer" }));
  });
}
