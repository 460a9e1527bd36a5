// The time line: a row for each camera, a mark for each appearance. Marks are buttons and go by arrow keys.

import { fill, make, sign } from "./dom.js";
import { DECIDED, called, capital, clockOf, counted, likelihood, shortClockOf, shortDayOf, span } from "./wording.js";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const STEPS = [
  5_000,
  10_000,
  30_000,
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((each) => each * MINUTE),
  ...[1, 2, 7, 14, 30, 90, 365].map((each) => each * DAY),
];
const MARK = 30; // pixels: the least breadth of a mark, and the height of a lane
const LANE = 34;
const TICK = 84;
const DAY_TICK = 104; // with the day before the time

/**
 * Draws the appearances into `place` and returns {update, select}: `update()` after decisions or a new width, `select(i)`
 * marks one. `chosen(i)` is called when a mark is pressed.
 */
export function timeLine(place, appearances, ofWords, chosen) {
  let marks = [];
  let selected = 0;
  const observer = new ResizeObserver(() => draw());
  observer.observe(place);

  function draw() {
    const held = marks.findIndex((mark) => mark === document.activeElement);
    const timed = appearances.filter((each) => each.start !== null);
    const broad = Math.max(place.clientWidth - labelBreadth(), 120);
    const scale = timed.length ? scaleOf(timed, broad) : null;
    marks = appearances.map((each, number) => mark(each, number, ofWords, () => chosen(number)));
    const cameras = [...new Set(appearances.map((each) => each.camera))].sort((a, b) =>
      a.localeCompare(b, undefined, { numeric: true }),
    );
    const rows = cameras.map((camera) => row(camera, scale, broad));
    fill(place, rows, scale && axis(scale, broad));
    select(selected);
    if (held >= 0) marks[held].focus({ preventScroll: true });
  }

  function row(camera, scale, broad) {
    const own = appearances.map((each, number) => ({ each, number })).filter(({ each }) => each.camera === camera);
    const lanes = make("div", { class: "lanes" });
    if (scale) {
      const ends = [];
      const ordered = own
        .filter(({ each }) => each.start !== null)
        .sort((a, b) => time(a.each.start) - time(b.each.start));
      for (const { each, number } of ordered) {
        const long = ((time(each.end ?? each.start) - time(each.start)) / scale.long) * broad;
        const breadth = Math.max(long, MARK);
        const left = Math.min(((time(each.start) - scale.first) / scale.long) * broad, broad - breadth);
        const lane = freeLane(ends, left);
        ends[lane] = left + breadth + 3;
        Object.assign(marks[number].style, { left: `${left}px`, width: `${breadth}px`, top: `${lane * LANE}px` });
      }
      lanes.style.height = `${Math.max(ends.length, 1) * LANE}px`;
      lanes.append(...scale.ticks.map(({ at }) => make("i", { class: "grid", style: { left: `${at * 100}%` } })));
      lanes.append(...ordered.map(({ number }) => marks[number]));
    } else {
      lanes.classList.add("untimed");
      lanes.append(...own.map(({ number }) => marks[number]));
    }
    return make(
      "div",
      { class: "camera-row", role: "group", "aria-label": `Camera ${called(camera)}, ${counted(own.length, "appearance")}` },
      make("span", { class: "camera", title: camera, dir: "auto", "aria-hidden": "true" }, called(camera)),
      lanes,
    );
  }

  function select(number) {
    selected = number;
    marks.forEach((mark, other) => {
      mark.tabIndex = other === number ? 0 : -1;
      if (other === number) mark.setAttribute("aria-current", "true");
      else mark.removeAttribute("aria-current");
    });
  }

  // Left and right go through time, up and down to the nearest mark of the next camera.
  place.onkeydown = (event) => {
    const here = marks.indexOf(document.activeElement);
    if (here < 0) return;
    const there = nextMark(appearances, here, event.key);
    if (there === null) return;
    event.preventDefault();
    marks.forEach((mark, number) => (mark.tabIndex = number === there ? 0 : -1));
    marks[there].focus();
  };

  draw();
  return { update: draw, select, end: () => observer.disconnect() };
}

