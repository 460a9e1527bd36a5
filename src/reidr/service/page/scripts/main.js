// The page of the search service: starts it, asks, and shows what came.

import * as api from "./api.js";
import { startBox } from "./box.js";
import { changeName, saveExport, showCase, whoDecides } from "./case.js";
import { announce, fill, find, make } from "./dom.js";
import { startKeys } from "./keyboard.js";
import { forgetPictures, queryPictures, startPictures } from "./pictures.js";
import { question, startQuestion, wrongTimes } from "./question.js";
import * as results from "./results.js";
import { counted } from "./wording.js";

let gallery = null;
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
    find("loading").hidden = true;
    tell(problem, "start-problem");
    find("start-problem").append(make("button", { type: "button", onclick: () => location.reload() }, "Try again"));
    return;
  }
  find("loading").hidden = true;
  find("key-entry").hidden = true;
  find("sign-out").hidden = !api.key.get();
  find("gallery").textContent =
    `${gallery.name}: ${counted(gallery.tracks, "track")}, ${counted(gallery.cameras.length, "camera")}`;
  if (gallery.crops === 0) {
    find("empty").hidden = false;
    return;
  }
  startQuestion(gallery);
  find("ask").hidden = false;
  document.body.classList.add("ready");
  const known = /^#case=(.+)$/.exec(location.hash)?.[1];
  if (known) restore(decodeURIComponent(known));
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
    pictures: picturesOf(answer),
    ofWords: answer.query.length === 0,
    mayDecide: gallery.roles.includes("decide"),
    deciding,
  });
  refreshCase();
  results.readReasons();
}

/** The query's pictures by id, as {url} of one's own or {path} of one of the gallery; own ones are in the order of sending. */
function picturesOf(answer) {
  const own = queryPictures().filter((each) => each.blob);
  const given = answer.query.map(({ id, picture }) => {
    if (picture) return [id, { path: picture, name: "" }];
    const mine = own.shift();
    return [id, mine ? { url: mine.url, name: mine.name } : null];
  });
  return new Map(given.filter(([, each]) => each));
}

/** The last search of a case, after the page was loaded anew. */
async function restore(id) {
  const stop = showBusy("Opening the case", () => {});
  try {
    show(await lastResults(id));
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

/** Shows that something runs, for how long, and how to stop it; gives what ends it. */
function showBusy(what, stop) {
  const begun = Date.now();
  const words = find("busy-words");
  find("busy").hidden = false;
  find("stop").onclick = stop;
  document.body.classList.add("busy");
  let wait = null;
  const say = () => {
    const seconds = Math.round((Date.now() - begun) / 1000);
    const long = seconds > 1 ? `, ${counted(seconds, "second")}` : "";
    words.textContent =
      wait === null ? `${what}${long}` : `The server is busy. Trying again in ${counted(Math.ceil(wait), "second")}`;
  };
  api.waiting.tell = (left) => {
    wait = left;
    say();
  };
  say();
  const timer = setInterval(say, 1000);
  return () => {
    clearInterval(timer);
    api.waiting.tell = () => {};
    find("busy").hidden = true;
    document.body.classList.remove("busy");
  };
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
  find("open-case").hidden = false;
  find("again").hidden = confirmed === 0;
  find("again-words").textContent = `Search again with ${counted(confirmed, "confirmed track")}`;
}

async function openCase() {
  if (!caseId) return;
  const view = find("case");
  if (!view.hidden) return;
  document.body.classList.add("in-case");
  view.hidden = false;
  clear("case-problem");
  find("case-title").focus();
  scrollTo(0, 0);
  try {
    await showCase(caseId, (track) => deciding([track], "none", null));
  } catch (problem) {
    tell(problem, "case-problem");
  }
}

function closeCase() {
  if (find("case").hidden) return;
  find("case").hidden = true;
  document.body.classList.remove("in-case");
  find("open-case").focus();
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

/** Anew: another person. */
function another() {
  results.stopReasons();
  closeCase();
  forgetPictures();
  find("ask-form").reset();
  fill(find("understood"));
  find("results").hidden = true;
  find("open-case").hidden = true;
  clear();
  caseId = null;
  lastPictures = new Set();
  document.body.classList.remove("asked");
  history.replaceState(null, "", location.pathname);
  find("files").focus();
}

const inList = (action) => () => find("case").hidden && results.chosen() && action();
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
  c: () => (find("case").hidden ? openCase() : closeCase()),
  e: () => !find("case").hidden && !find("export").hidden && save("html"),
  "/": () => (find("words-part").hidden ? find("files") : find("words")).focus(),
  Escape: closeCase,
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
for (const id of ["open-case", "to-case"]) find(id).addEventListener("click", openCase);
find("close-case").addEventListener("click", closeCase);
find("change-name").addEventListener("click", changeName);
for (const button of document.querySelectorAll("[data-export]"))
  button.addEventListener("click", () => save(button.dataset.export));
begin();
