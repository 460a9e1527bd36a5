// The case: who was confirmed where and when, who was rejected, and the files to hand on.

import * as api from "./api.js";
import { photo } from "./appearances.js";
import { announce, askIn, fill, find, make, sign } from "./dom.js";
import { moment, saveFile } from "./files.js";
import { DECIDED, called, capital, span } from "./wording.js";

const NAME = "reidr who decides";
const FORMATS = { html: "html", csv: "csv", json: "json" };

let tracks = new Map();
let confirmed = [];

/** The tracks that are confirmed in the case that is shown. */
export const confirmedTracks = () => confirmed;

/** Who decides: the name of the key, else what was written before, else it is asked for. "" where nobody says it. */
export async function whoDecides(caller) {
  if (caller) return caller;
  const known = sessionStorage.getItem(NAME);
  return known || changeName();
}

export async function changeName() {
  const dialog = find("name-dialog");
  const field = find("name");
  field.value = sessionStorage.getItem(NAME) ?? "";
  const answer = askIn(dialog);
  field.select();
  const name = (await answer) === "kept" ? field.value.trim() : "";
  if (name) sessionStorage.setItem(NAME, name);
  return name;
}

/** What holds of each track: the last word on it counts, and "none" takes back what was said. */
export function standing(decisions) {
  const last = new Map();
  for (const each of decisions) last.set(each.track, each);
  return new Map([...last].filter(([, each]) => each.decision !== "none"));
}

/**
 * Shows the case. `sought`: {pictures, words} of the person; `undo(track)` takes a decision back and gives the case as it
 * is then.
 */
export async function showCase(id, sought, undo) {
  const place = find("case-body");
  fill(place, make("p", { class: "soft thinking" }, "Opening the case"));
  const found = await api.caseOf(id);
  await learnTracks([...standing(found.decisions).keys()]);
  draw(found, sought, undo);
}

async function learnTracks(ids) {
  const unknown = ids.filter((id) => !tracks.has(id));
  for (let from = 0; from < unknown.length; from += 50) {
    const some = unknown.slice(from, from + 50);
    const answer = await api.tracks({ tracks: some, limit: some.length });
    for (const track of answer.tracks) tracks.set(track.id, track);
  }
}

function draw(found, sought, undo) {
  const decided = [...standing(found.decisions).values()].sort((a, b) => begin(a) - begin(b));
  const [same, different] = ["same", "different"].map((what) => decided.filter((each) => each.decision === what));
  confirmed = same.map((each) => each.track);
  find("case-title").textContent = `Case ${found.id}`;
  fill(
    find("case-body"),
    make(
      "p",
      { class: "support" },
      "Opened ",
      api.key.get() && ["by ", make("bdi", {}, found.by), ", "],
      `${moment(found.created)}.`,
      found.why && [" Why: ", make("bdi", {}, found.why)],
    ),
    soughtFor(sought),
    list("Confirmed", same, "Nobody is confirmed yet. Open an appearance and press Y, or choose “Same person”."),
    different.length > 0 && list("Someone else", different, ""),
  );
  find("export").hidden = same.length === 0;
  find("export-none").hidden = same.length > 0;
  find("erase-confirmed").hidden = same.length === 0;

  function list(title, rows, none) {
    return make(
      "section",
      { class: "decided", "aria-label": title },
      make("h2", {}, title, rows.length > 0 && make("span", { class: "count" }, ` ${rows.length}`)),
      rows.length ? make("ol", {}, rows.map(item)) : make("p", { class: "soft" }, none),
    );
  }

  function item(each) {
    const track = tracks.get(each.track);
    const again = async (event) => {
      event.currentTarget.disabled = true;
      const now = await undo(each.track);
      if (!now) return;
      draw(now, sought, undo);
      announce("Taken back");
      find("case-title").focus();
    };
    return make(
      "li",
      { class: each.decision },
      make("span", { class: "thumb" }, track ? photo(track.picture, "") : make("span", { class: "missing" }, "erased")),
      make(
        "div",
        {},
        make(
          "p",
          { class: "place" },
          sign(each.decision === "same" ? "sign-check" : "sign-cross", 12),
          " ",
          track ? make("bdi", {}, called(track.camera)) : "no longer in the gallery",
        ),
        make("p", { class: "when" }, track ? span(track.start, track.end) : ""),
        make(
          "p",
          { class: "by" },
          `${capital(DECIDED[each.decision])}, says `,
          make("bdi", {}, each.by),
          `, ${moment(each.time)}`,
        ),
        each.why && make("p", { class: "reason-given" }, "“", make("bdi", {}, each.why), "”"),
      ),
      make(
        "button",
        { type: "button", class: "small", onclick: again, "aria-label": `Undo: ${track?.camera ?? each.track}` },
        "Undo",
      ),
    );
  }
}

const begin = (decision) => new Date(tracks.get(decision.track)?.start ?? 8.64e15).getTime();

/** Whom the case is about: the pictures and words that were searched with. */
function soughtFor({ pictures, words }) {
  if (!pictures.length && !words) return null;
  return make(
    "section",
    { class: "sought", "aria-label": "Who is looked for" },
    make("h2", {}, "Looked for"),
    words && make("p", {}, "“", make("bdi", {}, words), "”"),
    make("ul", {}, pictures.map((path) => make("li", {}, photo(path, "The person who is looked for")))),
  );
}

/** Saves an export as a file. */
export async function saveExport(id, format) {
  const response = await api.exported(id, format);
  const named = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  saveFile(await response.blob(), named ?? `case-${id}.${FORMATS[format]}`);
}
