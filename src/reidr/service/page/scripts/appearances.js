// One appearance of the list: a line that opens to both pictures, the decision, and the reasons.

import * as api from "./api.js";
import { make, fill, sign } from "./dom.js";
import { markRegions, showReason, verdict } from "./reasons.js";
import { DECIDED, called, capital, counted, likelihood, span, termParts } from "./wording.js";

/**
 * The item of an appearance. `pictures` holds the paths of the query's by id; `ofWords`: there are none.
 * `deciding(tracks, decision, why)` is called with the ids of the tracks that a decision is about; `opening()` when its
 * line is pressed; `asking(track)` when a reason is wanted of a track that has none.
 */
export function appearanceItem(appearance, number, { pictures, ofWords, mayDecide, deciding, opening, asking }) {
  const id = `appearance-${number}`;
  const reasons = new Map(); // by track
  const best = appearance.tracks.find((track) => track.best === appearance.best) ?? appearance.tracks[0];
  const badge = make("span", { class: "badge" });
  const brief = make("span", { class: "brief" });
  const shown = likelihood(appearance.likelihood, ofWords);
  const line = make(
    "button",
    { type: "button", class: "line", "aria-expanded": "false", "aria-controls": `${id}-detail`, onclick: opening },
    make("span", { class: "rank" }, make("span", { class: "aside" }, "Rank "), String(number + 1)),
    make("span", { class: "thumb" }, photo(appearance.picture, "")),
    make(
      "span",
      { class: "what" },
      make("bdi", { class: "place" }, called(appearance.camera)),
      badge,
      make("span", { class: "when" }, span(appearance.start, appearance.end)),
      brief,
    ),
    make(
      "span",
      { class: `chance ${shown.kind}` },
      make("b", {}, shown.number),
      make("span", {}, capital(shown.words)),
      gauge(appearance.likelihood),
    ),
  );
  const detail = make("div", { class: "detail", id: `${id}-detail`, hidden: true });
  const element = make("li", { class: "appearance", id }, make("h3", {}, line), detail);
  let parts = null; // what the detail is made of, from when it is first opened
  let only = null; // one track of several, where a decision shall be about it alone
  let state = [
    appearance.doubtful
      ? "The reasoner has not come to this one yet."
      : "Not in doubt, so the reasoner was not asked.",
    false,
  ];

  const track = () => only ?? best;

  function open(is) {
    line.setAttribute("aria-expanded", String(is));
    element.classList.toggle("open", is);
    detail.hidden = !is;
    if (is && !parts) build();
  }

  function build() {
    const a = pictures.size > 0 && figure("a", "A", "the person");
    parts = {
      a,
      b: figure("b", a && "B", "found"),
      remarks: make("div", { class: "remarks" }),
      decide: make("div", { class: "decide", role: "group", "aria-label": `Your decision on number ${number + 1}` }),
      reason: make("div", { class: "reason" }),
    };
    const question = pictures.size ? "Do both pictures show one person?" : "Is this the person?";
    fill(
      detail,
      make("div", { class: `pair${a ? "" : " alone"}` }, a, parts.b, strip()),
      make(
        "div",
        { class: "judge" },
        make("p", { class: "question" }, question),
        parts.decide,
        parts.remarks,
        parts.reason,
      ),
    );
    tellTrack();
  }

  /** Shows the track that is looked at: its picture, what is known of it, its decision and its reason. */
  function tellTrack() {
    const { picture, start, end } = track();
    fill(parts.b.querySelector(".frame"), photo(picture, `Found: camera ${called(appearance.camera)}, ${span(start, end)}`));
    fill(parts.remarks, remarks(track()));
    tellDecision();
    tellReason();
  }

  /** The tracks of an appearance that has several. */
  function strip() {
    if (appearance.tracks.length < 2) return null;
    const buttons = appearance.tracks.map((each) => {
      const when = span(each.start, each.end);
      return make(
        "button",
        {
          type: "button",
          class: "track",
          "aria-pressed": "false",
          "aria-label": `Track of ${when}`,
          title: when,
          onclick: () => choose(each),
        },
        photo(each.picture, ""),
      );
    });
    const note = make("p", {});
    const say = () =>
      (note.textContent = only
        ? "You decide on the chosen track alone."
        : `${counted(buttons.length, "track")} follow each other. Choose one to decide on it alone.`);
    function choose(each) {
      only = only === each ? null : each;
      buttons.forEach((button, place) =>
        button.setAttribute("aria-pressed", String(appearance.tracks[place] === only)),
      );
      say();
      tellTrack();
    }
    say();
    return make("div", { class: "strip" }, note, make("div", { class: "tracks" }, buttons));
  }

  const decision = () => (only ?? appearance).decision;

  function decide(what) {
    if (!mayDecide) return;
    const why = parts?.decide.querySelector("input")?.value.trim() || null;
    deciding(
      (only ? [only] : appearance.tracks).map((each) => each.id),
      what,
      why,
    );
  }

  function tellDecision() {
    const decided = appearance.decision;
    element.dataset.decision = decided ?? "";
    fill(
      badge,
      decided && sign(decided === "same" ? "sign-check" : "sign-cross", 12),
      decided && capital(DECIDED[decided]),
    );
    badge.className = `badge ${decided ?? ""}`;
    if (!parts) return;
    if (!mayDecide) {
      fill(parts.decide, make("p", { class: "soft" }, "Your key may search, but not decide."));
      return;
    }
    const held = parts.decide.contains(document.activeElement) ? document.activeElement.dataset.what : null;
    const written = parts.decide.querySelector("input")?.value ?? "";
    const now = decision();
    const button = (what, mark, words, key) =>
      make(
        "button",
        {
          type: "button",
          class: `choice ${what}`,
          "data-what": what,
          "aria-pressed": String(now === what),
          onclick: () => decide(what),
        },
        sign(mark, 14),
        words,
        make("kbd", { "aria-hidden": "true" }, key),
      );
    fill(
      parts.decide,
      button("same", "sign-check", "Same person", "Y"),
      button("different", "sign-cross", "Someone else", "N"),
      now &&
        make(
          "button",
          { type: "button", class: "choice none", "data-what": "none", onclick: () => decide("none") },
          "Undo",
          make("kbd", { "aria-hidden": "true" }, "U"),
        ),
      make(
        "label",
        { class: "why" },
        make("span", {}, "Why (optional)"),
        make("input", { type: "text", maxlength: 500, "data-what": "why", value: written, autocomplete: "off" }),
      ),
    );
    if (held) (parts.decide.querySelector(`[data-what="${held}"]`) ?? parts.decide.querySelector("button")).focus();
  }

  /** Takes a reason of one of its tracks. */
  function takeReason(reason) {
    reasons.set(reason.track, reason);
    const first = reasons.get(best.id) ?? reason;
    fill(brief, first.text !== "" && verdict(first.answer));
    if (parts) tellReason();
  }

  function tellReason() {
    const reason = reasons.get(track().id);
    const picture = pictures.get(reason?.query) ?? [...pictures.values()][0];
    if (parts.a)
      fill(
        parts.a.querySelector(".frame"),
        photo(picture, "The person"),
      );
    if (!reason) {
      const [words, busy] =
        track().doubtful || reasons.size === 0 || state[1]
          ? state
          : ["The reasoner was asked about another track of this appearance.", false];
      const about = track().id;
      return fill(
        parts.reason,
        !ofWords && make("p", { class: busy ? "soft thinking" : "soft" }, words),
        !ofWords &&
          !busy &&
          make("button", { type: "button", class: "ask", onclick: () => asking(about) }, "Ask the reasoner about this one"),
      );
    }
    return showReason(parts.reason, reason, (regions) => {
      markRegions(parts.a, regions, reason.regions.query);
      markRegions(parts.b, regions, reason.regions.candidate);
    });
  }

  /** Says how it stands with the reasons while none is there. */
  function tellState(words, busy = false) {
    state = [words, busy];
    if (parts && !reasons.has(track().id)) tellReason();
  }

  tellDecision();
  return {
    element,
    line,
    appearance,
    open,
    decide,
    decision,
    tellDecision,
    takeReason,
    tellState,
    hasReason: () => reasons.size > 0,
  };
}

