"use strict";
// Draws the timeline from the JSON in the page and plays the programme from where one clicks.
// Text becomes text nodes, never markup.

const LABELS = { score: "score", song: "song", no_music: "no music" };
const STRIP = [0, 12]; // from top to bottom, of 100
const LEVEL = [14, 46];
const SHARES = [51, 100];
const FLOOR_DB = -60;
const MUSIC_FROM = 0.5;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const TICK_PX = 90;
const NAME_PX = 44;
const DEEPEST_PX_PER_S = 200;

const data = JSON.parse(document.getElementById("data").textContent);
const segments = data.segments.map(([start, end, label, probability, confident, vocal], index) => (
  { index, start, end, label, probability, confident, vocal }));
const byId = (id) => document.getElementById(id);
const [view, programme] = [byId("view"), byId("programme")];

// ---- small parts

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const two = (n) => String(n).padStart(2, "0");
const percent = (share) => `${Math.round(100 * share)}%`;
const between = ([top, bottom], share) => bottom - share * (bottom - top);

function clock(seconds, decimals = 1) {
  const units = 10 ** decimals;
  const parts = Math.round(seconds * units);
  const whole = Math.floor(parts / units);
  const time = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return decimals ? `${time}.${parts % units}` : time;
}

function segmentAt(seconds) {
  return segments.find((segment) => seconds < segment.end) || segments[segments.length - 1];
}

function told(segment) {
  if (!segment) return "";
  const sure = segment.confident ? "" : " (unsure)";
  const heard = segment.label === "no_music" ? "" : `, p(song) ${segment.probability.toFixed(2)}, voice ${percent(segment.vocal)}`;
  return `${LABELS[segment.label]}${sure}${heard}`;
}

// ---- the picture, a hundred high and as wide as the programme has seconds

/** An outline with one step for each point that is chosen, down to the bottom of the panel. */
function steps(values, panel, chosen) {
  const parts = [];
  values.forEach((value, i) => {
    if (!chosen(i)) return;
    const [left, right] = [i * data.hop_s, Math.min((i + 1) * data.hop_s, data.duration_s)];
    parts.push(`M${left} ${panel[1]}V${between(panel, value)}H${right}V${panel[1]}Z`);
  });
  return parts.join("");
}

/** A line through the middles of the points that are chosen. */
function line(values, panel, chosen) {
  let path = "";
  values.forEach((value, i) => {
    if (chosen(i)) path += `${chosen(i - 1) ? "L" : "M"}${(i + 0.5) * data.hop_s} ${between(panel, value)}`;
  });
  return path;
}

function strip(segment) {
  const sure = segment.confident ? "" : " unsure";
  const place = { x: segment.start, width: segment.end - segment.start, y: STRIP[0], height: STRIP[1] - STRIP[0] };
  return svg("rect", { ...place, class: `${segment.label}${sure} edge` });
}

function picture() {
  const heard = data.level_db.map((_, i) => segmentAt((i + 0.5) * data.hop_s)?.label);
  const level = data.level_db.map((db) => Math.min(Math.max(1 - db / FLOOR_DB, 0), 1));
  const [low, high] = data.band;
  return svg("svg", { viewBox: `0 0 ${data.duration_s || 1} 100`, preserveAspectRatio: "none", "aria-hidden": "true" },
    ...segments.map(strip),
    ...Object.keys(LABELS).map((label) => svg("path", { class: label, d: steps(level, LEVEL, (i) => heard[i] === label) })),
    svg("rect", { class: "band", x: 0, width: data.duration_s, y: between(SHARES, high), height: between(SHARES, low) - between(SHARES, high) }),
    svg("path", { class: "voice", d: steps(data.voice, SHARES, () => true) }),
    svg("path", { class: "probability", d: line(data.song_probability, SHARES, (i) => data.music[i] >= MUSIC_FROM) }));
}

// ---- what stands over it, which depends on how wide it is shown

