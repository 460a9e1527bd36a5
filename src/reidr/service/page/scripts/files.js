// Files that are saved, and moments as they are said in them and about them.

import { make } from "./dom.js";
import { dayOf, shortClockOf } from "./wording.js";

/** Day and minute. */
export function moment(time) {
  const date = new Date(time);
  return `${dayOf(date)}, ${shortClockOf(date)}`;
}

/** Gives a file to whoever looks at the page. */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
