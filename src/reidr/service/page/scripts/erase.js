// Erasing: which crops, a look at what would go, a plain question, and the receipt.

import * as api from "./api.js";
import { photo } from "./appearances.js";
import { announce, askIn, fill, find, make } from "./dom.js";
import { moment, saveFile } from "./files.js";
import { cameraPills, chosenCameras, momentsOf, wrongTimes } from "./question.js";
import { capital, counted, listed, span } from "./wording.js";

const KINDS = {
  tracks: ["Tracks", "track", "To find them, search for the person, confirm them, and go on from the case."],
  persons: ["Persons", "person", "As they were enrolled. Somebody without a name: search, confirm, go on from the case."],
  ids: ["Crops", "crop", "The ids of crops, as the API and the exports name them."],
};
const PAGE = 500;
/** So many crops are counted at most before it is asked: a day of a camera may have millions. */
const MOST = 5000;
const SHOWN = 12;

let mayLook = false;
let done = () => {};
let receipt = null;
/** The last request without an answer: sent again with its key it is done once, whether or not it arrived. */
let unanswered = null;

/** `gallery` is null for a key that may erase and not look; `erased()` is called after an erasure. */
export function startErasing(gallery, erased) {
  mayLook = gallery !== null;
  done = erased;
  if (gallery) tellCameras(gallery);
  find("erase-kinds").addEventListener("change", tellKind);
  find("erase-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  find("receipt-save").addEventListener("click", () => saveFile(receipt.file, `receipt-${receipt.told.id}.json`));
  find("erase-more").addEventListener("click", anew);
  tellKind();
}

/** Offers the cameras that the gallery has now. */
export const tellCameras = (gallery) => cameraPills(find("erase-cameras"), gallery.cameras, "erase-camera");

/** Empties the form; with `tracks` it is about these. */
export function anew(tracks = []) {
  find("erase-form").reset();
  find("erase-form").hidden = false;
  find("receipt").hidden = true;
  receipt = null;
  if (Array.isArray(tracks)) find("erase-names").value = tracks.join("\n");
  problem("");
  tellKind();
  find("erase-title").focus();
}

const kind = () => document.querySelector("input[name=erase-kind]:checked").value;
const lines = (field) => [...new Set(field.value.split("\n").map((line) => line.trim()))].filter(Boolean);

function tellKind() {
  const [title, , hint] = KINDS[kind()] ?? [];
  const places = kind() === "places";
  find("erase-names-part").hidden = places;
  find("erase-times").hidden = !places;
  find("erase-cameras-part").hidden = !places || !mayLook;
  find("erase-camera-names-part").hidden = !places || mayLook;
  find("erase-names-label").textContent = `${title}, one a line`;
  find("erase-names-hint").textContent = hint ?? "";
}

function problem(text) {
  find("erase-problem").hidden = !text;
  fill(find("erase-problem"), text && make("p", {}, text));
}

/** Which crops, as the service asks for them; throws an Error with what is missing. */
function which() {
  const wanted = {};
  if (kind() === "places") {
    const wrong = wrongTimes("erase-since", "erase-until");
    if (wrong) throw new Error(wrong);
    Object.assign(wanted, momentsOf("erase-since", "erase-until"));
    const cameras = mayLook ? chosenCameras("erase-camera") : lines(find("erase-camera-names"));
    if (cameras.length) wanted.cameras = cameras;
    if (!Object.keys(wanted).length) throw new Error("Choose a camera or a time: the whole gallery is not erased here.");
  } else {
    wanted[kind()] = lines(find("erase-names"));
    if (!wanted[kind()].length) throw new Error(`Write down at least one ${KINDS[kind()][1]}.`);
  }
  return wanted;
}

async function ask() {
  problem("");
  const why = find("erase-why").value.trim();
  let wanted;
  try {
    wanted = which();
    if (!why) throw new Error("Say why: the audit log and the receipt keep it.");
  } catch (wrong) {
    return problem(wrong.message);
  }
  busy("Looking at what goes");
  try {
    const found = mayLook ? await look(wanted) : null;
    if (found && !found.crops.length) return problem("No crop of the gallery is like this: there is nothing to erase.");
    busy("");
    if (!(await sure(wanted, found))) return;
    busy("Erasing");
    await erase({ ...wanted, why, verified_by: find("erase-checked").value.trim() });
  } catch (wrong) {
    problem(wrong.message);
  } finally {
    busy("");
  }
}

function busy(words) {
  find("erase-busy").hidden = !words;
  find("erase-busy").textContent = words;
  find("erase-look").disabled = Boolean(words);
}

/** What would go: the crops, as far as they are counted, and whether there are more. */
async function look(wanted) {
  const crops = [];
  let after = null;
  do {
    const page = await api.crops({ ...wanted, limit: PAGE, after });
    crops.push(...page.crops);
    after = page.after;
  } while (after !== null && crops.length < MOST);
  return { crops, more: after !== null };
}

/** The plain question; gives whether it was answered with yes. */
async function sure(wanted, found) {
  const dialog = find("erase-dialog");
  const tracks = found ? [...new Map(found.crops.map((crop) => [crop.track, crop])).values()] : [];
  const number = found ? `${found.more ? "more than " : ""}${counted(found.crops.length, "crop")}` : "them";
  find("erase-question").textContent = found
    ? `Erase ${number} of ${counted(tracks.length, "track")} for good?`
    : "Erase whatever this names for good?";
  find("erase-sure").textContent = `Erase ${number}`;
  find("erase-span").textContent = found ? whereAndWhen(found.crops) : "Your key may not look at crops: how many go is told by the receipt.";
  fill(find("erase-shown"), tracks.slice(0, SHOWN).map((crop) => make("li", {}, photo(crop.picture, `Camera ${crop.camera}`))));
  const missing = found && !found.more ? unknown(wanted, found.crops) : [];
  find("erase-missing").textContent = missing.length ? `Not in the gallery: ${listed(missing)}.` : "";
  return (await askIn(dialog)) === "erase";
}

function whereAndWhen(crops) {
  const cameras = [...new Set(crops.map((crop) => crop.camera))].sort();
  const times = crops.flatMap((crop) => [crop.start ?? crop.time, crop.end ?? crop.time]).filter(Boolean).sort();
  const named = cameras.length > 5 ? counted(cameras.length, "camera") : listed(cameras.map((each) => `\u2068${each}\u2069`));
  return times.length ? `${capital(named)}, ${span(times[0], times.at(-1))}` : capital(named);
}

/** Those of the names that nothing in the gallery has. */
function unknown(wanted, crops) {
  const own = { tracks: "track", persons: "person", ids: "id", cameras: "camera" };
  return Object.entries(own).flatMap(([list, field]) => {
    const there = new Set(crops.map((crop) => crop[field]));
    return (wanted[list] ?? []).filter((name) => !there.has(name));
  });
}

async function erase(wanted) {
  const text = JSON.stringify(wanted);
  if (unanswered?.text !== text) unanswered = { text, key: api.changeKey() };
  const answer = await api.erase(wanted, unanswered.key);
  unanswered = null;
  receipt = answer;
  tell(answer.told);
  done();
}

function tell(told) {
  const counts = Object.entries(told.counts).filter(([, number]) => number > 0);
  const conditions = Object.entries(told.asked).filter(([, value]) => typeof value !== "boolean");
  const asked = conditions.map(([name, value]) => {
    if (Array.isArray(value)) return `${name}: ${value.join(", ")}`;
    return `${name}: ${typeof value === "number" ? moment(value * 1000) : value}`;
  });
  const facts = [
    ["Receipt", told.id],
    ["Gallery", `${told.gallery}, version ${told.gallery_version}`],
    ["When", moment(told.ended * 1000)],
    ["Asked by", told.who],
    ["Why", told.why],
    ["Looked at by", told.verified_by],
    ["Asked for", asked.join("; ")],
    ["Erased", counts.length ? counts.map(([name, number]) => `${name}: ${number.toLocaleString()}`).join(", ") : "nothing"],
    ["Files removed", told.files.join(", ")],
    ["Hash", told.hash],
  ];
  find("erase-form").hidden = true;
  find("receipt").hidden = false;
  fill(
    find("receipt-facts"),
    facts.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { dir: "auto" }, value))),
  );
  fill(find("receipt-rest"), told.not_reached.map((each) => make("li", {}, each.replaceAll("`", ""))));
  announce("Erased");
  find("receipt-title").focus();
}
