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

const SIGNS = { yes: "mark-same", no: "mark-different", insufficient: "mark-insufficient" };
const CLASSES = { yes: "same", no: "different", insufficient: "insufficient" };
const STAMPS = {
  consistent: ["claim-consistent", "asked again of one picture alone, the reasoner says the same"],
  "not visible": ["claim-not-visible", "asked again, it says that this cannot be seen"],
  inconsistent: ["claim-inconsistent", "asked again, it says something else: do not rely on the claim"],
  "self-contradictory": ["claim-contradicted", "it claims a difference and names the same for both pictures"],
};

export function verdict(answer) {
  return make("span", { class: `mark ${CLASSES[answer]}` }, sign(SIGNS[answer]), ANSWERS[answer]);
}

export function stamp(outcome) {
  const [id, meaning] = STAMPS[outcome];
  return make("span", { class: `stamp ${outcome.replace(" ", "-")}`, title: meaning }, sign(id, 12), outcome);
}

/**
 * Fills `place` with a reason. `mark(claim | null)` is called with the claim whose region shall be shown: the one under
 * the pointer, else the one with the focus, else the one that was pressed.
 */
export function showReason(place, reason, mark) {
  if (reason.problem) return fill(place, make("p", { class: "soft" }, reason.problem));
  const head = make("p", { class: "says" }, "The reasoner says: ", verdict(reason.answer), tally(reason.claims));
  if (!reason.claims.length) return fill(place, head, make("blockquote", {}, reason.text || "(no words)"));
  let pressed = null;
  const list = make("ol", { class: "claims", "aria-label": "What it wrote, claim by claim" });
  for (const claim of reason.claims) {
    const button = make(
      "button",
      { type: "button", class: "claim", "aria-pressed": "false" },
      make("span", { class: "statement" }, claim.text, claim.note && make("small", { class: "instead" }, claim.note)),
      make("span", { class: "about" }, claim.region && make("span", { class: "region" }, claim.region), claim.outcome && stamp(claim.outcome)),
    );
    if (claim.region) {
      const leave = () => mark(pressed);
      button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && mark(claim));
      button.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
      button.addEventListener("focus", () => mark(claim));
      button.addEventListener("blur", leave);
      button.addEventListener("click", () => {
        pressed = pressed === claim ? null : claim;
        for (const other of list.querySelectorAll(".claim")) other.setAttribute("aria-pressed", String(other === button && pressed === claim));
        mark(pressed);
      });
    }
    list.append(make("li", {}, button));
  }
  fill(place, head, list);
}

function tally(claims) {
  const checked = claims.filter((claim) => claim.outcome);
  if (!checked.length) return "";
  const good = checked.filter((claim) => claim.outcome === "consistent").length;
  return make("small", {}, `${good} of ${checked.length} claims consistent`);
}

/** Draws a claim's region on the two figures; null takes the marks away. */
export function markRegion(figures, claim) {
  for (const [figure, measured] of figures) {
    figure?.querySelector(".region-mark")?.remove();
    if (!figure || !claim?.region) continue;
    const box = measured(claim) ?? ABOUT[claim.region];
    if (!box) continue;
    const [left, top, right, bottom] = box.map((share) => Math.min(Math.max(share, 0), 1) * 100);
    const kind = `${measured(claim) ? "" : " about"}${top < 10 ? " high" : ""}`;
    figure.querySelector(".frame").append(
      make("span", { class: `region-mark${kind}`, "aria-hidden": "true", style: { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` } },
        make("span", {}, measured(claim) ? claim.region : `${claim.region}, about here`)),
    );
  }
}
