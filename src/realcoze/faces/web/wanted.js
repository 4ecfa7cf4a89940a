// What a bot waits for: the results of tools, which the reader hands in, or an answer, which the next message is.
//
// An answer in the state "waiting" has `calls`, [{id, name, arguments}], and, where handing in failed, the `results`
// that were typed and the `error`; one that asked has `interrupt`.  Both
// have `place`, {chat_id, conversation_id}, by which the server finds the turn again.

import { element } from "./dom.js";
import { say } from "./words.js";

const DONE = "done";  // what an empty box stands for; the bot reads it, so it is in no language of ours

/** The form for the results, with why they were not taken; `hand(results)` is called with [{call_id, output}]. */
export function resultsForm({ calls, results }, reasons, hand) {
  const typed = (place) => (results?.[place].output === DONE ? "" : results?.[place].output ?? "");
  const boxes = calls.map(({ name }, place) => element("textarea", { rows: 2, "aria-label": `${say("resultOf")} ${name}`,
    placeholder: say("orDone") }, typed(place)));
  const form = element(
    "form", { className: "calls" },
    reasons.length ? element("div", { className: "notice error" }, ...reasons.map((text) => element("p", {}, text))) : null,
    element("p", {}, element("strong", {}, say("toolsWanted"))),
    ...calls.map((call, place) => element("div", { className: "call" },
      element("strong", {}, call.name), element("pre", {}, call.arguments), boxes[place])),
    element("button", { className: "primary" }, say("handIn")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    hand(calls.map(({ id }, place) => ({ call_id: id, output: boxes[place].value.trim() || DONE })));
  });
  return form;
}

/** What goes along with the question before the running answer when it answers one of the same bot. */
export function resumption(messages) {
  const running = messages.at(-1);
  const { bot, interrupt, place } = messages.at(-3) ?? {};
  return interrupt && bot === running.bot
    ? { resume: { event_id: interrupt.event_id, kind: interrupt.kind }, ...place } : {};
}
