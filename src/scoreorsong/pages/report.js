"use strict";
// Builds the tables from the JSON in the page. Names become text nodes, never markup.

const FILES_A_PAGE = 50;
const FOLDERS_A_PAGE = 10;
const LABELS = { score: "score", song: "song", no_music: "no music" };
const collator = new Intl.Collator("en", { numeric: true });

const data = JSON.parse(document.getElementById("data").textContent);

const folders = data.folders.map(([path, count, score, song, noMusic, uncertain, failed]) => {
  const share = (n) => (count > failed ? n / (count - failed) : null);
  return {
    path, count, uncertain, failed,
    score: share(score), song: share(song), noMusic: share(noMusic),
  };
});

const files = data.files.map(([folder, name, label, probability, confident, vocal, music, length, remark, href]) => {
  const { path } = folders[folder];
  const whole = path ? `${path}/${name}` : name;
  const file = { folder: folders[folder], path, whole, name, label, probability, confident, vocal, music, length, remark, href };
  file.state = label === null ? "failed" : confident ? "sure" : "uncertain";
  file.sought = `${whole}\n${remark}`.toLowerCase();
  return file;
});

const folderOf = new Map(folders.map((folder) => [folder.path, folder]));
const albums = data.albums && data.albums.map(([path, kind, probability, tracks, score, song, cohesion]) => (
  { path, kind, probability, tracks, score, song, cohesion, folder: folderOf.get(path) }));

// ---- small parts

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const plain = (n) => n.toLocaleString("en");
const percent = (share) => (share === null ? "" : `${Math.round(100 * share)}%`);
const shownFolder = (path) => path || "(this folder)";

function clock(seconds) {
  if (seconds === null) return "";
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** How sure a call is, the least sure lowest: first by the model's own word, then by distance from even. */
function certainty(file) {
  if (file.label === null) return null;
  if (file.label === "no_music") return file.confident ? 2 : 0.5;
  return Math.abs(file.probability - 0.5) + (file.confident ? 1 : 0);
}

// ---- a table that sorts by every column and shows one page of its rows

class SortedTable {
  constructor(root, { caption, columns, rows, size, by }) {
    Object.assign(this, { columns, rows, size, by, falling: false, page: 0 });
    this.heads = new Map(columns.map((column) => [column, this.head(column)]));
    this.body = el("tbody", { role: "rowgroup" });
    this.status = el("p", { role: "status" });
    this.pagers = [this.pager(), this.pager()];
    this.table = el("table", { role: "table" },
      el("caption", {}, caption),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...this.heads.values())),
      this.body);
    root.append(this.status, this.pagers[0], this.table, this.pagers[1]);
    this.show(rows);
  }

  head(column) {
    const button = el("button", { type: "button", onclick: () => this.sortBy(column) }, column.title);
    return el("th", { role: "columnheader", scope: "col", "data-column": column.key }, button);
  }

  pager() {
    const step = (name, by) => el("button", { type: "button", onclick: () => this.turn(by) }, name);
    return el("nav", { "aria-label": "pages" }, step("‹ Previous", -1), step("Next ›", 1));
  }

  turn(by) {
    this.page += by;
    this.render();
    this.table.scrollIntoView({ block: "nearest" });
    if (this.table.getBoundingClientRect().top < 0) this.table.scrollIntoView();
  }

  sortBy(column) {
    this.falling = this.by === column && !this.falling;
    this.by = column;
    this.show(this.rows);
  }

  /** Show these rows, sorted; what has no value stands last either way. */
  show(rows) {
    const { value } = this.by;
    const sign = this.falling ? -1 : 1;
    const keyed = rows.map((row) => [value(row), row]);
    const compare = keyed.some(([key]) => typeof key === "string") ? collator.compare : (a, b) => a - b;
    const blank = (key) => key === null || key === "";
    keyed.sort(([a], [b]) => (blank(a) || blank(b) ? blank(a) - blank(b) : sign * compare(a, b)));
    this.rows = keyed.map(([, row]) => row);
    this.page = 0;
    this.render();
  }

  render() {
    const first = this.page * this.size;
    const shown = this.rows.slice(first, first + this.size);
    this.body.replaceChildren(...shown.map((row) => this.row(row)));
    this.status.textContent = shown.length
      ? `${plain(first + 1)} to ${plain(first + shown.length)} of ${plain(this.rows.length)}`
      : "None.";
    for (const [column, head] of this.heads) {
      head.setAttribute("aria-sort", column !== this.by ? "none" : this.falling ? "descending" : "ascending");
    }
    for (const pager of this.pagers) {
      const [previous, next] = pager.children;
      pager.hidden = this.rows.length <= this.size;
      previous.disabled = first === 0;
      next.disabled = first + this.size >= this.rows.length;
    }
  }

  row(row) {
    const cells = this.columns.map((column) =>
      el("td", { role: "cell", "data-column": column.key, "data-title": column.title }, column.cell(row)));
    return el("tr", { role: "row" }, ...cells);
  }
}