/** What a search knows of a track besides its probability. */
function remarks(track) {
  return [
    track.identical_to_query && make("p", { class: "soft" }, "The very picture that was searched for."),
    track.doubt && make("p", { class: "wrong" }, `Can hardly show one person: ${track.doubt}`),
    track.travel && make("p", { class: "soft" }, track.travel),
    track.terms.length > 0 &&
      make(
        "ul",
        { class: "fits", "aria-label": "How well the words fit" },
        track.terms.map((term) => {
          const { kind, number } = likelihood(term.likelihood, true);
          const [value, family] = termParts(term.text);
          const said = kind === "unknown" ? "not known" : kind;
          return make(
            "li",
            { class: kind },
            make("span", {}, value, family && make("small", {}, ` ${family}`)),
            make("b", {}, number),
            make("span", {}, said),
          );
        }),
      ),
  ];
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

/** The reasoner calls the pictures A and B; one alone has no letter. */
function figure(side, letter, caption) {
  return make(
    "figure",
    { class: `side ${side}` },
    make("div", { class: "frame" }),
    make("figcaption", {}, letter && make("b", {}, letter), ` ${caption}`),
  );
}

/** The probability as a line: its length says what the number says. */
function gauge(value) {
  if (value === null) return null;
  return make(
    "span",
    { class: "gauge", "aria-hidden": "true" },
    make("span", { style: { width: `${Math.max(value * 100, 1)}%` } }),
  );
}
