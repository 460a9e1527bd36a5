// A box is drawn around one person of a picture that shows several, with a pointer or with arrow keys.

import { askIn, find } from "./dom.js";

const STEP = 0.01;
const LEAST = 0.02;
/** Where the box begins: in the middle, of the shape of a standing person. */
const FIRST_HEIGHT = 0.7;

/** left, top, right, bottom in shares of the picture. */
let box = [0, 0, 1, 1];

/**
 * Asks for a box. Gives {blob, box} of what is inside, {} where the whole picture is wanted, null where it is left.
 * `tooLarge`: the whole picture is more than can be sent, so a box is needed.
 */
export async function cutOut(file, name, former, tooLarge) {
  const dialog = find("box-dialog");
  const image = find("box-image");
  image.src = URL.createObjectURL(file);
  image.alt = name;
  try {
    await image.decode();
    find("box-whole").hidden = tooLarge;
    find("box-large").hidden = !tooLarge;
    set(former ?? firstBox(image));
    const answer = askIn(dialog);
    find("box").focus();
    const how = await answer;
    if (how === "whole") return {};
    return how === "cut" ? { blob: await cut(image), box: [...box] } : null;
  } finally {
    URL.revokeObjectURL(image.src);
    image.removeAttribute("src");
  }
}

function firstBox(image) {
  const broad = Math.min((FIRST_HEIGHT * image.naturalHeight * 0.4) / image.naturalWidth, 1);
  return [0.5 - broad / 2, 0.5 - FIRST_HEIGHT / 2, 0.5 + broad / 2, 0.5 + FIRST_HEIGHT / 2];
}

const within = (value, least, most) => Math.min(Math.max(value, least), most);

function set([left, top, right, bottom]) {
  box = [within(left, 0, 1 - LEAST), within(top, 0, 1 - LEAST), within(right, LEAST, 1), within(bottom, LEAST, 1)];
  box[2] = Math.max(box[2], box[0] + LEAST);
  box[3] = Math.max(box[3], box[1] + LEAST);
  const drawn = find("box");
  drawn.style.left = `${100 * box[0]}%`;
  drawn.style.top = `${100 * box[1]}%`;
  drawn.style.width = `${100 * (box[2] - box[0])}%`;
  drawn.style.height = `${100 * (box[3] - box[1])}%`;
  const percent = box.map((share) => Math.round(100 * share));
  drawn.setAttribute(
    "aria-label",
    `The box: from ${percent[0]} to ${percent[2]} percent across, from ${percent[1]} to ${percent[3]} percent down`,
  );
}

/** The inside of the box at the picture's own resolution, without loss. */
async function cut(image) {
  const [left, top, right, bottom] = box;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(Math.round((right - left) * image.naturalWidth), 1);
  canvas.height = Math.max(Math.round((bottom - top) * image.naturalHeight), 1);
  const context = canvas.getContext("2d");
  context.drawImage(image, -Math.round(left * image.naturalWidth), -Math.round(top * image.naturalHeight));
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export function startBox() {
  const stage = find("box-stage");
  let anchor = null;
  let grip = null;
  const at = (event) => {
    const bounds = stage.getBoundingClientRect();
    return [
      within((event.clientX - bounds.left) / bounds.width, 0, 1),
      within((event.clientY - bounds.top) / bounds.height, 0, 1),
    ];
  };
  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    anchor = at(event);
    // A press inside the box moves it; outside it a new one is drawn.
    const inside = anchor[0] > box[0] && anchor[0] < box[2] && anchor[1] > box[1] && anchor[1] < box[3];
    const corner = event.target.closest("[data-corner]")?.dataset.corner;
    if (corner) anchor = opposite(corner);
    grip = inside && !corner ? [...box] : null;
  });
  stage.addEventListener("pointermove", (event) => {
    if (!anchor) return;
    const now = at(event);
    if (grip) moved(grip, now[0] - anchor[0], now[1] - anchor[1]);
    else
      set([
        Math.min(now[0], anchor[0]),
        Math.min(now[1], anchor[1]),
        Math.max(now[0], anchor[0]),
        Math.max(now[1], anchor[1]),
      ]);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, () => {
      anchor = grip = null;
      find("box").focus({ preventScroll: true });
    });
  }
  find("box").addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const [across, down] = way.map((each) => each * STEP);
    if (event.shiftKey) set([box[0], box[1], box[2] + across, box[3] + down]);
    else moved(box, across, down);
  });
}

function opposite(corner) {
  return [corner.includes("w") ? box[2] : box[0], corner.includes("n") ? box[3] : box[1]];
}

/** The box moved as it is, as far as the picture goes. */
function moved([left, top, right, bottom], across, down) {
  const x = within(across, -left, 1 - right);
  const y = within(down, -top, 1 - bottom);
  set([left + x, top + y, right + x, bottom + y]);
}
