// What is asked: pictures, words, cameras and times; and somebody who was recorded, for those without a picture.

import * as api from "./api.js";
import { fill, find, make } from "./dom.js";
import { dataAddress, queryPictures, takeGiven, takeTrack } from "./pictures.js";
import { called, capital, counted, dayOf, listed, span, termParts } from "./wording.js";

const TYPING_PAUSE = 250;
const OFFERED = 24;
let typing = null;

/** Wires the form, and fills it as `tellGallery`. */
export function startQuestion(gallery) {
  tellGallery(gallery);
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
}

/** Fills cameras and times with what the gallery holds, and offers people. */
export function tellGallery(gallery) {
  find("gallery").textContent =
    `${gallery.name}: ${counted(gallery.tracks, "track")}, ${counted(gallery.cameras.length, "camera")}`;
  find("empty").hidden = gallery.crops > 0;
  find("ask").hidden = gallery.crops === 0;
  cameraPills(find("cameras"), gallery.cameras, "camera");
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
  offer();
}

/** Fills a place with a checkbox for each camera. One without a name cannot be asked for. */
export function cameraPills(place, cameras, name) {
  const boxes = cameras
    .filter((camera) => camera.trim())
    .map((camera, number) =>
      make(
        "label",
        { class: "pill" },
        make("input", { type: "checkbox", name, value: camera, id: `${name}-${number}` }),
        make("span", { dir: "auto" }, camera),
      ),
    );
  fill(place, boxes);
}

export const chosenCameras = (name) =>
  [...document.querySelectorAll(`input[name=${name}]:checked`)].map((input) => input.value);

/** The value of a datetime-local field, `minutes` later; with seconds where there are any. */
function local(time, minutes = 0) {
  const date = new Date(new Date(time).getTime() + minutes * 60_000);
  const whole = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
  return whole.slice(0, minutes || whole.slice(17, 19) === "00" ? 16 : 19);
}

/** Start and end of two fields, as the service takes them. */
export function momentsOf(since, until) {
  const given = [
    ["start", find(since).value],
    ["end", find(until).value],
  ].filter(([, value]) => value);
  return Object.fromEntries(given.map(([name, value]) => [name, new Date(value).toISOString()]));
}

/** Fills the form with what a search asked for: after the page was loaded anew it is as it was. */
export async function restoreQuestion(answer) {
  find("words").value = answer.words;
  if (answer.words) understand(answer.words);
  for (const input of document.querySelectorAll("input[name=camera]"))
    input.checked = answer.cameras.includes(input.value);
  find("since").value = answer.start === null ? "" : local(answer.start);
  find("until").value = answer.end === null ? "" : local(answer.end);
  for (const { id, picture } of answer.query.filter(isGiven)) takeGiven(await api.pictureFile(picture), id);
  if (!answer.tracks.length) return;
  const { tracks } = await api.tracks({ tracks: answer.tracks, limit: 8 });
  for (const track of tracks) takeTrack(track, await api.picture(track.picture));
}

/** Whether a picture of a query was given by whoever asked, rather than be one of the gallery. */
export const isGiven = ({ picture }) => picture.startsWith("/v1/cases/");

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
    cameras: chosenCameras("camera"),
    max_matches: Number(find("most").value),
    ...momentsOf("since", "until"),
  };
  const tracks = pictures.filter((each) => each.track).map((each) => each.track.id);
  if (tracks.length) asked.tracks = tracks;
  if (words && !find("words-part").hidden) asked.words = words;
  const why = find("purpose").value.trim();
  if (why) asked.why = why;
  return asked.pictures.length || asked.tracks || asked.words ? asked : null;
}

/** What is wrong with the times, or "". */
export function wrongTimes(first = "since", last = "until") {
  const [since, until] = [find(first).value, find(last).value];
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
  const label = `Somebody of camera ${called(track.camera)}, ${span(track.start, track.end)}, ${counted(track.crops, "crop")}`;
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
