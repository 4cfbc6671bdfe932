// Charts of results: dots a row, bars, and gains to both sides of zero. Values come as plain lists; every chart is drawn anew
// when its width, the theme or what is switched off changes.

import { element, rich } from "../stage/js/dom.js";
import { readTheme } from "../stage/js/theme.js";

/** @type {Map<string, Set<string>>} */
const switchedOff = new Map(); // chart's title -> labels that the person has switched off
const ROW = 25;

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @param {Element | null} [parent]
 * @param {string} [text]
 */
function node(tag, attributes, parent, text) {
  const n = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) n.setAttribute(name, value);
  if (text != null) svgRich(n, text);
  if (parent) parent.appendChild(n);
  return n;
}

/**
 * The paper's subscripts in SVG: f_ST.
 * @param {Element} n
 * @param {string} text
 */
function svgRich(n, text) {
  let last = 0, low = false;
  /**
   * @param {string} words
   * @param {boolean} sub
   */
  const add = (words, sub) => {
    if (!words) return;
    const span = node("tspan", { dy: sub ? 3 : low ? -3 : 0 }, n);
    if (sub) span.setAttribute("class", "sub");
    span.textContent = words;
    low = sub;
  };
  const string = String(text);
  for (const match of string.matchAll(/\b([A-Za-z])_([A-Za-z0-9]+)/g)) {
    add(string.slice(last, match.index) + match[1], false);
    add(match[2], true);
    last = match.index + match[0].length;
  }
  add(string.slice(last), false);
}

/** @type {Record<string, (r: number) => string>} */
const PATHS = {
  circle: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
  ring: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
  square: (r) => `M${-r * 0.85},${-r * 0.85}h${1.7 * r}v${1.7 * r}h${-1.7 * r}z`,
  diamond: (r) => `M0,${-r * 1.2}L${r * 1.2},0L0,${r * 1.2}L${-r * 1.2},0z`,
  triangle: (r) => `M0,${-r * 1.15}L${r * 1.1},${r * 0.85}L${-r * 1.1},${r * 0.85}z`,
  down: (r) => `M0,${r * 1.15}L${r * 1.1},${-r * 0.85}L${-r * 1.1},${-r * 0.85}z`,
  cross: (r) => `M${-r},${-r}L${r},${r}M${r},${-r}L${-r},${r}`,
};

/**
 * @param {Element} parent
 * @param {string} shape
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {string} colour
 * @param {string} background
 */
function marker(parent, shape, x, y, radius, colour, background) {
  const open = shape === "ring" || shape === "cross";
  return node("path", {
    d: (PATHS[shape] || PATHS.circle)(radius), transform: `translate(${x},${y})`, fill: open ? (shape === "ring" ? background : "none") : colour,
    stroke: open ? colour : background, "stroke-width": open ? 2.4 : 1.2, "stroke-linejoin": "round",
  }, parent);
}

/**
 * Round numbers from lo to hi, at most `most` of them.
 * @param {number} lo
 * @param {number} hi
 * @param {number} most
 */
function ticks(lo, hi, most) {
  const rough = (hi - lo) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) || rough;
  const found = [];
  for (let v = Math.ceil(lo / step - 1e-9) * step; v <= hi + 1e-9; v += step) found.push(+v.toFixed(6));
  return found;
}

/** @param {number} v */
const signed = (v) => (v > 0.049 ? "+" : v < -0.049 ? "\u2212" : "") + Math.abs(v).toFixed(1);

