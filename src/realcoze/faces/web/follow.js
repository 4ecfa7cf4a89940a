// Where the reader is: at the end, and kept there while an answer grows; or above it, and left in peace.

import { $ } from "./dom.js";

const NEAR_END_PX = 80;

let follows = true;
let scrolledTo = 0;

export function startFollowing() {
  const room = $("messages");
  room.addEventListener("scroll", () => {
    // Whoever begins to scroll up is not pulled back; where the end itself moved up, it is still the end.
    follows = isNearEnd(room.scrollTop < scrolledTo ? 1 : NEAR_END_PX);
    scrolledTo = room.scrollTop;
    $("to-end").hidden = isNearEnd();
  }, { passive: true });
  $("to-end").addEventListener("click", toEnd);
  new ResizeObserver(stayAtEnd).observe(room);
}

/** The reader wants to be at the end from now on. */
export function toEnd() {
  follows = true;
  stayAtEnd();
}

/** After the messages have grown. */
export function stayAtEnd() {
  const room = $("messages");
  if (follows) room.scrollTop = room.scrollHeight;
  $("to-end").hidden = isNearEnd();
}

function isNearEnd(near = NEAR_END_PX) {
  const room = $("messages");
  return room.scrollHeight - room.scrollTop - room.clientHeight < near;
}