// ---- cells

function bar(share) {
  if (share === null) return "";
  const fill = el("span", { class: "fill" });
  fill.style.width = `${100 * share}%`;
  return el("span", { class: "bar" }, fill);
}

function measure(share, text) {
  return el("span", { class: "measure" }, el("span", {}, text), bar(share));
}

function nameCell(file) {
  const name = el("div", { class: "name" }, el("bdi", {}, file.name), el("bdi", { class: "path" }, file.path));
  const box = el("div", { class: "file" }, name);
  if (file.href !== null) box.prepend(playButton(file, box));
  return box;
}

let playing = null;

function playButton(file, box) {
  const button = el("button", { type: "button", class: "play" });
  const say = (word, sign) => {
    button.textContent = sign;
    button.setAttribute("aria-label", `${word} ${file.name}`);
  };
  const stop = () => {
    box.querySelectorAll("audio, .unplayable").forEach((part) => part.remove());
    say("Play", "▶");
    playing = null;
  };
  button.addEventListener("click", () => {
    const again = playing && playing.button === button;
    if (playing) playing.stop();
    if (again) return;
    say("Stop", "■");
    playing = { button, stop };
    box.append(player(file, box));
  });
  say("Play", "▶");
  return button;
}

function player(file, box) {
  const audio = el("audio", { controls: true, autoplay: true, src: file.href, "aria-label": file.name });
  audio.addEventListener("error", () => {
    audio.remove();
    box.append(el("p", { class: "unplayable" }, "This browser cannot play it. ", el("a", { href: file.href }, "Open the file")));
  });
  return audio;
}

function labelCell(file) {
  return el("span", { class: `tag ${file.label || "failed"}` }, file.label === null ? "failed" : LABELS[file.label]);
}

const stateCell = (file) => (file.label === null ? "" : el("span", { class: `tag ${file.state}` }, file.state));

function folderCell(folder) {
  const pressed = String(chosen.folder === folder);
  const name = el("bdi", {}, shownFolder(folder.path));
  return el("button", { type: "button", class: "folder", "aria-pressed": pressed, onclick: () => choose(folder) }, name);
}

const ALBUM_CLASSES = { "score album": "score", "song soundtrack": "song" };

function kindCell({ kind }) {
  return kind ? el("span", { class: `tag ${ALBUM_CLASSES[kind] || ""}` }, kind) : "";
}

const albumCell = ({ folder, path }) => (folder ? folderCell(folder) : el("bdi", {}, shownFolder(path)));

// ---- filters

const chosen = { words: [], label: "", state: "", folder: null };

function wanted(file) {
  return (!chosen.folder || file.folder === chosen.folder)
    && (!chosen.label || file.label === chosen.label)
    && (!chosen.state || file.state === chosen.state)
    && chosen.words.every((word) => file.sought.includes(word));
}