class BoardChart {
  /**
   * @param {Board} board
   * @param {BoardSpec} spec
   * @param {HTMLElement} host
   */
  constructor(board, spec, host) {
    this.board = board;
    this.spec = spec;
    this.rowAt = (/** @type {number} */ _y) => -1;
    this.root = element("figure", "dpb-chart", host);
    this.root.dataset.chart = spec.kind;
    const head = element("figcaption", "", this.root);
    rich(element("span", "dpb-title", head), `${spec.title} (${spec.unit})`);
    if (spec.note) rich(element("span", "dpb-note", head), spec.note);
    if (spec.series) this.buildKey();
    this.picture = element("div", "", this.root);
    this.tip = element("div", "dpb-tip", this.root);
    this.tip.hidden = true;
    this.root.addEventListener("pointermove", (e) => this.hover(e));
    this.root.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }
  get off() {
    const off = switchedOff.get(this.spec.title) ?? new Set();
    switchedOff.set(this.spec.title, off);
    return off;
  }
  shown() { return this.spec.series.map((s, i) => /** @type {[BoardSeries, number]} */ ([s, i])).filter(([s]) => !this.off.has(s.label)); }
  draw() {}
  summary() { return this.spec.title; }
  /**
   * Colour, name and value of each line of a row's tip.
   * @param {BoardRow} _row
   * @returns {[string | null, string, string][]}
   */
  lines(_row) { return []; }
  /** @param {string} name */
  colour(name) { return this.board.theme.palette(name)[2]; }
  buildKey() {
    const key = element("div", "dpb-key", this.root);
    for (const s of this.spec.series) {
      const b = element("button", "", key);
      b.type = "button";
      b.title = s.help || `Show or hide: ${s.label}`;
      const svg = node("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", style: "width:14px;flex:none", "aria-hidden": "true" }, b);
      marker(svg, s.shape, 0, 0, s.strong ? 5.4 : 4.4, this.colour(s.colour), this.board.theme.background);
      rich(element("span", "", b), s.label);
      b.setAttribute("aria-pressed", !this.off.has(s.label));
      b.addEventListener("click", () => {
        if (!this.off.delete(s.label) && this.shown().length > 1) this.off.add(s.label);
        b.setAttribute("aria-pressed", !this.off.has(s.label));
        this.draw();
      });
    }
  }
  /**
   * Where labels, marks and values go; on a narrow chart a label has a line of its own above its row.
   * @returns {BoardLayout}
   */
  layout() {
    const width = Math.max(220, this.picture.clientWidth);
    const longest = Math.max(...this.spec.rows.map((r) => r.label.length)) * 6.7 + 14;
    const stacked = longest > width * 0.42;
    const left = stacked ? 4 : longest;
    const right = width - (this.spec.rows.some((r) => r.text) || this.spec.kind !== "dots" ? 52 : 14);
    const height = stacked ? ROW + 17 : ROW;
    return { width, stacked, left, right, height, top: 6, y: (i) => 6 + height * i + (stacked ? 17 : 0) + ROW / 2 };
  }
  /**
   * @param {BoardLayout} l
   * @param {number} lo
   * @param {number} hi
   */
  frame(l, lo, hi) {
    this.picture.replaceChildren();
    const bottom = l.top + l.height * this.spec.rows.length;
    const svg = node("svg", { viewBox: `0 0 ${l.width} ${bottom + 24}`, height: bottom + 24, role: "img", "aria-label": this.summary() }, this.picture);
    /** @param {number} v */
    const X = (v) => l.left + ((l.right - l.left) * (v - lo)) / (hi - lo || 1);
    const { theme } = this.board;
    for (const v of ticks(lo, hi, Math.max(2, (l.right - l.left) / 62))) {
      node("line", { x1: X(v), x2: X(v), y1: l.top, y2: bottom, stroke: theme.floor }, svg);
      node("text", { x: X(v), y: bottom + 16, "text-anchor": "middle", class: "dim" }, svg, String(v).replace("-", "\u2212"));
    }
    this.spec.rows.forEach((row, i) => {
      const place = l.stacked ? { x: l.left, y: l.y(i) - 17, "text-anchor": "start" } : { x: l.left - 10, y: l.y(i) + 4, "text-anchor": "end" };
      node("text", { ...place, class: row.strong ? "strong" : "" }, svg, row.label);
    });
    /** @param {number} y */
    this.rowAt = (y) => Math.floor((y - l.top) / l.height);
    return { svg, X, bottom };
  }
  /** @param {PointerEvent} event */
  hover(event) {
    const box = this.picture.getBoundingClientRect();
    const i = this.rowAt(event.clientY - box.top);
    const row = event.clientY < box.top ? null : this.spec.rows[i];
    this.tip.hidden = !row;
    if (!row) return;
    this.tip.replaceChildren();
    rich(element("b", "", this.tip), row.label);
    for (const [colour, label, value] of this.lines(row)) {
      const line = element("span", "", this.tip);
      if (colour) element("i", "", line).style.background = colour;
      rich(element("em", "", line), label);
      element("strong", "", line, value);
    }
    const host = this.root.getBoundingClientRect();
    const x = event.clientX - host.left, y = event.clientY - host.top;
    this.tip.style.left = `${Math.max(4, Math.min(x + 16, host.width - this.tip.offsetWidth - 6))}px`;
    this.tip.style.top = `${Math.max(4, y - this.tip.offsetHeight - 12)}px`;
  }
}

