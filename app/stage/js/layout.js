// Where things stand: scenes take the height that the window has, curves stand beside them where there is room.

import { element, iconButton } from "./dom.js";

export const NARROW = 700; // pixels: narrower than that is a phone
const CURVES_BESIDE = 980; // pixels from which on curves stand beside the scenes
const MOST_BESIDE = 3;
const GAP = 10;
const SHAPE = 0.8; // width by height of a scene that is used well by a standing person
const LEAST = 240; // pixels that scenes are high at least
const LEAST_OF_PARTS = { wide: 330, narrow: 420 }; // the same with a strip of parts above them

/**
 * The number of columns in which panels of one shape become largest.
 * count: of panels. width, height: of the room in pixels. gap: between panels.
 * @param {number} count
 * @param {number} width
 * @param {number} height
 */
export function bestColumns(count, width, height, { gap = GAP, shape = SHAPE, head = 30 } = {}) {
  let best = 1, largest = -Infinity;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const w = (width - gap * (columns - 1)) / columns;
    const h = (height - gap * (rows - 1)) / rows - head;
    const size = Math.min(w / shape, h);
    if (size > largest + 1) [best, largest] = [columns, size];
  }
  return best;
}

/**
 * Height for the scenes, so that they and what stands above and below them fill the window.
 * top: pixels from the page's top to the stage; around: what else the stage shows on the first screen; least: the
 * height below which the page is scrolled instead.
 * @param {{ window: number, top: number, around: number, least?: number }} of
 */
export function roomFor({ window: whole, top, around, least = LEAST }) {
  // A stage that begins low on a page has a screen of its own.
  const from = top > 0.45 * whole ? 8 : top;
  return Math.max(least, Math.floor(whole - from - around));
}

/**
 * Which charts stand beside the scenes: curves over the steps, or the joints' bars, a few of them.
 * @param {ChartSpec[]} specs
 */
export function chartsBeside(specs) {
  const curves = specs.filter((s) => s.kind === "line" && s.axis === "step").slice(0, MOST_BESIDE);
  return curves.length ? curves : specs.filter((s) => s.kind === "bars").slice(0, 1);
}

/**
 * Columns that charts take, of 12: the last one of a row takes what is left of it.
 * @param {number[]} spans
 */
export function filledSpans(spans) {
  let used = 0;
  return spans.map((span, i) => {
    used += span;
    if (used + (spans[i + 1] ?? 12) <= 12) return span;
    const left = 12 - used;
    used = 0;
    return span + left;
  });
}

/**
 * The column tracks of a grid of panels.
 * @param {Header} header
 * @param {Panel[]} shown
 * @param {number} columns
 */
function tracksOf(header, shown, columns) {
  if (header.columns) return `repeat(${header.columns}, minmax(0, 1fr))`;
  if (columns === shown.length) return shown.map((p) => `minmax(0, ${p.spec.columns || 1}fr)`).join(" ");
  return `repeat(${columns}, minmax(0, 1fr))`;
}

