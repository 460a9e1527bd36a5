// The page of the search service: starts it, asks, and shows what came.

import * as api from "./api.js";
import { openAudit, startAudit } from "./audit.js";
import { startBox } from "./box.js";
import { showBusy } from "./busy.js";
import { changeName, confirmedTracks, saveExport, showCase, whoDecides } from "./case.js";
import { announce, fill, find, make } from "./dom.js";
import { anew as eraseAnew, startErasing, tellCameras } from "./erase.js";
import { startKeys } from "./keyboard.js";
import { forgetPictures, queryPictures, startPictures } from "./pictures.js";
import { isGiven, question, restoreQuestion, startQuestion, tellGallery, wrongTimes } from "./question.js";
import * as results from "./results.js";
import { allow, show as showView, startViews, view } from "./views.js";
import { counted } from "./wording.js";

let gallery = null;
let roles = [];
let caseId = null;
let running = null;
/** Of the last search: another search with one of them is about the same person, and goes on with the same case. */
let lastPictures = new Set();

/** Says what is wrong, in the server's words where it has any, and what helps. */
function tell(problem, place = "problem") {
  if (problem.name === "AbortError") return;
  const help = {
    401: "The key is not known here.",
    403: "Your key may not do this. Ask who keeps the keys for one with the right role.",
    413: "Choose a smaller picture, or draw a box in it.",
  }[problem.status];
  const text = [help, problem.message].filter(Boolean).join(" ");
  fill(
    find(place),
    make("p", {}, text),
    problem.status === 401 && make("button", { type: "button", onclick: signOut }, "Enter another key"),
  );
  find(place).hidden = false;
}

const clear = (place = "problem") => {
  find(place).hidden = true;
  fill(find(place));
};

async function begin() {
  clear();
  try {
    gallery = await api.gallery();
  } catch (problem) {
    if (problem.status === 401) return askForKey(api.key.get() ? "This key is not known here." : "");
    if (problem.status === 403) return beginWithoutSearch();
    find("loading").hidden = true;
    tell(problem, "start-problem");
    find("start-problem").append(make("button", { type: "button", onclick: () => location.reload() }, "Try again"));
    return;
  }
  roles = gallery.roles;
  opened();
  startQuestion(gallery);
  if (gallery.crops === 0) return;
  find("erase-found").hidden = !roles.includes("erase");
  document.body.classList.add("ready");
  const known = /^#case=(.+)$/.exec(location.hash)?.[1];
  if (known) restore(decodeURIComponent(known));
}

/** A key that may not search may still erase, or read the audit log. */
async function beginWithoutSearch() {
  try {
    ({ roles } = await api.caller());
  } catch (problem) {
    return tell(problem, "start-problem");
  }
  opened();
  const [first] = ["audit", "erase"].filter((each) => roles.includes(each));
  if (first) showView(first);
  else tell({ message: "This key may neither search, erase nor read the audit log: the page has no use for it." }, "start-problem");
}

/** What a known caller sees whatever there is in the gallery. */
function opened() {
  find("loading").hidden = true;
  find("key-entry").hidden = true;
  find("sign-out").hidden = !api.key.get();
  if (roles.includes("erase")) startErasing(gallery, erased);
  if (roles.includes("audit")) startAudit();
  allowViews();
}

function allowViews() {
  const also = ["erase", "audit"].filter((each) => roles.includes(each));
  allow([...(gallery ? ["search"] : []), ...(caseId ? ["case"] : []), ...also]);
}

/** After an erasure: what is shown or kept here may hold somebody who is erased. */
async function erased() {
  api.forgetPictures(() => true);
  if (!gallery) return;
  begunAnew();
  try {
    gallery = await api.gallery();
  } catch (problem) {
    return tell(problem, "erase-problem");
  }
  tellGallery(gallery);
  tellCameras(gallery);
}

function askForKey(said) {
  find("loading").hidden = true;
  find("key-entry").hidden = false;
  find("key-problem").textContent = said;
  find("key").focus();
}

function signOut() {
  api.key.forget();
  location.hash = "";
  location.reload();
}

/** Searches for what the form holds; with `again` within the same case, what was confirmed included. */
async function search(again = false) {
  clear();
  const wrong = wrongTimes();
  if (wrong) return tell({ message: wrong });
  // Without a picture or words (the page was loaded anew) the case itself is asked again.
  const asked = (await question()) ?? (again ? {} : null);
  if (!asked) return tell({ message: "Add a picture of the person, or describe what they wear, first." });
  const pictures = new Set(queryPictures());
  const samePerson = pictures.size ? [...pictures].some((each) => lastPictures.has(each)) : lastPictures.size === 0;
  if (caseId && (again || samePerson)) asked.case = caseId;
  running?.abort();
  running = new AbortController();
  const stop = showBusy("Searching", () => running.abort());
  try {
    const answer = await api.search(asked, running.signal);
    lastPictures = pictures;
    api.forgetPictures((picture) => isGiven({ picture }));
    show(answer);
  } catch (problem) {
    tell(problem);
  } finally {
    stop();
  }
}

function show(answer) {
  caseId = answer.case;
  history.replaceState(null, "", `#case=${encodeURIComponent(caseId)}`);
  document.body.classList.add("asked");
  results.showResults(answer, {
    pictures: new Map(answer.query.map(({ id, picture }) => [id, picture])),
    ofWords: answer.query.length === 0,
    mayDecide: roles.includes("decide"),
    deciding,
  });
  refreshCase();
  results.readReasons();
}

