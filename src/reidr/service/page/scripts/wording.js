// How numbers and times are said.

const LEVELS = [
  [0.95, "very likely the same person", "likely"],
  [0.75, "likely the same person", "likely"],
  [0.4, "perhaps the same person", "perhaps"],
  [0.1, "unlikely the same person", "unlikely"],
  [0, "very unlikely the same person", "unlikely"],
];

/** The same for a description: that all of it holds is less likely the more it says. */
const LEVELS_OF_WORDS = [
  [0.7, "likely to fit all the words", "likely"],
  [0.3, "may fit all the words", "perhaps"],
  [0, "unlikely to fit all the words", "unlikely"],
];

/**
 * A calibrated probability in words, with the kind of mark it gets: "likely", "perhaps", "unlikely" or "unknown".
 * `ofWords`: it is that a description holds, not that it is the same person.
 */
export function likelihood(value, ofWords = false) {
  if (value === null || value === undefined) return { words: "no probability", kind: "unknown", number: "" };
  const [, words, kind] = (ofWords ? LEVELS_OF_WORDS : LEVELS).find(([least]) => value >= least);
  // 0.997 is not 100 %, and 0.003 is not 0 %.
  const percent = Math.round(value * 100);
  const number = percent === 100 && value < 1 ? "over 99 %" : percent === 0 && value > 0 ? "under 1 %" : `${percent} %`;
  return { words, kind, number };
}

export const ANSWERS = {
  same: "one person",
  different: "two persons",
  insufficient: "too little can be seen",
};

export const DECIDED = { same: "same person", different: "someone else" };

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const dayOf = (time) => day.format(time);
export const clockOf = (time) => clock.format(time);
export const shortClockOf = (time) => short.format(time);
export const shortDayOf = (time) => shortDay.format(time);

/** From–to of an appearance, for reading; the end is left out where it is the start. */
export function span(start, end) {
  if (start === null && end === null) return "time unknown";
  const from = new Date(start ?? end);
  const to = new Date(end ?? start);
  const first = `${dayOf(from)}, ${clockOf(from)}`;
  if (clockOf(from) === clockOf(to) && dayOf(from) === dayOf(to)) return first;
  return dayOf(from) === dayOf(to) ? `${first} – ${clockOf(to)}` : `${first} – ${dayOf(to)}, ${clockOf(to)}`;
}

/** "not headwear: hat" as ["no hat", "headwear"]; the second is "" where a term names no family. */
export function termParts(text) {
  const [, not, family, value] = /^(not )?(?:(.*?): )?(.*)$/.exec(text);
  return [`${not ? "no " : ""}${value}`, family ?? ""];
}

export const counted = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

/** A camera's name; a recorder may leave it empty. */
export const called = (camera) => camera.trim() || "camera without a name";

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** "a, b and c". */
export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