let zoom = 1;

const percentOf = (seconds) => `${(100 * seconds) / (data.duration_s || 1)}%`;

function tick(seconds) {
  const mark = el("span", { class: "tick" }, clock(seconds, 0));
  mark.style.left = percentOf(seconds);
  return mark;
}

function name(segment) {
  const mark = el("span", { class: "name" }, `${LABELS[segment.label]}${segment.confident ? "" : "?"}`);
  mark.style.left = percentOf(segment.start);
  mark.style.width = percentOf(segment.end - segment.start);
  return mark;
}

function label() {
  const pxPerS = programme.clientWidth / (data.duration_s || 1);
  const step = STEPS_S.find((s) => s * pxPerS >= TICK_PX) || data.duration_s || 1;
  const ticks = Array.from({ length: Math.ceil(data.duration_s / step) }, (_, i) => tick(i * step));
  const names = segments.filter((s) => s.label !== "no_music" && (s.end - s.start) * pxPerS >= NAME_PX).map(name);
  programme.querySelectorAll(".tick, .name").forEach((mark) => mark.remove());
  programme.append(...ticks, ...names);
}

/** Show the programme so many times as wide, with the same moment in the middle. */
function zoomBy(factor) {
  const middle = (view.scrollLeft + view.clientWidth / 2) / programme.clientWidth;
  const deepest = Math.max(1, (DEEPEST_PX_PER_S * data.duration_s) / view.clientWidth);
  zoom = Math.min(Math.max(1, zoom * factor), deepest);
  programme.style.width = `${100 * zoom}%`;
  view.scrollLeft = middle * programme.clientWidth - view.clientWidth / 2;
  label();
}

// ---- the player

const player = data.href === null ? null : el(data.film ? "video" : "audio", { controls: "", preload: "metadata", src: data.href });
const head = el("div", { id: "head" });
const rows = segments.map(row);
let current = null;

/** Show where the programme is, in the picture and in the list. */
function show(seconds) {
  const segment = segmentAt(seconds);
  head.style.left = percentOf(seconds);
  byId("here").textContent = `${clock(seconds)} ${told(segment)}`;
  if (segment === current) return;
  if (current) rows[current.index].removeAttribute("aria-current");
  if (segment) rows[segment.index].setAttribute("aria-current", "true");
  current = segment;
}

function jump(seconds) {
  show(seconds);
  if (!player) return;
  player.currentTime = seconds;
  player.play().catch(() => {}); // a player that cannot play says so itself
}

/** Keep the moment that plays in view. */
function follow() {
  show(player.currentTime);
  const x = (player.currentTime / data.duration_s) * programme.clientWidth;
  if (!player.paused && (x < view.scrollLeft || x > view.scrollLeft + view.clientWidth)) view.scrollLeft = x - 20;
}

function row(segment) {
  const button = el("button", { type: "button" }, clock(segment.start));
  button.addEventListener("click", () => jump(segment.start));
  const music = segment.label !== "no_music";
  return el("tr", {},
    el("td", {}, button), el("td", {}, clock(segment.end)), el("td", {}, clock(segment.end - segment.start)),
    el("td", { class: segment.label }, `${LABELS[segment.label]}${segment.confident ? "" : " (unsure)"}`),
    el("td", {}, music ? segment.probability.toFixed(2) : ""), el("td", {}, music ? percent(segment.vocal) : ""));
}

programme.append(picture(), head);
byId("segments").append(...rows);
if (player) {
  byId("player").append(player);
  player.addEventListener("timeupdate", follow);
}
programme.addEventListener("click", (event) => {
  const { left, width } = programme.getBoundingClientRect();
  jump((data.duration_s * (event.clientX - left)) / width);
});
byId("in").addEventListener("click", () => zoomBy(2));
byId("out").addEventListener("click", () => zoomBy(0.5));
addEventListener("resize", label);
label();
show(0);
