// What an answer says aloud.  It is kept in memory only, so after a reload a note stands in its place.

import { element } from "./dom.js";
import { say } from "./words.js";

const RATE_HZ = 24_000;  // of Coze's PCM: one channel, two bytes each
const BYTES = 2;
const HEADER_BYTES = 44;

const heard = new WeakMap();  // an answer → {format, pieces, address}

/** Takes a piece of it; a player that was made before is without it. */
export function hear(answer, { data, format }) {
  answer.isSpoken = true;
  release([answer]);
  const sound = heard.get(answer) ?? { format, pieces: [], address: null };
  sound.pieces.push(Uint8Array.from(atob(data), (character) => character.charCodeAt(0)));
  heard.set(answer, sound);
}

/** Gives back what the players of these messages hold; one that is drawn again gets it anew. */
export function release(messages) {
  for (const sound of messages.map((message) => heard.get(message))) {
    if (!sound?.address) continue;
    URL.revokeObjectURL(sound.address);
    sound.address = null;
  }
}

/** The player of an answer that has ended, or the note; null for one that is not spoken. */
export function player(answer) {
  if (!answer.isSpoken) return null;
  const sound = heard.get(answer);
  if (!sound) return element("p", { className: "soft" }, say("soundGone"));
  sound.address ??= URL.createObjectURL(sound.format === "pcm" ? wav(sound.pieces)
    : new Blob(sound.pieces, { type: `audio/${sound.format.replace(/[^a-z0-9]/gi, "")}` }));
  return element("audio", { controls: "", src: sound.address, "aria-label": say("spoken") });
}

function wav(pieces) {
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  const write = (place, text) => [...text].forEach((letter, at) => header.setUint8(place + at, letter.charCodeAt(0)));
  write(0, "RIFF");
  header.setUint32(4, HEADER_BYTES - 8 + size, true);
  write(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);  // PCM
  header.setUint16(22, 1, true);  // one channel
  header.setUint32(24, RATE_HZ, true);
  header.setUint32(28, RATE_HZ * BYTES, true);
  header.setUint16(32, BYTES, true);
  header.setUint16(34, BYTES * 8, true);
  write(36, "data");
  header.setUint32(40, size, true);
  return new Blob([header, ...pieces], { type: "audio/wav" });
}
