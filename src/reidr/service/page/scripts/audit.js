// The audit log: newest first, filtered, and whether it is as it was written.

import * as api from "./api.js";
import { fill, find, make, sign } from "./dom.js";
import { clockOf, counted, dayOf } from "./wording.js";

const PAGE = 500;
/** So many pages are read at one press: a rare name may be far back, and the server has other work. */
const PAGES = 20;
const AT_ONCE = 100;
const HEADINGS = ["number", "time", "who", "action", "why", "hash", "previous"];

let rows = [];
let after = 0;
let most = AT_ONCE;
let reading = 0;

export function startAudit() {
  find("audit-filter").addEventListener("submit", (event) => event.preventDefault());
  for (const field of ["audit-words", "audit-action"])
    find(field).addEventListener("input", () => {
      most = AT_ONCE;
      show();
    });
  find("audit-older").addEventListener("click", () => {
    most += AT_ONCE;
    further();
  });
  find("head-form").addEventListener("submit", (event) => {
    event.preventDefault();
    verify(find("head").value.trim());
  });
}

/** Reads the log anew, and checks it. */
export function openAudit() {
  rows = [];
  after = 0;
  most = AT_ONCE;
  find("head").value = "";
  verify("");
  further();
}

async function verify(head) {
  const place = find("verified");
  fill(place, make("p", { class: "soft thinking" }, "Checking that no row was changed or taken out"));
  try {
    const { rows: good, head: newest, broken, why } = await api.verification(head);
    const kept = head ? " and fits the head that was kept" : "";
    const checked =
      broken === null
        ? make("p", { class: "verdict good" }, sign("sign-check", 14), `The log is as it was written${kept}: ${counted(good, "row")} checked.`)
        : make("p", { class: "verdict bad" }, sign("sign-cross", 14), `Do not rely on the log from row ${broken} on: ${why}.`);
    fill(place, checked, make("p", { class: "hint" }, "Head: ", make("code", {}, newest)));
  } catch (problem) {
    fill(place, make("p", { class: "wrong" }, `The log could not be checked: ${problem.message}`));
  }
}

const wanted = () => {
  const words = find("audit-words").value.trim().toLowerCase();
  const action = find("audit-action").value;
  return rows.filter(({ entry, text }) => (!action || entry.action === action) && text.includes(words));
};

/** Reads older rows until there are enough that fit the filter, or the beginning of the log is reached. */
async function further() {
  const mine = (reading += 1); // an earlier reading that is still under way gives up
  find("audit-problem").hidden = true;
  try {
    for (let pages = 0; pages < PAGES && after !== null && wanted().length < most; pages += 1) {
      find("audit-count").textContent = "Reading the log";
      const page = await api.audit(after);
      if (mine !== reading) return;
      after = page.after;
      rows.push(...page.rows.map(({ number, entry }) => ({ number, entry, text: JSON.stringify(entry).toLowerCase() })));
    }
  } catch (problem) {
    fill(find("audit-problem"), make("p", {}, problem.message));
    find("audit-problem").hidden = false;
  }
  offerActions();
  show();
}

function offerActions() {
  const field = find("audit-action");
  const chosen = field.value;
  const actions = [...new Set(rows.map(({ entry }) => entry.action))].sort();
  fill(field, make("option", { value: "" }, "all"), actions.map((action) => make("option", { value: action }, action)));
  field.value = actions.includes(chosen) ? chosen : "";
}

function show() {
  const found = wanted();
  fill(find("audit-rows"), found.slice(0, most).map(row));
  const shown = Math.min(found.length, most);
  const left = after === null ? "" : `; rows before number ${after} are not read yet`;
  find("audit-count").textContent = rows.length
    ? `${counted(shown, "row")} shown of ${rows.length.toLocaleString()} read${left}.`
    : "Nothing was written yet.";
  find("audit-older").hidden = after === null && found.length <= most;
}

function row({ number, entry }) {
  const time = new Date(entry.time);
  const facts = Object.entries(entry).filter(([name, value]) => !HEADINGS.includes(name) && value !== null);
  return make(
    "li",
    {},
    make(
      "details",
      {},
      make(
        "summary",
        {},
        make("span", { class: "number" }, String(number)),
        make("span", { class: "when" }, `${dayOf(time)}, ${clockOf(time)}`),
        make("b", { class: "action" }, entry.action),
        make("bdi", { class: "who" }, entry.who),
        make("bdi", { class: "grounds" }, entry.why),
      ),
      make(
        "dl",
        { class: "facts" },
        [...facts, ["hash", entry.hash], ["hash before", entry.previous]].map(([name, value]) =>
          make("div", {}, make("dt", {}, name.replaceAll("_", " ")), make("dd", { dir: "auto" }, said(value))),
        ),
      ),
    ),
  );
}

/** JSON for reading. */
function said(value) {
  if (Array.isArray(value)) {
    const number = value.length > 3 ? `${value.length}: ` : "";
    return value.length ? number + value.map(said).join(", ") : "none";
  }
  if (typeof value !== "object" || value === null) return String(value ?? "none");
  const parts = Object.entries(value).map(([name, part]) => `${name.replaceAll("_", " ")}: ${said(part)}`);
  return parts.length ? parts.join("; ") : "nothing";
}
