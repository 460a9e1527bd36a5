// What the reasoner says of a pair: claim by claim, each with the region it speaks of on both pictures and how its check ended.

import { fill, make, sign } from "./dom.js";
import { ANSWERS } from "./wording.js";

/** Where a standing person who fills the picture has each region, for claims whose place nobody measured. */
const ABOUT = {
  hair: [0.25, 0, 0.75, 0.16],
  headwear: [0.25, 0, 0.75, 0.16],
  "upper clothing": [0.12, 0.16, 0.88, 0.52],
  sleeves: [0.04, 0.18, 0.96, 0.5],
  "lower clothing": [0.15, 0.48, 0.85, 0.88],
  shoes: [0.15, 0.86, 0.85, 1],
  bag: [0.08, 0.18, 0.92, 0.62],
  build: [0, 0, 1, 1],
};

const STAMPS = {
  consistent: ["claim-consistent", "asked again of one picture alone, the reasoner says the same"],
  "not visible": ["claim-not-visible", "asked again, it says that this cannot be seen"],
  inconsistent: ["claim-inconsistent", "asked again, it says something else: do not rely on the claim"],
  "self-contradictory": ["claim-contradicted", "it claims a difference and names the same for both pictures"],
};

export function verdict(answer) {
  return make("span", { class: `mark ${answer}` }, sign(`mark-${answer}`), ANSWERS[answer]);
}

/** How the check of a claim ended: sign, word and colour. An outcome of another version is said as it is. */
function stamp(outcome) {
  const [id, meaning] = STAMPS[outcome] ?? [null, null];
  return make("span", { class: `stamp ${outcome.replace(" ", "-")}`, title: meaning }, id && sign(id, 12), outcome);
}

/**
 * Fills `place` with a reason. `mark(regions)` is called with the regions that shall be shown on the pictures: those of
 * the statement under the pointer, else of the one with the focus, else of the one that was pressed.
 */
export function showReason(place, reason, mark) {
  const problem = reason.problem && make("p", { class: "soft" }, reason.problem);
  if (reason.problem && !reason.text) return fill(place, problem);
  const claims = reason.statements.flatMap((statement) => statement.claims);
  const parts = [
    make("p", { class: "says" }, "The reasoner says: ", verdict(reason.answer), tally(claims)),
    problem,
    !reason.reliable &&
      make("p", { class: "wrong" }, "Do not rely on these words: one of the pictures can hardly show a person."),
  ];
  if (!claims.length) return fill(place, parts, make("blockquote", {}, reason.text || "(no words)"));
  const list = make("ol", { class: "claims", "aria-label": "What it wrote, statement by statement" });
  let pressed = [];
  const press = (button, regions) => {
    const was = button.getAttribute("aria-pressed") === "true";
    for (const other of list.querySelectorAll("button.claim"))
      other.setAttribute("aria-pressed", String(other === button && !was));
    pressed = was ? [] : regions;
    mark(pressed);
  };
  list.append(
    ...reason.statements.map((statement) =>
      make(
        "li",
        {},
        statementOf(statement, mark, () => mark(pressed), press),
      ),
    ),
  );
  return fill(place, parts, list);
}

function statementOf(statement, mark, leave, press) {
  const regions = statement.claims.map((claim) => claim.region);
  const words = make(
    "span",
    { class: "statement" },
    statement.text,
    statement.note && make("small", { class: "instead" }, askedAlone(statement.note)),
  );
  if (!regions.length) return make("p", { class: "claim" }, words);
  const about = statement.claims.map((claim) =>
    make(
      "span",
      { class: "about" },
      make("span", { class: "region" }, claim.region),
      claim.outcome && stamp(claim.outcome),
    ),
  );
  const button = make(
    "button",
    { type: "button", class: "claim", "aria-pressed": "false" },
    words,
    make("span", { class: "abouts" }, about),
  );
  button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && mark(regions));
  button.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
  button.addEventListener("focus", () => mark(regions));
  button.addEventListener("blur", leave);
  button.addEventListener("click", () => press(button, regions));
  return button;
}

/** What the check heard, of "A: None; A: Handbag; B: Red", as sentences. */
export function askedAlone(note) {
  const said = new Map();
  for (const part of note.split("; ")) {
    const [, picture, value] = /^([^:]*): ?(.*)$/.exec(part) ?? [null, "", part];
    said.set(picture, [...(said.get(picture) ?? []), value.toLowerCase()]);
  }
  return [...said]
    .map(([picture, values]) => `Asked about ${picture || "it"} alone, it says: ${values.join(", ")}.`)
    .join(" ");
}

function tally(claims) {
  const checked = claims.filter((claim) => claim.outcome);
  if (!checked.length) return "";
  const good = checked.filter((claim) => claim.outcome === "consistent").length;
  return make("small", {}, `${good} of ${checked.length} claims consistent`);
}

/** Draws regions on a figure, where they were measured (`measured` has boxes by region) or about where they must be. */
export function markRegions(figure, regions, measured = {}) {
  if (!figure) return;
  for (const mark of figure.querySelectorAll(".region-mark")) mark.remove();
  for (const [number, region] of [...new Set(regions)].entries()) {
    const box = measured[region] ?? ABOUT[region];
    if (!box) continue;
    const [left, top, right, bottom] = box.map((share) => Math.min(Math.max(share, 0), 1) * 100);
    const kind = `${measured[region] ? "" : " about"}${top < 10 || number % 2 ? " low" : ""}`; // where its name stands
    const place = { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` };
    const words = measured[region] ? region : `${region}, about here`;
    figure
      .querySelector(".frame")
      .append(
        make("span", { class: `region-mark${kind}`, "aria-hidden": "true", style: place }, make("span", {}, words)),
      );
  }
}
