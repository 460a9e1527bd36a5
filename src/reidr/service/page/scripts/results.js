// What a search found: the sentence, the time line, the list, and the reasons as they come.

import * as api from "./api.js";
import { appearanceItem } from "./appearances.js";
import { standing } from "./case.js";
import { announce, fill, find, make } from "./dom.js";
import { timeLine } from "./timeline.js";
import { counted, likelihood, zone } from "./wording.js";

const BELIEFS = {
  "probably there": "This person is probably here.",
  "perhaps there": "This person may be here.",
  "perhaps absent": "This person may well not be here.",
  unknown: "Whether this person is here cannot be said.",
};

let shown = null;
let items = [];
let line = null;
let selected = 0;
let stream = null;
/** The reasons that came, by track: those of later pages are shown when their page is. */
let reasons = new Map();
let context = {};

export const current = () => shown;

/** Shows the answer to a search. `given`: {pictures, ofWords, mayDecide, deciding}. */
export function showResults(answer, given) {
  stopReasons();
  line?.end();
  shown = { ...answer, appearances: [] };
  context = given;
  items = [];
  reasons = new Map();
  selected = 0;
  find("results").hidden = false;
  tellPresence(answer);
  fill(find("appearances"));
  add(answer);
  find("nothing").hidden = answer.appearances.length > 0;
  find("found-list").hidden = answer.appearances.length === 0;
  // In a case that was searched again the first question is who was not decided on yet.
  const undecided = items.findIndex((item) => item.appearance.decision === null);
  if (items.length) select(Math.max(undecided, 0), false);
  tellThreshold(answer.threshold);
  announce(`${find("presence").textContent} ${counted(answer.total, "appearance")} found.`);
  find("zone").textContent = answer.appearances.some((each) => each.start !== null) ? `times of ${zone()}` : "";
  // On a broad window the answer stands beside the question; on a phone it is below it.
  find("presence").focus({ preventScroll: matchMedia("(min-width: 68rem)").matches });
}

function tellPresence(answer) {
  // The sentence begins with the belief, which is the headline here; its grounds follow a colon.
  const [, grounds] = /^[^:]*: (.*)$/.exec(answer.presence) ?? [];
  const known = answer.belief !== "unknown";
  const nobody = answer.total === 0 && !context.ofWords;
  const searched = `${counted(answer.searched, "crop")} searched, ${counted(answer.total, "appearance")} found.`;
  if (context.ofWords && !known) {
    find("presence").textContent = answer.total
      ? `${counted(answer.total, "appearance")} by how well the words fit`
      : "Nobody fits these words.";
    find("grounds").textContent =
      "Words describe clothes, and many people wear the same. They cannot say whether one person is here.";
  } else {
    find("presence").textContent = nobody
      ? answer.searched
        ? "Nobody was found."
        : "Nobody was recorded there and then."
      : BELIEFS[answer.belief];
    find("grounds").textContent =
      known && grounds ? grounds.charAt(0).toUpperCase() + grounds.slice(1) : answer.presence;
  }
  fill(
    find("notes"),
    !nobody && answer.warnings.map((warning) => make("p", { class: "wrong" }, warning)),
    !nobody && make("p", {}, searched),
  );
  const words =
    answer.words && `Of the words “${answer.words}” was searched for: ${answer.terms.join("; ") || "nothing"}.`;
  fill(
    find("made-body"),
    [words, answer.order, ...answer.notes].filter(Boolean).map((note) => make("p", {}, note)),
  );
}

/** How often a match shown as likely is wrong here, in words; it changes with decisions. */
export function tellThreshold(sentence) {
  const shownHere = context.ofWords || !shown?.total ? "" : sentence; // it speaks of how alike people look, not of words
  find("threshold").textContent = shownHere;
  find("threshold").hidden = !shownHere;
}

