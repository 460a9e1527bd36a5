// What is asked: pictures, words, cameras and times; and somebody who was recorded, for those without a picture.

import * as api from "./api.js";
import { fill, find, make } from "./dom.js";
import { dataAddress, queryPictures, takeTrack } from "./pictures.js";
import { capital, counted, dayOf, listed, span, termParts } from "./wording.js";

const TYPING_PAUSE = 250;
const OFFERED = 24;
let typing = null;

/** Fills cameras and times with what the gallery holds, and offers people. */
export function startQuestion(gallery) {
  const boxes = gallery.cameras.map((camera, number) =>
    make(
      "label",
      { class: "pill" },
      make("input", { type: "checkbox", name: "camera", value: camera, id: `camera-${number}` }),
      make("span", {}, camera),
    ),
  );
  fill(find("cameras"), boxes);
  find("camera-filter").hidden = gallery.cameras.length < 2;
  find("time-filter").hidden = gallery.start === null;
  for (const field of [find("since"), find("until")]) {
    field.min = gallery.start === null ? "" : local(gallery.start, -1);
    field.max = gallery.end === null ? "" : local(gallery.end, 1);
  }
  if (gallery.start !== null) {
    const [first, last] = [dayOf(new Date(gallery.start)), dayOf(new Date(gallery.end))];
    find("recorded").textContent = first === last ? `Recorded on ${first}` : `Recorded from ${first} to ${last}`;
  }
  find("words-part").hidden = !gallery.words;
  const words = find("words");
  words.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => understand(words.value), TYPING_PAUSE);
  });
  // Enter asks; a new line has no meaning in a description.
  words.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    find("ask-form").requestSubmit();
  });
  offer();
}

/** The value of a datetime-local field, `minutes` later. */
function local(time, minutes) {
  const date = new Date(new Date(time).getTime() + minutes * 60_000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

let latest = null;

async function understand(text) {
  latest?.abort();
  if (!text.trim()) return showUnderstood(null);
  latest = new AbortController();
  try {
    showUnderstood(await api.understand(text.trim(), latest.signal));
  } catch (problem) {
    if (problem.name !== "AbortError") fill(find("understood"), make("p", { class: "wrong" }, problem.message));
  }
}

/** What was understood of a description, and what was not; null: nothing was written. */
export function showUnderstood(description) {
  fill(find("understood"), description ? understoodLines(description) : []);
}

const quoted = (words) => listed(words.map((word) => `“${word}”`));

export function understoodLines({ terms, corrected, unmapped, not_used: unused }) {
  const pairs = Object.entries(corrected).map(([word, other]) => `“${word}” as “${other}”`);
  return [
    terms.length
      ? make("ul", { class: "terms", "aria-label": "Searched for" }, terms.map(term))
      : make(
          "p",
          { class: "wrong" },
          "Nothing here can be searched for yet. Name garments, colours, bags, hats, hair or shoes.",
        ),
    pairs.length > 0 && make("p", {}, `Read ${listed(pairs)}.`),
    unmapped.length > 0 && make("p", {}, `Not searched for, because no attribute stands for it: ${quoted(unmapped)}.`),
    unused.length > 0 &&
      make("p", {}, `Never searched for (gender, age, origin, religion or health): ${quoted(unused)}.`),
  ];
}

function term({ text }) {
  const [value, family] = termParts(text);
  return make("li", {}, make("b", {}, value), family && make("small", {}, ` ${family}`));
}

/** The request of what the form holds; null where nobody is asked for. */
export async function question() {
  const pictures = queryPictures();
  const words = find("words").value.trim();
  const asked = {
    pictures: await Promise.all(pictures.filter((each) => each.blob).map((each) => dataAddress(each.blob))),
    cameras: [...document.querySelectorAll("input[name=camera]:checked")].map((input) => input.value),
    max_matches: Number(find("most").value),
  };
  const tracks = pictures.filter((each) => each.track).map((each) => each.track.id);
  if (tracks.length) asked.tracks = tracks;
  if (words && !find("words-part").hidden) asked.words = words;
  const why = find("purpose").value.trim();
  if (why) asked.why = why;
  for (const [name, field] of [
    ["start", find("since")],
    ["end", find("until")],
  ]) {
    if (field.value) asked[name] = new Date(field.value).toISOString();
  }
  return asked.pictures.length || asked.tracks || asked.words ? asked : null;
}

/** What is wrong with the times, or "". */
export function wrongTimes() {
  const [since, until] = [find("since").value, find("until").value];
  return since && until && until < since ? "The end of the time is before its beginning." : "";
}

/** A few people who were recorded, to begin with one of them. */
async function offer() {
  const place = find("people");
  try {
    const { tracks } = await api.tracks({ limit: OFFERED });
    find("offer").hidden = tracks.length === 0;
    fill(place, tracks.map(person));
  } catch {
    find("offer").hidden = true; // A key without the right to look through the gallery still searches by picture.
  }
}

function person(track) {
  const image = make("img", { alt: "", loading: "lazy" });
  const label = `Somebody of camera ${track.camera}, ${span(track.start, track.end)}, ${counted(track.crops, "crop")}`;
  const button = make(
    "button",
    { type: "button", class: "person", "aria-label": label, title: capital(label), disabled: true },
    image,
  );
  api.picture(track.picture).then(
    (url) => {
      image.src = url;
      button.disabled = false;
      button.addEventListener("click", () => {
        takeTrack(track, url);
        find("search").focus();
      });
    },
    () => button.remove(),
  );
  return make("li", {}, button);
}