/** Scenes and curves. */
export class Layout {
  /**
   * @param {Stage} stage
   * @param {HTMLElement} host
   */
  constructor(stage, host) {
    this.stage = stage;
    this.single = false;
    this.height = 0;
    this.arrangement = element("div", "dps-segment dps-arrangement", host);
    this.buildArrangement();
  }
  /** How several scenes stand: above each other or side by side. */
  buildArrangement() {
    this.arrangement.setAttribute("role", "group");
    this.arrangement.setAttribute("aria-label", "Arrangement of the scenes");
    for (const [name, title] of [["stacked", "Scenes above each other"], ["beside", "Scenes side by side"]]) {
      const b = iconButton(this.arrangement, name, title, () => {
        this.stage.memory.arrangement = /** @type {"stacked" | "beside"} */ (name);
        this.arrange();
      }, "");
      b.dataset.arrangement = name;
    }
  }
  /** Where all panels are scenes, each has a button that shows it alone. */
  build() {
    const { stage } = this;
    const { panels } = stage.header;
    this.single = panels.length > 1 && panels.every((p) => p.kind === "scene");
    if (!this.single || !panels.some((p) => p.id === stage.memory.only)) stage.memory.only = null;
    this.arrange();
  }
  /**
   * Shows one scene, or with null all of them.
   * @param {string | null} id
   */
  showOnly(id) {
    this.stage.memory.only = id;
    this.arrange();
  }
  /** Gives every panel its place. */
  arrange() {
    const { stage } = this;
    const { header, memory, grid } = stage;
    const { only } = memory;
    for (const p of stage.panels) p.root.hidden = only != null && p.spec.id !== only;
    const shown = stage.panels.filter((p) => !p.root.hidden);
    this.placeCharts();
    this.fit();
    const [width, height] = [grid.clientWidth || 900, grid.clientHeight || 400];
    const wanted = memory.arrangement && { stacked: 1, beside: shown.length }[memory.arrangement];
    const wordy = shown.some((p) => p.spec.kind === "equation") ? 1 : null; // needs the width of a phone for itself
    const columns = only != null ? 1 : (stage.narrow ? wordy : wanted) ?? bestColumns(shown.length, width, height);
    grid.dataset.panels = String(shown.length);
    grid.dataset.columns = header.columns ? "parts" : String(columns);
    grid.style.setProperty("--dps-columns", only != null ? "minmax(0, 1fr)" : tracksOf(header, shown, columns));
    this.fillCell(shown, columns);
    this.levelHeads(shown);
    for (const p of stage.panels) p.measured = null;
    for (const p of stage.panels) p.markOnly(this.single, only != null);
    this.arrangement.hidden = shown.length < 2 || only != null;
    for (const b of this.arrangement.querySelectorAll("button")) b.setAttribute("aria-pressed", (b.dataset.arrangement === "stacked") === (columns === 1));
    this.arrangedFor = this.room();
    stage.legend.place();
    stage.schedule();
  }
  /**
   * On a phone a cell that no scene needs holds the view's first curve; without curves the last scene takes it too.
   * @param {Panel[]} shown
   * @param {number} columns
   */
  fillCell(shown, columns) {
    const { stage } = this;
    if (stage.header.columns) return;
    const empty = stage.narrow ? (columns - (shown.length % columns)) % columns : 0;
    const free = empty > 0;
    const [first] = chartsBeside(stage.header.charts || []);
    const chart = stage.charts.find((c) => c.spec.id === first?.id && c.spec.kind === "line");
    shown.forEach((p, i) => p.root.style.setProperty("--span", String(!chart && i === shown.length - 1 ? 1 + empty : 1)));
    if (!chart || !stage.narrow) return;
    if (free && chart.root.parentNode !== stage.grid) stage.grid.append(chart.root);
    if (!free && chart.root.parentNode === stage.grid) stage.chartRow.prepend(chart.root);
  }
  /**
   * Heads of one height, though the words in some need two lines: linked scenes stand at one height too.
   * @param {Panel[]} shown
   */
  levelHeads(shown) {
    const heads = shown.filter((p) => !p.spec.part).map((p) => p.head);
    for (const head of heads) head.style.minHeight = "";
    const tallest = Math.max(0, ...heads.map((head) => head.offsetHeight));
    for (const head of heads) head.style.minHeight = `${tallest}px`;
  }
  /** What an arrangement depends on. */
  room() { return `${this.stage.width} x ${this.height}`; }
  placeCharts() {
    const { stage } = this;
    const beside = new Set(stage.width >= CURVES_BESIDE ? chartsBeside(stage.header.charts || []).map((s) => s.id) : []);
    stage.root.dataset.curves = beside.size ? "beside" : "below";
    stage.side.hidden = !beside.size;
    /** @param {Chart} chart */
    const host = (chart) => (beside.has(chart.spec.id) ? stage.side : stage.chartRow);
    if (stage.narrow && stage.charts.some((chart) => chart.root.parentNode === stage.grid)) return;
    if (!stage.charts.every((chart) => chart.root.parentNode === host(chart))) {
      for (const chart of stage.charts) host(chart).append(chart.root); // in their order
    }
    stage.chartRow.hidden = !stage.chartRow.childElementCount;
    const below = stage.charts.filter((chart) => chart.root.parentNode === stage.chartRow && chart.spec.span);
    filledSpans(below.map((chart) => chart.spec.span ?? 12)).forEach((span, i) => (below[i].root.style.gridColumn = `span ${span}`));
  }
  /** Takes the height that the window leaves. Returns whether it changed. */
  fit() {
    const { stage } = this;
    const { root, work } = stage;
    if (!root.isConnected) return false;
    const scroller = root.closest("[data-testid=stMain]");
    const full = document.fullscreenElement === root;
    const top = full ? 0 : root.getBoundingClientRect().top + (scroller ? scroller.scrollTop : window.scrollY);
    const least = stage.header.columns ? LEAST_OF_PARTS[stage.narrow ? "narrow" : "wide"] : LEAST;
    const outer = stage.top.offsetHeight + stage.timeline.root.offsetHeight + 2 * 6 + 8;
    /** @type {number} */
    const height = roomFor({ window: window.innerHeight, top: full ? 8 : Math.max(0, top), around: outer, least });
    if (height === this.height) return false;
    this.height = height;
    work.style.height = `${height}px`;
    return true;
  }
}
