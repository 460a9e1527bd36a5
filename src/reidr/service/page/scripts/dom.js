// Elements from names, attributes and children. Text stays text: nothing here ever reads markup.

const isThere = (child) => child !== null && child !== undefined && child !== false && child !== "";

/**
 * An element. Attributes: strings are set as they are, true as an empty attribute, false and null not at all; names that
 * begin with "on" take a listener, `style` takes an object (set through the object model, as the security policy wants).
 */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(element.style, value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(2).filter(isThere));
  return element;
}

/** A drawn sign from the page's own set; `words` beside it say the same. */
export function sign(id, size = 14) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}

export const find = (id) => document.getElementById(id);

/** Replaces what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(2).filter(isThere));
}

/** Tells people who hear the page rather than see it. */
export function announce(text) {
  find("announcements").textContent = text;
}

/** Shows a modal dialog and gives what it is closed with ("" when it is left by Escape). */
export function askIn(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}