class DotsChart extends BoardChart {
  summary() {
    return `${this.spec.title}: ${this.spec.rows.map((r) => `${r.label} ${this.spec.series.map((s, i) => `${s.label} ${format(r.values[i])}`).join(", ")}`).join("; ")}`;
  }
  /**
   * @param {BoardRow} row
   * @returns {[string | null, string, string][]}
   */
  lines(row) {
    return this.shown().filter(([, i]) => row.values[i] != null).sort(([, a], [, b]) => (row.values[a] ?? 0) - (row.values[b] ?? 0))
      .map(([s, i]) => [this.colour(s.colour), s.label, format(row.values[i])]);
  }
  draw() {
    const { spec, board } = this;
    const shown = this.shown();
    const all = spec.rows.flatMap((r) => shown.map(([, i]) => r.values[i])).filter((v) => v != null);
    if (!all.length) return;
    const pad = (Math.max(...all) - Math.min(...all) || 2) * 0.06;
    const l = this.layout();
    const { svg, X } = this.frame(l, Math.max(0, Math.min(...all) - pad), Math.max(...all) + pad);
    spec.rows.forEach((row, i) => {
      const values = shown.map(([, s]) => row.values[s]).filter((v) => v != null);
      if (row.strong) node("line", { x1: 0, x2: l.width, y1: l.y(i) - l.height / 2 - (l.stacked ? 9 : 0), y2: l.y(i) - l.height / 2 - (l.stacked ? 9 : 0), stroke: board.theme.floorStrong }, svg);
      node("line", { x1: X(Math.min(...values)), x2: X(Math.max(...values)), y1: l.y(i), y2: l.y(i), stroke: board.theme.floorStrong, "stroke-width": 1.4 }, svg);
      if (row.text) node("text", { x: l.width - 2, y: l.y(i) + 4, "text-anchor": "end", class: "value" }, svg, row.text);
    });
    // The strong series on top, and in one chart of many rows joined, so that an eye can follow it.
    for (const [s, index] of [...shown].sort(([a], [b]) => Number(!!a.strong) - Number(!!b.strong))) {
      const colour = this.colour(s.colour);
      const points = spec.rows.map((r, i) => (r.values[index] == null || r.strong ? null : [X(r.values[index]), l.y(i)])).filter((at) => at != null);
      if (s.strong && spec.joined !== false && points.length > 2) {
        node("polyline", { points: points.map((p) => p.join(",")).join(" "), fill: "none", stroke: colour, "stroke-width": 1.6, opacity: 0.45 }, svg);
      }
      spec.rows.forEach((row, i) => {
        const value = row.values[index];
        if (value != null) marker(svg, s.shape, X(value), l.y(i), s.strong ? 6 : 4.6, colour, board.theme.background);
      });
    }
  }
}

class BarsChart extends BoardChart {
  summary() { return `${this.spec.title}: ${this.spec.rows.map((r) => `${r.label} ${format(r.value)}`).join(", ")}`; }
  /**
   * @param {BoardRow} row
   * @returns {[string | null, string, string][]}
   */
  lines(row) { return [[this.colour(row.colour), row.help || row.label, format(row.value)]]; }
  draw() {
    const l = this.layout();
    const { svg, X } = this.frame(l, 0, Math.max(...this.spec.rows.map((r) => r.value)) * 1.02);
    this.spec.rows.forEach((row, i) => {
      const w = Math.max(1, X(row.value) - X(0));
      node("rect", { x: X(0), y: l.y(i) - 8, width: w, height: 16, rx: 4, fill: this.colour(row.colour), opacity: row.colour === "grey" ? 0.55 : 1 }, svg);
      node("text", { x: l.width - 2, y: l.y(i) + 4, "text-anchor": "end", class: "value" }, svg, format(row.value));
    });
  }
}

