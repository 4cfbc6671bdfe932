// What all charts share: title, key, canvas, tip, and the pointer that moves the timeline.

import { drawing, fitCanvas, setFont } from "./canvas.js";
import { element, rich } from "./dom.js";
import { shortNumber } from "./numbers.js";

const CHART_FONT = "500 11px ui-sans-serif, system-ui, sans-serif";

/** Joints from the head down, side by side as on a body; the hip is always at the origin and says nothing. */
export const JOINT_ROWS = [10, 9, 8, 7, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6];

/** What all charts share: a title with its help, a key, a canvas, a tip, and how a pointer moves the timeline. */
export class Chart {
  /**
   * @param {Stage} stage
   * @param {ChartSpec} spec
   * @param {HTMLElement} host
   */
  constructor(stage, spec, host) {
    this.stage = stage;
    /** @type {Target[]} */
    this.targets = [];
    this.spec = spec;
    /** @type {Axis} */
    this.axis = spec.axis || "step";
    /** @type {HTMLCanvasElement} */
    this.canvas;
    /** @type {Canvas2D} */
    this.context;
    /** @type {HTMLCanvasElement} */
    this.still;
    /** @type {string | undefined} */
    this.stillLook;
    this.width = 0;
    this.height = 0;
    this.bottom = 0;
    this.ceiling = 8;
    this.top = 1; // the number at the upper edge
    this.left = 44;
    this.right = 12;
    this.root = element("figure", `dps-chart dps-chart-${spec.kind}`, host);
    this.root.dataset.chart = spec.id;
    if (spec.span) {
      host.classList.add("dps-spans");
      this.root.style.gridColumn = `span ${spec.span}`;
    }
    const head = element("figcaption", "", this.root);
    this.title = element("span", "dps-chart-title", head);
    rich(this.title, spec.unit ? `${spec.title} (${spec.unit})` : spec.title);
    if (spec.help) this.title.title = spec.help;
    this.key = element("span", "dps-chart-key", head);
    this.jumps = element("span", "dps-chart-jumps", head);
    this.plot = element("div", "dps-chart-plot", this.root);
    // Asking for the size while drawing would lay the page out again for every chart.
    this.watcher = new ResizeObserver(() => { this.measure(); this.stage.schedule(); });
    this.watcher.observe(this.plot);
    this.tip = element("div", "dps-tip", this.plot);
    this.tip.hidden = true;
    if (spec.note) rich(element("p", "dps-chart-note", this.root), spec.note);
    this.build();
  }
  destroy() { this.watcher.disconnect(); }
  build() {
    this.canvas = element("canvas", "", this.plot);
    this.canvas.setAttribute("role", "img");
    this.canvas.addEventListener("pointerdown", (e) => {
      if (!this.jumpable) return;
      this.canvas.setPointerCapture(e.pointerId);
      this.stage.stop();
      this.stage.go(this.axis, this.indexAt(e));
    });
    this.canvas.addEventListener("pointermove", (e) => {
      if (e.buttons && this.jumpable) this.stage.go(this.axis, this.indexAt(e));
      else this.hover(e);
    });
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; this.unhover(); });
  }
  get jumpable() { return this.stage.count(this.axis) > 1; }
  unhover() {}
  /** @param {PointerEvent} _event */
  hover(_event) {}
  draw() {}
  /** @param {PointerEvent} e */
  indexAt(e) {
    const box = this.canvas.getBoundingClientRect();
    const t = (e.clientX - box.left - this.left) / Math.max(1, box.width - this.left - this.right);
    return Math.min(this.count - 1, Math.max(0, Math.round(t * (this.count - 1))));
  }
  get count() { return this.stage.count(this.axis); }
  /**
   * An array's row at an index of this chart's own axis, wherever the other axis stands.
   * @param {string} name
   * @param {number} i
   */
  row(name, i) {
    const { stage } = this;
    return stage.arrays[name].at(this.axis === "frame" ? i : stage.frame, this.axis === "step" ? i : stage.step);
  }
  measure() {
    this.width = this.plot.clientWidth;
    this.height = this.plot.clientHeight;
  }
  begin() {
    if (!this.width) this.measure();
    if (this.width < 30 || this.height < 30) return null;
    this.bottom = this.height - 22;
    this.ceiling = 8;
    return (this.context = this.fit(this.canvas));
  }
  /** @param {HTMLCanvasElement} canvas */
  fit(canvas) {
    const context = fitCanvas(canvas, this.width, this.height);
    setFont(context, CHART_FONT);
    context.textBaseline = "middle";
    return context;
  }
  /**
   * Paint what stands still while the cursor moves: kept, and painted anew only where what it depends on has changed.
   * @param {(context: Canvas2D) => void} paint
   * @param {...unknown} dependsOn
   */
  drawStill(paint, ...dependsOn) {
    const { stage } = this;
    const other = this.axis === "step" ? stage.frame : stage.step;
    const look = JSON.stringify([this.width, this.height, drawing.ratio, stage.themeKey, stage.header.hash, other, ...dependsOn]);
    if (look !== this.stillLook) {
      this.stillLook = look;
      const shown = this.context;
      this.context = this.fit((this.still ??= document.createElement("canvas")));
      paint(this.context);
      this.context = shown;
    }
    this.context.drawImage(this.still, 0, 0, this.width, this.height);
  }
  /** @param {number} i */
  X(i) { return this.left + ((this.width - this.right - this.left) * i) / Math.max(1, this.count - 1); }
  /** @param {number} v */
  Y(v) { return this.bottom - ((this.bottom - this.ceiling) * v) / this.top; }
  /** Horizontal lines with their values, and what the ends and the middle of the axis are. */
  drawAxes() {
    const { context, stage } = this;
    context.strokeStyle = stage.theme.floor;
    context.fillStyle = stage.theme.label;
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const f of this.bottom - this.ceiling < 33 ? [0, 1] : [0, 0.5, 1]) {
      context.beginPath();
      context.moveTo(this.left, this.Y(f * this.top));
      context.lineTo(this.width - this.right, this.Y(f * this.top));
      context.stroke();
      context.fillText(shortNumber(f * this.top), this.left - 7, this.Y(f * this.top));
    }
    this.drawIndices((i) => this.X(i));
  }
  /** @param {Place} place */
  drawIndices(place) {
    const { context, stage } = this;
    const n = this.count;
    context.fillStyle = stage.theme.label;
    const middle = Math.floor((n - 1) / 2);
    const wide = (/** @type {number} */ i) => context.measureText(stage.placeText(this.axis, i)).width;
    const room = place(n - 1) - place(0) - wide(0) - wide(n - 1);
    for (const i of new Set(room > wide(middle) + 16 ? [0, middle, n - 1] : [0, n - 1])) {
      context.textAlign = n === 1 ? "center" : i === 0 ? "left" : i === n - 1 ? "right" : "center";
      context.fillText(stage.placeText(this.axis, i), place(i), this.height - 8);
    }
  }
  drawCursor() {
    const { context, stage } = this;
    const x = this.X(stage.index(this.axis));
    context.strokeStyle = stage.theme.label;
    context.lineWidth = 1;
    context.beginPath(); context.moveTo(x, this.ceiling); context.lineTo(x, this.bottom); context.stroke();
  }
  /**
   * One curve, cut off where the plot ends.
   * @param {Float32Array | number[]} values
   * @param {string} colour
   * @param {number} width
   * @param {number[]} dash
   */
  drawCurve(values, colour, width, dash) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(this.left - 4, this.ceiling - 4, this.width - this.right - this.left + 8, this.bottom - this.ceiling + 8);
    context.clip();
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    let pen = false;
    values.forEach((v, i) => {
      if (!Number.isFinite(v)) { pen = false; return; }
      if (pen) context.lineTo(this.X(i), this.Y(v)); else context.moveTo(this.X(i), this.Y(v));
      pen = true;
    });
    context.stroke();
    context.restore();
  }
  /**
   * @param {number} i
   * @param {number} value
   * @param {string} colour
   */
  drawDot(i, value, colour) {
    if (!Number.isFinite(value) || value > this.top * 1.001) return;
    const { context } = this;
    context.fillStyle = colour;
    context.beginPath(); context.arc(this.X(i), this.Y(value), 4, 0, 2 * Math.PI); context.fill();
  }
  /**
   * The key's entries: one a series, each with its value.
   * @param {KeyEntry[]} entries
   */
  setKey(entries) { this.stage.later(() => this.writeKey(entries)); }
  /** @param {KeyEntry[]} entries */
  writeKey(entries) {
    if (this.key.childElementCount !== entries.length) {
      this.key.replaceChildren();
      for (let i = 0; i < entries.length; i++) {
        const node = element("span", "", this.key);
        element("i", "", node);
        element("span", "", node);
        element("b", "", node);
      }
    }
    entries.forEach((e, i) => {
      const node = /** @type {HTMLElement} */ (this.key.children[i]);
      const [mark, name, value] = /** @type {HTMLElement[]} */ ([...node.children]);
      const look = `${e.colour} ${e.dash || ""} ${e.label}`;
      if (node.dataset.look !== look) {
        node.dataset.look = look;
        mark.style.color = e.colour;
        mark.className = e.dash ? `dash-${e.dash}` : "";
        rich(name, e.label);
      }
      if (value.textContent !== e.value) value.textContent = e.value;
    });
  }
  /** @param {string} text */
  describe(text) { this.canvas.setAttribute("aria-label", `${this.spec.title}: ${text}`); }
  /**
   * @param {number} x
   * @param {number} y
   * @param {string} text
   */
  showTip(x, y, text) {
    this.tip.hidden = false;
    this.tip.textContent = text;
    this.tip.style.left = `${Math.max(2, Math.min(x + 12, this.width - this.tip.offsetWidth - 2))}px`;
    this.tip.style.top = `${Math.max(0, y - 30)}px`;
  }
}

/** @type {Record<string, number[]>} */
export const DASHES = { dash: [6, 4], dot: [2, 3] };
