// The case: who was confirmed where and when, who was rejected, and the files to hand on.

import * as api from "./api.js";
import { photo } from "./appearances.js";
import { announce, askIn, fill, find, make, sign } from "./dom.js";
import { DECIDED, capital, dayOf, shortClockOf, span } from "./wording.js";

const NAME = "reidr who decides";
const FORMATS = { html: "html", csv: "csv", json: "json" };

let tracks = new Map();

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

/** Shows the case. `undo(track)` takes a decision back and gives the case as it is then. */
export async function showCase(id, undo) {
  const place = find("case-body");
  fill(place, make("p", { class: "soft thinking" }, "Opening the case"));
  const found = await api.caseOf(id);
  await learnTracks([...standing(found.decisions).keys()]);
  draw(found, undo);
}

async function learnTracks(ids) {
  const unknown = ids.filter((id) => !tracks.has(id));
  for (let from = 0; from < unknown.length; from += 50) {
    const some = unknown.slice(from, from + 50);
    const answer = await api.tracks({ tracks: some, limit: some.length });
    for (const track of answer.tracks) tracks.set(track.id, track);
  }
}

function draw(found, undo) {
  const decided = [...standing(found.decisions).values()].sort((a, b) => begin(a) - begin(b));
  const [same, different] = ["same", "different"].map((what) => decided.filter((each) => each.decision === what));
  find("case-title").textContent = `Case ${found.id}`;
  fill(
    find("case-body"),
    make(
      "p",
      { class: "support" },
      `Opened ${api.key.get() ? `by ${found.by}, ` : ""}${moment(found.created)}.`,
      found.why && ` Why: ${found.why}.`,
    ),
    found.threshold && make("p", { class: "support" }, found.threshold),
    list("Confirmed", same, "Nobody is confirmed yet. Open an appearance and press Y, or choose “Same person”."),
    different.length > 0 && list("Someone else", different, ""),
  );
  find("export").hidden = same.length === 0;
  find("export-none").hidden = same.length > 0;

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
      draw(now, undo);
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
          track ? ` ${track.camera}` : " no longer in the gallery",
        ),
        make("p", { class: "when" }, track ? span(track.start, track.end) : ""),
        make("p", { class: "by" }, `${capital(DECIDED[each.decision])}, says ${each.by}, ${moment(each.time)}`),
        each.why && make("p", { class: "reason-given" }, `“${each.why}”`),
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

function moment(time) {
  const date = new Date(time);
  return `${dayOf(date)}, ${shortClockOf(date)}`;
}

/** Saves an export as a file. */
export async function saveExport(id, format) {
  const response = await api.exported(id, format);
  const named = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  const address = URL.createObjectURL(await response.blob());
  const link = make("a", { href: address, download: named ?? `case-${id}.${FORMATS[format]}` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
