// The views of the page, one of them shown at a time: the search, the case, erasing, and the audit log.

import { find } from "./dom.js";

const SHEETS = ["case", "erase", "audit"];
let openings = {};

/** Which view is shown: "search" or one of the others. */
export const view = () => document.body.dataset.view;

/** `actions` by view: called each time the view is opened. */
export function startViews(actions) {
  openings = actions;
  for (const name of ["search", ...SHEETS]) find(`open-${name}`).addEventListener("click", () => show(name));
}

/** Which views can be opened; without another one there is nothing to choose. */
export function allow(names) {
  for (const name of SHEETS) find(`open-${name}`).hidden = !names.includes(name);
  find("open-search").hidden = !names.includes("search") || names.length < 2;
  for (const name of ["erase", "audit"]) find(`key-${name}`).hidden = !names.includes(name);
}

export const allowed = (name) => !find(`open-${name}`).hidden;

/** Shows a view that can be opened, from its top, and calls what belongs to it. */
export function show(name) {
  if (name !== "search" && !allowed(name)) return;
  const before = view();
  document.body.dataset.view = name;
  for (const sheet of SHEETS) find(sheet).hidden = sheet !== name;
  for (const each of ["search", ...SHEETS]) {
    if (each === name) find(`open-${each}`).setAttribute("aria-current", "page");
    else find(`open-${each}`).removeAttribute("aria-current");
  }
  if (name === "search") {
    // Who came from a view by its button goes on from there.
    if (before !== "search") find(`open-${before}`).focus();
    return;
  }
  scrollTo(0, 0);
  find(`${name}-title`).focus();
  if (before !== name) openings[name]?.();
}