function filter() {
  chosen.words = document.getElementById("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  chosen.label = document.getElementById("label").value;
  chosen.state = document.getElementById("state").value;
  fileTable.show(files.filter(wanted));
}

/** Show the files of one folder, or of all where it was chosen before. */
function choose(folder) {
  chosen.folder = chosen.folder === folder ? null : folder;
  const chip = document.getElementById("folder");
  chip.hidden = !chosen.folder;
  chip.replaceChildren("Only ", el("bdi", {}, chosen.folder ? shownFolder(chosen.folder.path) : ""), ": show all");
  folderTable.render();
  if (albumTable) albumTable.render();
  filter();
  document.getElementById("files-title").focus();
}

// ---- the page

const FILE_COLUMNS = [
  { key: "file", title: "File", value: (file) => file.whole, cell: nameCell },
  { key: "label", title: "Label", value: (file) => file.label || "", cell: labelCell },
  { key: "probability", title: "Song probability", value: (file) => file.probability,
    cell: (file) => (file.probability === null ? "" : measure(file.probability, file.probability.toFixed(2))) },
  { key: "certainty", title: "Certainty", value: certainty, cell: stateCell },
  { key: "vocal", title: "Voice", value: (file) => file.vocal, cell: (file) => percent(file.vocal) },
  { key: "music", title: "Music", value: (file) => file.music, cell: (file) => percent(file.music) },
  { key: "length", title: "Length", value: (file) => file.length, cell: (file) => clock(file.length) },
  { key: "remark", title: "Remarks", value: (file) => file.remark, cell: (file) => (file.remark ? el("bdi", {}, file.remark) : "") },
];

const shareColumn = (key, title) => (
  { key, title, value: (folder) => folder[key], cell: (folder) => measure(folder[key], percent(folder[key])) });
const countColumn = (key, title) => (
  { key, title, value: (folder) => folder[key], cell: (folder) => plain(folder[key]) });

const FOLDER_COLUMNS = [
  { key: "folder", title: "Folder", value: (folder) => shownFolder(folder.path), cell: folderCell },
  countColumn("count", "Files"),
  shareColumn("score", "Score"),
  shareColumn("song", "Song"),
  shareColumn("noMusic", "No music"),
  countColumn("uncertain", "Uncertain"),
  countColumn("failed", "Failed"),
];

const ALBUM_COLUMNS = [
  { key: "folder", title: "Folder", value: (album) => shownFolder(album.path), cell: albumCell },
  { key: "kind", title: "Kind", value: (album) => album.kind || "", cell: kindCell },
  shareColumn("probability", "Probability"),
  countColumn("tracks", "Tracks"),
  shareColumn("score", "Score"),
  shareColumn("song", "Song"),
  shareColumn("cohesion", "Cohesion"),
];

const albumTable = albums && new SortedTable(document.getElementById("albums"), {
  caption: "Albums", columns: ALBUM_COLUMNS, rows: albums, size: FOLDERS_A_PAGE, by: ALBUM_COLUMNS[0],
});
const folderTable = new SortedTable(document.getElementById("folders"), {
  caption: "Folders", columns: FOLDER_COLUMNS, rows: folders, size: FOLDERS_A_PAGE, by: FOLDER_COLUMNS[0],
});
const fileTable = new SortedTable(document.getElementById("files"), {
  caption: "Files", columns: FILE_COLUMNS, rows: files, size: FILES_A_PAGE,
  by: FILE_COLUMNS.find((column) => column.key === "certainty"),
});

const listen = (id, event, act) => document.getElementById(id).addEventListener(event, act);
listen("text", "input", filter);
listen("label", "change", filter);
listen("state", "change", filter);
listen("filters", "submit", (event) => event.preventDefault());
listen("folder", "click", () => choose(chosen.folder));
