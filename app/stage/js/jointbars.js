// A row for every joint: when it settles, and its error.

import { Chart, JOINT_ROWS } from "./chart.js";
import { CHART_KINDS } from "./kinds.js";
import { niceCeiling, shortNumber } from "./numbers.js";
import { jointLabel, SIDE } from "./skeleton.js";
import { withAlpha } from "./theme.js";

/** Least height of a line of names, pixels. */
const LINE = 11;
/**
 * Whether a row is named: rows that are too flat for a name each are named every few.
 * @param {number} row
 * @param {number} tall
 */
const isNamed = (row, tall) => row % Math.ceil(LINE / tall) === 0;

/** Joints by steps, dark where a joint is far from where it ends; a line marks from where on it stays. */
class StripChart extends Chart {
  build() {
    super.build();
    this.left = 92;
    this.right = 10;
    this.top = Math.max(1e-6, this.spec.top);
  }
  get cell() { return (this.width - this.left - this.right) / this.count; }
  /** @param {PointerEvent} e */
  indexAt(e) {
    const box = this.canvas.getBoundingClientRect();
    return Math.min(this.count - 1, Math.max(0, Math.floor((e.clientX - box.left - this.left) / this.cell)));
  }
  /** @param {number} i */
  X(i) { return this.left + this.cell * (i + 0.5); }
  draw() {
    if (!this.begin()) return;
    const { context, stage } = this;
    this.ceiling = 2;
    const w = this.cell;
    const at = stage.index(this.axis);
    this.drawStill((still) => this.drawCells(still));
    context.strokeStyle = stage.theme.palette("teal")[2];
    context.lineWidth = 1.5;
    context.strokeRect(this.left + at * w, this.ceiling - 1, Math.max(2, w - 1), this.bottom - this.ceiling + 1);
    this.drawIndices((i) => (i === 0 ? this.left : i === this.count - 1 ? this.width - this.right : this.X(i)));
    const settled = this.row(this.spec.settled, 0);
    const done = JOINT_ROWS.filter((j) => settled[j] <= at).length;
    const late = Math.max(...JOINT_ROWS.map((j) => settled[j]));
    const last = JOINT_ROWS.filter((j) => settled[j] === late && late > 0);
    const names = last.map((j) => jointLabel(j));
    this.setKey([
      { label: "settled", colour: stage.theme.text, value: `${done} of ${JOINT_ROWS.length} joints` },
      { label: "the last", colour: stage.theme.palette("heat")[2], value: names.length > 4 ? `${names.length} joints` : names.join(", ") || "none" },
    ]);
    this.describe(`${done} of ${JOINT_ROWS.length} joints have settled; the last: ${names.join(", ")}`);
  }
  /** @param {Canvas2D} context */
  drawCells(context) {
    const { stage, spec } = this;
    const tall = (this.bottom - this.ceiling) / JOINT_ROWS.length;
    const w = this.cell;
    const rows = Array.from({ length: this.count }, (_, i) => this.row(spec.array, i));
    const settled = this.row(spec.settled, 0);
    const inks = stage.theme.palette("names");
    const ink = stage.theme.palette("heat")[2];
    JOINT_ROWS.forEach((j, r) => {
      const y = this.ceiling + r * tall;
      for (let i = 0; i < this.count; i++) {
        const v = rows[i][j];
        // The square root keeps small distances apart from none.
        context.fillStyle = withAlpha(ink, 0.04 + 0.92 * Math.sqrt(Math.min(1, v / this.top)));
        context.fillRect(this.left + i * w, y + 0.5, Math.max(1, w - (w > 16 ? 1 : 0)), tall - 1);
      }
      if (!isNamed(r, tall)) return;
      context.textAlign = "right";
      context.fillStyle = inks[SIDE[j]];
      context.fillText(jointLabel(j), this.left - 7, y + tall / 2);
    });
    // From here on a joint stays within the limit of its place.
    context.strokeStyle = stage.theme.text;
    context.lineWidth = 2;
    context.beginPath();
    JOINT_ROWS.forEach((j, r) => {
      const x = this.left + settled[j] * w;
      const y = this.ceiling + r * tall;
      if (r === 0) context.moveTo(x, y); else context.lineTo(x, y);
      context.lineTo(x, y + tall);
    });
    context.stroke();
  }
  /** @param {PointerEvent} e */
  hover(e) {
    if (!this.context) return;
    const box = this.canvas.getBoundingClientRect();
    const tall = (this.bottom - this.ceiling) / JOINT_ROWS.length;
    const r = Math.floor((e.clientY - box.top - this.ceiling) / tall);
    if (r < 0 || r >= JOINT_ROWS.length) { this.tip.hidden = true; return; }
    const i = this.indexAt(e), j = JOINT_ROWS[r];
    const settled = this.stage.placeText("step", this.row(this.spec.settled, 0)[j]);
    const words = `${jointLabel(j)}, ${this.stage.placeText("step", i)}: ${shortNumber(this.row(this.spec.array, i)[j])} mm`;
    this.showTip(this.X(i), e.clientY - box.top, `${words} from its end; settled at ${settled}`);
  }
}