/** Adds a page of appearances to the list, and draws the time line anew. */
function add(page) {
  for (const appearance of page.appearances) {
    const number = items.length;
    shown.appearances.push(appearance);
    const item = appearanceItem(appearance, number, {
      ...context,
      opening: () =>
        number === selected && items[number].line.getAttribute("aria-expanded") === "true"
          ? items[number].open(false)
          : select(number),
      asking: (track) => askAbout(items[number], track),
    });
    items.push(item);
    for (const track of appearance.tracks) if (reasons.has(track.id)) item.takeReason(reasons.get(track.id));
    find("appearances").append(item.element);
  }
  shown.after = page.after;
  find("more").hidden = page.after === null;
  line?.end();
  line = shown.appearances.length
    ? timeLine(find("time-line"), shown.appearances, context.ofWords, (number) => select(number))
    : null;
  const chances = shown.appearances.map((each) => each.likelihood).filter((each) => each !== null);
  find("order-note").hidden = context.ofWords || chances.every((each, place) => place === 0 || each <= chances[place - 1]);
  find("unlikely-note").hidden =
    context.ofWords || !shown.appearances.length || likelihood(shown.appearances[0].likelihood).kind !== "unlikely";
}

export async function more() {
  const before = items.length;
  add(await api.results(shown.search_token, shown.after));
  line.select(selected);
  items[before]?.line.focus();
}

/** Opens one appearance and closes the others; `move`: it is brought into view. */
export function select(number, move = true) {
  if (!items.length) return;
  const before = items[selected];
  selected = Math.min(Math.max(number, 0), items.length - 1);
  if (before !== items[selected]) before.open(false);
  items[selected].open(true);
  line.select(selected);
  if (!move) return;
  items[selected].line.focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  items[selected].element.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

export const next = (step) => select(selected + step);
export const chosen = () => items[selected] ?? null;

/** Takes over what was decided, wherever the list shows it. */
export function takeDecisions(decisions) {
  const now = standing(decisions);
  for (const item of items) {
    const { appearance } = item;
    for (const track of appearance.tracks) track.decision = now.get(track.id)?.decision ?? null;
    appearance.decision = together(appearance.tracks.map((track) => track.decision));
    item.tellDecision();
  }
  line?.update();
}

/** One decision for tracks of one appearance: "same" where one of them is confirmed, "different" where none is left. */
export function together(decisions) {
  if (decisions.includes("same")) return "same";
  return decisions.every((each) => each === "different") ? "different" : null;
}

export function stopReasons() {
  stream?.abort();
  stream = null;
}

/** Reads the reasons as they are thought. */
export async function readReasons() {
  const doubtful = items.filter((item) => item.appearance.doubtful);
  const expected = doubtful.flatMap((item) => item.appearance.tracks).filter((track) => track.doubtful).length;
  const status = find("thinking");
  status.textContent = "";
  if (!doubtful.length) return;
  stream = new AbortController();
  const { signal } = stream;
  const tell = () =>
    (status.textContent = `The reasoner is thinking about the doubtful ones: ${reasons.size} of ${Math.max(expected, reasons.size)} done.`);
  tell();
  doubtful.forEach((item) => item.tellState("The reasoner is thinking about this one.", true));
  try {
    for await (const [kind, value] of api.reasons(shown.search_token, signal)) {
      if (kind === "problem") throw new api.Problem(value.status, value.title, value.detail);
      if (kind === "done") break;
      if (kind !== "reason") continue;
      reasons.set(value.track, value);
      items.find((item) => item.appearance.tracks.some((track) => track.id === value.track))?.takeReason(value);
      tell();
    }
    status.textContent = reasons.size ? `${counted(reasons.size, "reason")} written.` : "";
    doubtful.forEach((item) => item.tellState("The reasons that were asked for went to more doubtful ones."));
  } catch (problem) {
    if (signal.aborted) return;
    status.textContent = `The reasons stopped: ${problem.message}`;
    doubtful.forEach((item) => item.tellState("No reason came."));
  }
}

/** Asks for the reason of one track, in doubt or not, and shows it in its appearance. */
async function askAbout(item, track) {
  const asked = shown.search_token;
  item.tellState("The reasoner is thinking about this one.", true);
  try {
    let came = false;
    for await (const [kind, value] of api.reasons(asked, undefined, track)) {
      if (kind === "problem") throw new api.Problem(value.status, value.title, value.detail);
      if (kind === "done") break;
      if (kind !== "reason" || shown?.search_token !== asked) continue;
      came = true;
      reasons.set(value.track, value);
      item.takeReason(value);
      announce("The reasoner wrote a reason.");
    }
    if (!came) item.tellState("This service runs without a model that writes reasons.");
  } catch (problem) {
    item.tellState(`No reason came: ${problem.message}`);
  }
}
