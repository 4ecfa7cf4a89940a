// Where questions are written: the text, what is attached to it, and which earlier question it replaces.

import { $, element, icon } from "./dom.js";
import { upload } from "./server.js";
import { say, sayCode } from "./words.js";

const THUMB_PX = 144;
const onTouch = matchMedia("(pointer: coarse)");

const uploads = new WeakMap();  // an attachment without a key → the AbortController of its upload
let attachments = [];  // {key, contentType, name, thumb, bot}; without a key while it is uploaded to that bot
let edited = null;     // {message, draft}: the question that is edited, and what was being written before

/** `ask(question)` is called with {text, attachments, replaces}; `tell(text)` with what went wrong. */
export function startComposer({ ask, tell, editLast }) {
  const question = $("question");
  const send = () => {
    const asked = { text: question.value.trim(), attachments, replaces: edited?.message ?? null };
    if (attachments.some((file) => !file.key) || (!asked.text && !attachments.length)) return;
    if (ask(asked)) write({ text: "", attachments: [] });
  };

  $("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  question.addEventListener("input", fit);
  question.addEventListener("keydown", (event) => {
    // 229 is what Safari says for the Enter that ends a composition.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !onTouch.matches) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && edited) {
      cancelEditing();
    } else if (event.key === "ArrowUp" && !question.value && !attachments.length) {
      if (editLast()) event.preventDefault();
    }
  });
  question.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    if (!files.length || types.includes("text/plain")) return;
    event.preventDefault();
    attach(files, tell);
  });
  $("room").addEventListener("dragover", (event) => event.preventDefault());
  $("room").addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    attach(event.dataTransfer.files, tell);
  });
  $("attach").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    attach([...$("file").files], tell);
    $("file").value = "";
  });
  $("cancel-editing").addEventListener("click", cancelEditing);
}

/** Put the cursor into it where no keyboard would jump up and nothing else is being used. */
export function focusComposer() {
  if (!onTouch.matches && document.activeElement === document.body) $("question").focus({ preventScroll: true });
}

/** Write an earlier question anew; what was being written comes back when that is cancelled. */
export function edit(message) {
  const draft = edited?.draft ?? { text: $("question").value, attachments };
  write({ text: message.text, attachments: message.attachments ?? [], edited: { message, draft } });
  $("question").focus();
}

export function cancelEditing() {
  if (edited) write(edited.draft);
}

function write({ text, attachments: files, edited: anew = null }) {
  $("question").value = text;
  attachments = files.filter((file) => !file.hasFailed);
  edited = anew;
  draw();
}

function draw() {
  $("editing").hidden = edited === null;
  $("send").disabled = attachments.some((file) => !file.key);
  $("attachments").replaceChildren(...attachments.map((file) => element(
    "span", { className: "attachment", "aria-busy": String(!file.key) },
    file.thumb ? element("img", { src: file.thumb, alt: "" }) : icon("file"),
    element("span", { className: "name" }, file.key ? file.name : `${file.name} ${say("uploading")}`),
    element("button", { type: "button", className: "icon", "aria-label": `${say("remove")}: ${file.name}`,
      onclick: () => { uploads.get(file)?.abort(); drop(file); } }, icon("close")),
  )));
  fit();
}

/** As high as its text, within reason. */
function fit() {
  const area = $("question");
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, innerHeight * 0.4)}px`;
}

function drop(file) {
  attachments = attachments.filter((each) => each !== file);
  draw();
}

async function attach(files, tell) {
  await Promise.all([...files].map(async (file) => {
    const attachment = { key: "", contentType: 0, name: file.name, thumb: null, bot: $("bot").value };
    const abort = new AbortController();
    uploads.set(attachment, abort);
    attachments.push(attachment);
    draw();
    try {
      Object.assign(attachment, await upload(file, attachment.bot, abort.signal));
      if (attachment.contentType === 6) attachment.thumb = await thumbnail(file);
      draw();
    } catch (error) {
      attachment.hasFailed = true;  // it may be in a draft that waits until an edit is given up
      drop(attachment);
      if (!abort.signal.aborted) tell([file.name, ...whyNot(error.told)].join(" · "));
    }
  }));
}

/** What it means for the reader, what happened, what to do. */
function whyNot(told) {
  return told ? [sayCode(told.code), told.message, told.hint].filter(Boolean) : [say("unreachable")];
}

/** A small picture as a data: address; null for what this browser cannot draw. */
async function thumbnail(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, THUMB_PX / Math.max(picture.width, picture.height));
    const canvas = element("canvas");
    canvas.width = Math.max(1, picture.width * scale);
    canvas.height = Math.max(1, picture.height * scale);
    const drawing = canvas.getContext("2d");
    drawing.fillStyle = "#fff";  // a JPEG has no transparency, and would be black there
    drawing.fillRect(0, 0, canvas.width, canvas.height);
    drawing.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.8);
  } catch {
    return null;
  }
}
