// Single keys, and the overlay that lists them. They may be switched off, as people who speak to their computer need.

import { find } from "./dom.js";

const SWITCH = "reidr single keys";
const on = () => localStorage.getItem(SWITCH) !== "off";

/** `actions` by key, as `event.key` names it. */
export function startKeys(actions) {
  const help = find("keys-dialog");
  const toggle = find("single-keys");
  toggle.checked = on();
  toggle.addEventListener("change", () => localStorage.setItem(SWITCH, toggle.checked ? "on" : "off"));
  find("open-keys").addEventListener("click", () => help.showModal());
  addEventListener("keydown", (event) => {
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.isComposing ||
      (event.repeat && !/^[jk]$/.test(event.key))
    )
      return;
    if (document.querySelector("dialog[open]") || writes(event.target)) return;
    if (!on() && event.key !== "Escape") return;
    if (event.key === "?") help.showModal();
    else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  });
}

function writes(target) {
  return target.matches?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=file])");
}
