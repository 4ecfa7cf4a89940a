// What the browser keeps: each conversation by itself in localStorage, which all tabs share; in
// sessionStorage, which ends with its tab, the key and which conversation is open.
//
// A conversation: {id, title, bot, changed, messages}.  A message of the user: {role: "user", text,
// attachments: [{key, contentType, name, thumb, bot}]}.  One of the bot: {role: "bot", bot, texts, steps,
// suggestions, state: "running" | "done" | "waiting" | "givenUp" | "stopped" | "broken", error, and where there
// is one place, calls, results, interrupt (wanted.js), isSpoken (sound.js)}.

const PREFIX = "realcoze.conversation.";
const OPENED = "realcoze.opened";
const KEY = "realcoze.key";

const shared = storage("localStorage");
const own = storage("sessionStorage");

export function newConversation(bot) {
  const id = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id, title: "", bot, changed: 0, messages: [] };
}

/** All conversations, the last changed first; what cannot be read is passed over. */
export function keptConversations() {
  const found = [];
  for (const name of Object.keys(shared ?? {})) {
    const conversation = name.startsWith(PREFIX) ? read(shared.getItem(name)) : null;
    if (conversation && name === PREFIX + conversation.id) found.push(conversation);
  }
  return found.sort((one, other) => other.changed - one.changed);
}

/** Keeps a conversation as it is now; false when there is no room for it. */
export function keep(conversation) {
  try {
    shared.setItem(PREFIX + conversation.id, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

export function forget(conversation) {
  shared?.removeItem(PREFIX + conversation.id);
}

/** Calls `changed(id, conversation or null)` when another tab keeps or forgets one. */
export function watchOtherTabs(changed) {
  addEventListener("storage", (event) => {
    if (event.key?.startsWith(PREFIX)) changed(event.key.slice(PREFIX.length), read(event.newValue));
  });
}

export const keptKey = () => own?.getItem(KEY);
export const keepKey = (key) => own?.setItem(KEY, key);
export const openedId = () => own?.getItem(OPENED);
export const keepOpened = (id) => own?.setItem(OPENED, id ?? "");

/** None where the browser was told to keep nothing. */
function storage(name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}

function read(text) {
  try {
    const conversation = JSON.parse(text);
    return typeof conversation?.id === "string" && Array.isArray(conversation.messages) ? conversation : null;
  } catch {
    return null;
  }
}
