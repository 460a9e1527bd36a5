// One appearance of the list: a line that opens to both pictures, the decision, and the reasons.

import * as api from "./api.js";
import { make, fill, sign } from "./dom.js";
import { markRegion, showReason, verdict } from "./reasons.js";
import { DECIDED, capital, counted, likelihood, span } from "./wording.js";

/**
 * The item of an appearance. `deciding(tracks, decision, why)` is called with the ids of the tracks that a decision is
 * about; `opening()` when its line is pressed; `query` is {url, name} of the picture beside it, or null.
 */
export function appearanceItem(appearance, number, { query, ofWords, deciding, opening }) {
  const id = `appearance-${number}`;
  const shown = likelihood(appearance.likelihood, ofWords);
  const badge = make("span", { class: "badge" });
  const brief = make("span", { class: "brief" });
  const line = make(
    "button",
    { type: "button", class: "line", "aria-expanded": "false", "aria-controls": `${id}-detail`, onclick: opening },
    make("span", { class: "rank" }, make("span", { class: "aside" }, "Rank "), String(number + 1)),
    make("span", { class: "thumb" }, photo(appearance.picture, "")),
    make("span", { class: "what" }, make("span", { class: "place" }, appearance.camera), badge, make("span", { class: "when" }, span(appearance.start, appearance.end)), brief),
    make("span", { class: `chance ${shown.kind}` }, make("b", {}, shown.number), make("span", {}, capital(shown.words)), gauge(appearance.likelihood)),
  );
  const detail = make("div", { class: "detail", id: `${id}-detail`, hidden: true });
  const element = make("li", { class: "appearance", id }, make("h3", {}, line), detail);
  let reason = null;
  let parts = null;
  let only = null; // one track of several, where a decision shall be about it alone

  function open(is) {
    line.setAttribute("aria-expanded", String(is));
    element.classList.toggle("open", is);
    detail.hidden = !is;
    if (is && !parts) build();
  }

  function build() {
    const a = query && figure("The person", query.name, make("img", { src: query.url, alt: `The person: ${query.name}` }), "a");
    const b = figure("Found", "", photo(appearance.picture, `Found: camera ${appearance.camera}, ${span(appearance.start, appearance.end)}`), "b");
    parts = { a, b, decide: make("div", { class: "decide", role: "group", "aria-label": `Your decision on number ${number + 1}` }), reason: make("div", { class: "reason" }) };
    fill(
      detail,
      make("div", { class: "pair" }, a, b, strip()),
      make("div", { class: "judge" }, make("p", { class: "question" }, query ? "Do both pictures show one person?" : "Is this the person?"), parts.decide, parts.reason),
    );
    tellDecision();
    if (reason) tellReason(reason);
    else fill(parts.reason, make("p", { class: "soft" }, appearance.doubtful ? "The reasoner will think about this one." : "Not among the doubtful ones: the reasoner was not asked about it."));
  }

  /** The tracks of an appearance that has several. */
  function strip() {
    if (appearance.tracks.length < 2) return null;
    const buttons = appearance.tracks.map((track) =>
      make("button", { type: "button", class: "track", "aria-pressed": "false", "aria-label": `Track of ${span(track.start, track.end)}`, title: span(track.start, track.end), onclick: () => choose(track) }, photo(track.picture, "")),
    );
    function choose(track) {
      only = only === track ? null : track;
      buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(appearance.tracks[place] === only)));
      parts.b.querySelector(".frame").replaceChildren(photo((only ?? appearance).picture, `Found: camera ${appearance.camera}, ${span((only ?? appearance).start, (only ?? appearance).end)}`));
      tellDecision();
    }
    return make("div", { class: "strip" }, make("p", {}, `${counted(appearance.tracks.length, "track")} follow each other. Choose one to decide on it alone.`), make("div", { class: "tracks" }, buttons));
  }

  const tracksDecidedOn = () => (only ? [only] : appearance.tracks).map((track) => track.id);
  const decision = () => (only ?? appearance).decision;

  function decide(what) {
    const why = parts?.decide.querySelector("input")?.value.trim() || null;
    deciding(tracksDecidedOn(), what, why);
  }

  function tellDecision() {
    const decided = appearance.decision;
    element.dataset.decision = decided ?? "";
    fill(badge, decided && sign(decided === "same" ? "sign-check" : "sign-cross", 12), decided && capital(DECIDED[decided]));
    badge.className = `badge ${decided ?? ""}`;
    if (!parts) return;
    const held = parts.decide.contains(document.activeElement) ? document.activeElement.dataset.what : null;
    const written = parts.decide.querySelector("input")?.value ?? "";
    const now = decision();
    const button = (what, mark, words, key) =>
      make("button", { type: "button", class: `choice ${what}`, "data-what": what, "aria-pressed": String(now === what), onclick: () => decide(what) }, sign(mark, 14), words, make("kbd", { "aria-hidden": "true" }, key));
    fill(
      parts.decide,
      button("same", "sign-check", "Same person", "Y"),
      button("different", "sign-cross", "Someone else", "N"),
      now && make("button", { type: "button", class: "choice none", "data-what": "none", onclick: () => decide("none") }, "Undo", make("kbd", { "aria-hidden": "true" }, "U")),
      make("label", { class: "why" }, make("span", {}, "Why (optional)"), make("input", { type: "text", maxlength: 500, "data-what": "why", value: written, autocomplete: "off" })),
    );
    if (held) (parts.decide.querySelector(`[data-what="${held}"]`) ?? parts.decide.querySelector("button")).focus();
  }

  function tellReason(given) {
    reason = given;
    if (!given.problem) fill(brief, verdict(given.answer));
    if (!parts) return;
    const figures = [[parts.a, (claim) => claim.query_box], [parts.b, (claim) => claim.crop_box]];
    showReason(parts.reason, given, (claim) => markRegion(figures, claim));
  }

  /** Says how the reasons stand while there are none of this one. */
  function tellState(text, busy = false) {
    if (reason || !parts) return;
    fill(parts.reason, make("p", { class: busy ? "soft thinking" : "soft" }, text));
  }

  tellDecision();
  return { element, line, appearance, open, decide, tellDecision, tellReason, tellState, decision, hasReason: () => reason !== null };
}

/** A picture of the gallery that comes when it has come; `alt` is "" where words beside it say the same. */
export function photo(path, alt) {
  const image = make("img", { alt, decoding: "async" });
  api.picture(path).then(
    (url) => (image.src = url),
    () => image.replaceWith(make("span", { class: "missing" }, "no picture")),
  );
  return image;
}

function figure(caption, name, image, letter) {
  return make("figure", { class: `side ${letter}` }, make("div", { class: "frame" }, image), make("figcaption", {}, make("b", {}, caption), name && ` ${name}`));
}

/** The probability as a line: its length says what the number says. */
function gauge(value) {
  if (value === null) return null;
  return make("span", { class: "gauge", "aria-hidden": "true" }, make("span", { style: { width: `${Math.max(value * 100, 1)}%` } }));
}
