// The line above the messages: what went wrong, or what can be undone.

import { $, element, icon } from "./dom.js";
import { say } from "./words.js";

/** Shows a text; `does` is a button beside it, {name, act}. */
export function banner(text, does = null) {
  $("banner").replaceChildren(element("span", {}, text),
    ...(does ? [element("button", { type: "button", className: "link", onclick: does.act }, does.name)] : []),
    element("button", { type: "button", className: "icon", "aria-label": say("close"), onclick: hideBanner }, icon("close")));
  $("banner").hidden = false;
}

export function hideBanner() {
  $("banner").hidden = true;
}
