// The pictures of the person who is looked for: dropped, pasted or chosen, each perhaps cut to a box.

import { cutOut } from "./box.js";
import { announce, fill, find, make, sign } from "./dom.js";
import { called, counted } from "./wording.js";

const MOST = 8;
const MOST_BYTES = 12_000_000;
const KINDS = ["image/jpeg", "image/png", "image/webp"];
/** Broader than this, a picture is hardly one of a standing person alone. */
const BROAD = 0.75;

/** Of each picture: `blob` is what is sent, `whole` what was given, `url` shows `blob`; or `track`, with `url` its best crop. */
let chosen = [];
let changed = () => {};

export const queryPictures = () => chosen;

/** Wires the drop zone, the file field and pasting; `onChange` is called when the pictures are other ones. */
export function startPictures(onChange) {
  changed = onChange;
  const field = find("files");
  field.addEventListener("change", () => {
    take([...field.files]);
    field.value = "";
  });
  // A picture may be dropped anywhere: a browser would otherwise leave the page and show it.
  let depth = 0;
  const over = (inside) => document.body.classList.toggle("dropping", inside);
  addEventListener("dragenter", (event) => holdsFiles(event) && over((depth += 1) > 0));
  addEventListener("dragleave", (event) => holdsFiles(event) && over((depth -= 1) > 0));
  addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    over((depth = 0) > 0);
    if (!document.querySelector("dialog[open]")) take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    take(files);
  });
}

const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Somebody who was recorded, instead of a picture of one's own: one track, in place of another. */
export function takeTrack(track, url) {
  chosen = [...chosen.filter((each) => !each.track), { track, url, name: `track of camera ${called(track.camera)}` }];
  show();
}

/** A picture that was searched with before, from the case that keeps it. */
export function takeGiven(blob, name) {
  chosen.push({ whole: blob, blob, name, box: null, url: URL.createObjectURL(blob) });
  show();
}

export function forgetPictures() {
  for (const each of chosen) if (each.blob) URL.revokeObjectURL(each.url);
  chosen = [];
  show();
}

async function take(files) {
  const refused = [];
  for (const file of files) {
    const reason = await whyNot(file);
    if (reason) refused.push(`${file.name}: ${reason}`);
  }
  find("picture-problem").textContent = refused.join(" ");
  show();
  if (!refused.length) announce(`${counted(chosen.length, "picture")} of the person`);
}

/** Takes one file in; gives the reason where that is impossible. */
async function whyNot(file) {
  if (chosen.length >= MOST) return `not taken; at most ${MOST} pictures are used.`;
  if (!KINDS.includes(file.type)) return "not a picture that can be used; choose a JPEG, PNG or WebP file.";
  let size;
  try {
    const bitmap = await createImageBitmap(file);
    size = { width: bitmap.width, height: bitmap.height };
    bitmap.close();
  } catch {
    return "cannot be read as a picture; it may be damaged.";
  }
  const picture = { whole: file, name: file.name || "pasted picture", box: null };
  if (size.width / size.height > BROAD || file.size > MOST_BYTES) {
    const cut = await cutOut(file, picture.name, null, file.size > MOST_BYTES);
    if (!cut) return "left out.";
    Object.assign(picture, cut);
  }
  picture.blob ??= file;
  picture.url = URL.createObjectURL(picture.blob);
  chosen.push(picture);
  return "";
}

async function cutAnew(picture) {
  const cut = await cutOut(picture.whole, picture.name, picture.box, picture.whole.size > MOST_BYTES);
  if (!cut) return;
  URL.revokeObjectURL(picture.url);
  Object.assign(picture, { blob: picture.whole, box: null }, cut);
  picture.url = URL.createObjectURL(picture.blob);
  show();
}

function remove(picture) {
  const place = chosen.indexOf(picture);
  chosen.splice(place, 1);
  if (picture.blob) URL.revokeObjectURL(picture.url);
  show();
  announce(`${picture.name} removed`);
  // The button that was pressed is gone: the next one, or the field, has the focus instead.
  const buttons = find("pictures").querySelectorAll("button.remove");
  (buttons[Math.min(place, buttons.length - 1)] ?? find("files")).focus();
}

function show() {
  fill(find("pictures"), chosen.map(tile));
  document.body.classList.toggle("has-pictures", chosen.length > 0);
  changed();
}

function tile(picture) {
  const cutting = { type: "button", class: "small", onclick: () => cutAnew(picture) };
  return make(
    "li",
    { class: "tile" },
    make("img", { src: picture.url, alt: `The person: ${picture.name}` }),
    make(
      "button",
      { type: "button", class: "remove", "aria-label": `Remove ${picture.name}`, onclick: () => remove(picture) },
      sign("sign-cross", 12),
    ),
    picture.whole && make("button", cutting, picture.box ? "Change the box" : "Draw a box"),
    picture.track && make("span", { class: "note", dir: "auto" }, called(picture.track.camera)),
  );
}

/** A file's bytes in base64, as the service takes pictures. */
export function dataAddress(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}