const time = (text) => new Date(text).getTime();
const labelBreadth = () => (matchMedia("(max-width: 40rem)").matches ? 88 : 112);

function freeLane(ends, left) {
  const free = ends.findIndex((end) => end <= left);
  return free < 0 ? ends.length : free;
}

/** Which mark an arrow key leads to from mark `here`; null for other keys and at the ends. */
export function nextMark(appearances, here, key) {
  const order = appearances.map((each, number) => ({
    ...each,
    number,
    at: each.start === null ? Infinity : time(each.start),
  }));
  if (key === "ArrowLeft" || key === "ArrowRight" || key === "Home" || key === "End") {
    order.sort((a, b) => a.at - b.at || a.number - b.number);
    const place = order.findIndex((each) => each.number === here);
    const wanted = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: order.length - 1 }[key];
    return order[wanted]?.number ?? null;
  }
  if (key !== "ArrowUp" && key !== "ArrowDown") return null;
  const cameras = [...new Set(order.map((each) => each.camera))].sort((a, b) =>
    a.localeCompare(b, undefined, { numeric: true }),
  );
  const camera = cameras[cameras.indexOf(order[here].camera) + (key === "ArrowDown" ? 1 : -1)];
  const near = order.filter((each) => each.camera === camera);
  const far = (each) =>
    Math.abs((Number.isFinite(each.at) ? each.at : 0) - (Number.isFinite(order[here].at) ? order[here].at : 0));
  return near.sort((a, b) => far(a) - far(b))[0]?.number ?? null;
}

function mark(appearance, number, ofWords, pressed) {
  const { kind, words, number: percent } = likelihood(appearance.likelihood, ofWords);
  const decided = appearance.decision;
  const said = decided ? `decided: ${DECIDED[decided]}` : [words, percent].filter(Boolean).join(", ");
  const label = `${number + 1}: camera ${called(appearance.camera)}, ${span(appearance.start, appearance.end)}, ${said}`;
  return make(
    "button",
    {
      type: "button",
      class: `time-mark ${decided ?? kind}`,
      "aria-label": label,
      title: capital(label.slice(label.indexOf(":") + 2)),
      onclick: pressed,
    },
    decided === "same" && sign("sign-check", 11),
    decided === "different" && sign("sign-cross", 10),
    make("span", {}, String(number + 1)),
  );
}

/** The time that is shown, with room on both sides, and where its ticks are. */
export function scaleOf(timed, broad) {
  const first = Math.min(...timed.map((each) => time(each.start)));
  const last = Math.max(...timed.map((each) => time(each.end ?? each.start)));
  const room = Math.max((last - first) * 0.04, 5_000);
  const [from, to] = [first - room, last + room];
  const days = shortDayOf(new Date(from)) !== shortDayOf(new Date(to));
  const tick = days ? DAY_TICK : TICK;
  const step = STEPS.find((each) => ((to - from) / each) * tick <= broad) ?? STEPS.at(-1);
  const shift = new Date(from).getTimezoneOffset() * MINUTE; // ticks at whole hours and days of the clock on the wall
  const ticks = [];
  let day = "";
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) {
    const date = new Date(at);
    const clock = step < MINUTE ? clockOf(date) : shortClockOf(date);
    const begins = days && shortDayOf(date) !== day; // the first tick of a day names it
    day = shortDayOf(date);
    ticks.push({ at: (at - from) / (to - from), label: step >= DAY ? day : begins ? `${day}, ${clock}` : clock });
  }
  return { first: from, long: to - from, ticks };
}

function axis(scale, broad) {
  const inside = scale.ticks.filter(({ at }) => at * broad > 8 && at * broad < broad - 8);
  return make(
    "div",
    { class: "axis", "aria-hidden": "true" },
    make("span", { class: "camera" }),
    make(
      "div",
      { class: "lanes" },
      inside.map(({ at, label }) => make("span", { class: "tick", style: { left: `${at * 100}%` } }, label)),
    ),
  );
}