/** The last search of a case, after the page was loaded anew. */
async function restore(id) {
  const stop = showBusy("Opening the case", () => {});
  try {
    const answer = await lastResults(id);
    show(answer);
    await restoreQuestion(answer).catch((problem) => tell(problem)); // a picture may be erased by now; what was found stays
    lastPictures = new Set(queryPictures());
  } catch (problem) {
    history.replaceState(null, "", location.pathname);
    tell(problem);
  } finally {
    stop();
  }
}

/** What the last search of a case found. Where it is searched again at this very moment, its token has just changed. */
async function lastResults(id, again = true) {
  const { search_token: token } = await api.caseOf(id);
  if (!token) throw new api.Problem(404, "Nothing found", "Nothing was searched for in this case yet.");
  try {
    return await api.results(token);
  } catch (problem) {
    if (problem.status === 410 && again) return lastResults(id, false);
    throw problem;
  }
}

async function deciding(tracks, decision, why) {
  const by = await whoDecides(api.key.get() ? gallery.caller : "");
  if (!by) return;
  clear("decide-problem");
  let now = null;
  try {
    for (const track of tracks) now = await api.decide({ case: caseId, track, decision, by, why });
  } catch (problem) {
    tell(problem, "decide-problem");
  }
  if (!now) return;
  takeOver(now);
  announce({ same: "Confirmed", different: "Rejected", none: "Taken back" }[decision]);
  return now;
}

function takeOver(found) {
  results.takeDecisions(found.decisions);
  results.tellThreshold(found.threshold);
  countCase(found);
}

async function refreshCase() {
  try {
    takeOver(await api.caseOf(caseId));
  } catch (problem) {
    tell(problem, "decide-problem");
  }
}

function countCase(found) {
  const last = new Map(found.decisions.map((each) => [each.track, each.decision]));
  const confirmed = [...last.values()].filter((each) => each === "same").length;
  find("case-count").textContent = confirmed ? String(confirmed) : "";
  find("case-count-words").textContent = confirmed ? `, ${confirmed} confirmed` : "";
  allowViews();
  find("again").hidden = confirmed === 0;
  find("again-words").textContent = `Search again with ${counted(confirmed, "confirmed track")}`;
}

async function openCase() {
  clear("case-problem");
  find("saved").textContent = "";
  const { query, words } = results.current();
  const sought = { pictures: query.filter(isGiven).map((each) => each.picture), words };
  try {
    await showCase(caseId, sought, (track) => deciding([track], "none", null));
  } catch (problem) {
    tell(problem, "case-problem");
  }
}

async function save(format) {
  clear("case-problem");
  const words = find("saved");
  words.textContent = "Writing the file";
  try {
    await saveExport(caseId, format);
    words.textContent = "Saved.";
  } catch (problem) {
    words.textContent = "";
    tell(problem, "case-problem");
  }
}

/** The page as it was before anybody was looked for. */
function begunAnew() {
  running?.abort();
  results.stopReasons();
  forgetPictures();
  find("ask-form").reset();
  fill(find("understood"));
  find("results").hidden = true;
  clear();
  caseId = null;
  allowViews();
  lastPictures = new Set();
  document.body.classList.remove("asked");
  history.replaceState(null, "", location.pathname);
}

/** Anew: another person. */
function another() {
  begunAnew();
  find("files").focus();
}

/** Goes on from the confirmed tracks of the case to their erasure. */
function eraseConfirmed() {
  const tracks = confirmedTracks();
  showView("erase");
  eraseAnew(tracks);
}

const inList = (action) => () => view() === "search" && !find("results").hidden && results.chosen() && action();
const decideBy = (what) => inList(() => results.chosen().decide(what));

startBox();
startPictures(() => clear());
startKeys({
  j: inList(() => results.next(1)),
  k: inList(() => results.next(-1)),
  y: decideBy("same"),
  n: decideBy("different"),
  u: inList(() => results.chosen().decision() && results.chosen().decide("none")),
  r: inList(() => !find("again").hidden && search(true)),
  c: () => showView(view() === "case" ? "search" : "case"),
  e: () => view() === "case" && !find("export").hidden && save("html"),
  "/": () => {
    if (!gallery) return;
    showView("search");
    (find("words-part").hidden ? find("files") : find("words")).focus();
  },
  s: () => gallery && showView("search"),
  x: () => showView("erase"),
  a: () => showView("audit"),
  Escape: () => gallery && showView("search"),
});
find("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.key.set(find("key").value.trim());
  find("key").value = "";
  begin();
});
find("sign-out").addEventListener("click", signOut);
find("again").addEventListener("click", () => search(true));
find("another").addEventListener("click", another);
find("more").addEventListener("click", () => results.more().catch((problem) => tell(problem)));
startViews({ case: openCase, audit: openAudit });
find("to-case").addEventListener("click", () => showView("case"));
find("close-case").addEventListener("click", () => showView("search"));
find("erase-confirmed").addEventListener("click", eraseConfirmed);
find("change-name").addEventListener("click", changeName);
for (const button of document.querySelectorAll("[data-export]"))
  button.addEventListener("click", () => save(button.dataset.export));
begin();