/** Bars of every joint for the methods that are compared, at the current frame and step. */
class BarChart extends Chart {
  build() {
    super.build();
    this.left = 92;
    this.right = 34;
    // The few worst joints of all frames may leave the plot, so that the usual ones stay readable.
    const last = this.stage.count("step") - 1;
    const all = this.spec.series.flatMap((s) => Array.from({ length: this.stage.count("frame") }, (_, i) => i)
      .flatMap((i) => Array.from(this.stage.arrays[s.array].at(i, last)))).filter(Number.isFinite);
    this.top = niceCeiling(Math.max(1, all.sort((a, b) => a - b)[Math.floor(0.985 * (all.length - 1))] || 0));
  }
  get jumpable() { return false; }
  draw() {
    if (!this.begin()) return;
    const { context, stage, spec } = this;
    this.ceiling = 2;
    const tall = (this.bottom - this.ceiling) / JOINT_ROWS.length;
    /** @param {number} v */
    const X = (v) => this.left + ((this.width - this.left - this.right) * Math.min(v, this.top)) / this.top;
    const inks = stage.theme.palette("names");
    context.strokeStyle = stage.theme.floor;
    context.fillStyle = stage.theme.label;
    for (const f of X(this.top) - this.left < 90 ? [0, 1] : [0, 0.5, 1]) {
      context.beginPath(); context.moveTo(X(f * this.top), this.ceiling); context.lineTo(X(f * this.top), this.bottom); context.stroke();
      context.textAlign = "center";
      context.fillText(shortNumber(f * this.top), X(f * this.top), this.height - 8);
    }
    const rows = spec.series.map((s) => stage.arrays[s.array].at(stage.frame, stage.step));
    const thick = Math.max(1, Math.min(6, (tall - 3) / rows.length));
    JOINT_ROWS.forEach((j, r) => {
      const y = this.ceiling + r * tall;
      context.textAlign = "right";
      context.fillStyle = inks[SIDE[j]];
      if (isNamed(r, tall)) context.fillText(jointLabel(j), this.left - 7, y + tall / 2);
      rows.forEach((row, s) => {
        const from = y + tall / 2 - (thick * rows.length) / 2 + s * thick;
        if (!Number.isFinite(row[j])) return;
        context.fillStyle = stage.theme.palette(spec.series[s].palette)[2];
        context.fillRect(this.left, from, Math.max(1, X(row[j]) - this.left), thick - 0.6);
      });
      const most = Math.max(...rows.map((row) => row[j]).filter(Number.isFinite));
      if (!Number.isFinite(most) || !isNamed(r, tall)) return;
      context.textAlign = "left";
      context.fillStyle = stage.theme.label;
      context.fillText(most.toFixed(0), X(most) + 5, y + tall / 2);
    });
    const entries = spec.series.map((s, i) => {
      const mean = rows[i].reduce((a, b) => a + b, 0) / rows[i].length;
      const value = Number.isFinite(mean) ? shortNumber(mean) : s.missing || "–";
      return { label: s.label, colour: stage.theme.palette(s.palette)[2], value, known: Number.isFinite(mean) };
    });
    this.setKey(entries);
    this.describe(entries.map((e) => `${e.label} ${e.value}${e.known ? ` ${spec.unit} on average` : ""}`).join(", "));
  }
  /** @param {PointerEvent} e */
  hover(e) {
    if (!this.context) return;
    const box = this.canvas.getBoundingClientRect();
    const r = Math.floor((e.clientY - box.top - this.ceiling) / ((this.bottom - this.ceiling) / JOINT_ROWS.length));
    if (r < 0 || r >= JOINT_ROWS.length) { this.tip.hidden = true; return; }
    const j = JOINT_ROWS[r], { stage } = this;
    const words = this.spec.series.map((s) => {
      const value = stage.arrays[s.array].at(stage.frame, stage.step)[j];
      return `${s.label} ${Number.isFinite(value) ? `${value.toFixed(0)} ${this.spec.unit}` : s.missing || "–"}`;
    });
    this.showTip(e.clientX - box.left, e.clientY - box.top, `${jointLabel(j)}: ${words.join(", ")}`);
  }
}

CHART_KINDS.strip = StripChart;
CHART_KINDS.bars = BarChart;
