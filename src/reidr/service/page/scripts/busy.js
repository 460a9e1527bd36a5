// Shows that something runs, for how long, and how to stop it.

import * as api from "./api.js";
import { find } from "./dom.js";
import { counted } from "./wording.js";

/** Gives what ends it. */
export function showBusy(what, stop) {
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
