// Curves over the steps or the frames.

import { Chart, DASHES, JOINT_ROWS } from "./chart.js";
import { element } from "./dom.js";
import { CHART_KINDS } from "./kinds.js";
import { largest, niceCeiling, shortNumber } from "./numbers.js";
import { jointLabel, SIDE } from "./skeleton.js";
import { withAlpha } from "./theme.js";

/** Lines over the steps or the frames. A series with "off_scale" does not decide the scale. */
class LineChart extends Chart {
  build() {
    super.build();
    const { spec, stage } = this;
    for (const jump of spec.jumps || []) {
      const b = element("button", "dps-jump", this.jumps, jump.label);
      b.type = "button";
      b.title = jump.help;
      b.addEventListener("click", () => { stage.stop(); stage.go(this.axis, jump.index); });
    }
  }
  /** Over the steps one scale for all of a frame's, so that stepping shows what shrinks; over the frames, that of the
   *  last step. */
  scale() {
    const { stage } = this;
    const scaled = this.axis === "step" ? `frame ${stage.frame}` : "all";
    if (this.scaledFor === scaled) return this.top;
    /** @type {string | undefined} */
    this.scaledFor = scaled;
    const last = stage.count("step") - 1;
    const series = this.spec.series.filter((s) => !s.off_scale);
    const all = series.flatMap((s) => Array.from({ length: this.count }, (_, i) =>
      (this.axis === "step" ? stage.arrays[s.array].at(stage.frame, i) : stage.arrays[s.array].at(i, last))[0]));
    return niceCeiling((this.axis === "step" ? 1 : 1.05) * largest(all));
  }
  draw() {
    if (!this.begin()) return;
    const { stage, spec } = this;
    this.top = this.scale();
    /** @param {SeriesSpec} s */
    const colourOf = (s) => stage.theme.palette(s.palette)[2];
    this.drawStill(() => {
      this.drawAxes();
      for (const s of spec.series) {
        const values = Array.from({ length: this.count }, (_, i) => this.row(s.array, i)[0]);
        this.drawCurve(values, colourOf(s), s.dash === "dot" ? 1.6 : 2, DASHES[s.dash ?? ""] || []);
      }
    });
    const at = stage.index(this.axis);
    const entries = spec.series.map((s) => {
      const [value] = this.row(s.array, at);
      this.drawDot(at, value, colourOf(s));
      return { label: s.label, colour: colourOf(s), dash: s.dash, value: Number.isFinite(value) ? shortNumber(value) : "\u2013" };
    });
    this.drawCursor();
    this.setKey(entries);
    this.describe(entries.map((e) => `${e.label} ${e.value} ${spec.unit}`).join(", "));
  }
  /** @param {PointerEvent} e */
  hover(e) {
    if (e.pointerType === "touch") return;
    const i = this.indexAt(e);
    const words = this.spec.series.map((s) => `${s.label} ${shortNumber(this.row(s.array, i)[0])}`);
    const place = this.stage.placeText(this.axis, i);
    this.showTip(this.X(i), 26, `${place}: ${words.join(", ").replaceAll("_", "")}`);
  }
}

/** One thin line a joint; the widest three are named at their ends, the one under the pointer is drawn strong. */
class JointChart extends Chart {
  build() {
    super.build();
    this.right = 88;
    /** @type {number | null} */
    this.hot = null;
    this.top = niceCeiling(largest(Array.from(this.stage.arrays[this.spec.array].values)));
  }
  draw() {
    if (!this.begin()) return;
    const { stage, spec } = this;
    const colours = stage.theme.palette("sides"), inks = stage.theme.palette("names");
    /** @param {SeriesSpec} s */
    const colourOf = (s) => stage.theme.palette(s.palette)[2];
    this.drawStill((context) => {
      this.drawAxes();
      const rows = Array.from({ length: this.count }, (_, i) => this.row(spec.array, i));
      for (const s of spec.series || []) {
        this.drawCurve(rows.map((_, i) => this.row(s.array, i)[0]), colourOf(s), 1.8, DASHES[s.dash ?? ""] || []);
      }
      for (const j of JOINT_ROWS) {
        const hot = j === this.hot;
        const colour = withAlpha(colours[SIDE[j]], this.hot == null ? 0.8 : hot ? 1 : 0.25);
        this.drawCurve(rows.map((r) => r[j]), colour, hot ? 3 : 1.4, SIDE[j] === 0 ? DASHES.dash : []);
      }
      const end = rows[this.count - 1];
      const order = [...JOINT_ROWS].sort((a, b) => end[b] - end[a]);
      let lastY = -Infinity;
      context.textAlign = "left";
      for (const j of order.slice(0, 3)) {
        const y = Math.max(this.Y(end[j]), lastY + 12);
        lastY = y;
        context.fillStyle = inks[SIDE[j]];
        context.fillText(jointLabel(j), this.width - this.right + 6, y);
      }
    }, this.hot);
    this.drawCursor();
    const at = stage.index(this.axis);
    const row = this.row(spec.array, at);
    const entries = (spec.series || []).map((s) =>
      ({ label: s.label, colour: colourOf(s), dash: s.dash, value: shortNumber(this.row(s.array, at)[0]) }));
    const widest = [...JOINT_ROWS].sort((a, b) => row[b] - row[a])[0];
    const shown = this.hot ?? widest;
    this.drawDot(at, row[shown], colours[SIDE[shown]]);
    entries.push({ label: this.hot == null ? `widest: ${jointLabel(shown)}` : jointLabel(shown), colour: colours[SIDE[shown]],
      dash: SIDE[shown] === 0 ? "dash" : "", value: shortNumber(row[shown]) });
    this.setKey(entries);
    this.describe(`widest is ${jointLabel(widest)} with ${shortNumber(row[widest])} ${spec.unit}`);
  }
  /** @param {PointerEvent} e */
  hover(e) {
    if (!this.context) return;
    const box = this.canvas.getBoundingClientRect();
    const y = e.clientY - box.top;
    const row = this.row(this.spec.array, this.indexAt(e));
    const near = [...JOINT_ROWS].sort((a, b) => Math.abs(this.Y(row[a]) - y) - Math.abs(this.Y(row[b]) - y))[0];
    const hot = Math.abs(this.Y(row[near]) - y) < 14 ? near : null;
    if (hot !== this.hot) { this.hot = hot; this.draw(); }
  }
  unhover() {
    this.hot = null;
    this.draw();
  }
}

CHART_KINDS.line = LineChart;
CHART_KINDS.joints = JointChart;