class GainsChart extends BoardChart {
  summary() { return `${this.spec.title}: ${this.spec.rows.map((r) => `${r.label} ${signed(r.value)}`).join(", ")}`; }
  /**
   * @param {BoardRow} row
   * @returns {[string | null, string, string][]}
   */
  lines(row) { return [[null, row.help || "", `${signed(row.value)} ${this.spec.unit}`]]; }
  draw() {
    const values = this.spec.rows.map((r) => r.value);
    if (!values.length) return;
    const l = this.layout();
    const lo = Math.min(0, ...values), hi = Math.max(0, ...values), pad = (hi - lo || 1) * 0.04;
    const { svg, X, bottom } = this.frame(l, lo < 0 ? lo - pad : 0, hi > 0 ? hi + pad : 0);
    this.spec.rows.forEach((row, i) => {
      const a = X(Math.min(0, row.value)), b = X(Math.max(0, row.value));
      node("rect", { x: a, y: l.y(i) - 7, width: Math.max(1, b - a), height: 14, rx: 4, fill: this.colour(row.value >= 0 ? "teal" : "red") }, svg);
      node("text", { x: l.width - 2, y: l.y(i) + 4, "text-anchor": "end", class: "value" }, svg, signed(row.value));
    });
    node("line", { x1: X(0), x2: X(0), y1: l.top, y2: bottom, stroke: this.board.theme.label, "stroke-width": 1.4 }, svg);
  }
}

/** @param {number | null} v */
const format = (v) => (v == null ? "\u2013" : v.toFixed(1));
const BOARD_KINDS = { dots: DotsChart, bars: BarsChart, gains: GainsChart };

class Board {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {BoardChart[]} */
    this.charts = [];
    this.shownAt = 0;
    this.width = 0;
    this.state = "";
    /** @type {Theme} */
    this.theme;
    this.resizer = new ResizeObserver(() => {
      const width = Math.round(root.clientWidth);
      if (width === this.width || width < 60) return;
      this.width = width;
      for (const chart of this.charts) chart.draw();
    });
    this.resizer.observe(root);
  }
  /** @param {BoardSpec[]} specs */
  update(specs) {
    const theme = readTheme(this.root);
    const state = JSON.stringify([specs, theme.dark, theme.background]);
    if (state === this.state) return;
    this.state = state;
    this.theme = theme;
    this.root.dataset.theme = theme.dark ? "dark" : "light";
    const grid = element("div", "dpb-grid");
    // Charts of the same span that follow each other share a column.
    /** @type {HTMLElement | null} */
    let column = null;
    let span = 0, used = 0;
    this.charts = specs.map((spec) => {
      if (!column || spec.span !== span || used + spec.span <= 12) {
        column = element("div", "dpb-column", grid);
        column.style.gridColumn = `span ${spec.span}`;
        used = used + spec.span > 12 ? spec.span : used + spec.span;
        span = spec.span;
      }
      return new BOARD_KINDS[spec.kind](this, spec, column);
    });
    this.root.replaceChildren(grid);
    for (const chart of this.charts) chart.draw();
  }
  destroy() { this.resizer.disconnect(); }
}

/** @type {WeakMap<HTMLElement, Board>} */
const boards = new WeakMap();

/** @param {Component<{ shown: number, charts: BoardSpec[] }>} component */
export default function mountBoard(component) {
  const root = /** @type {HTMLElement | null} */ (component.parentElement.querySelector(".dpb"));
  if (!root) return undefined;
  const board = boards.get(root) ?? new Board(root);
  boards.set(root, board);
  // Two runs' data may arrive in either order while this script is being loaded: the later one stays.
  if (component.data?.shown >= board.shownAt) {
    board.shownAt = component.data.shown;
    board.update(component.data.charts);
  }
  return () => setTimeout(() => {
    if (!root.isConnected) { board.destroy(); boards.delete(root); }
  }, 0);
}
