// Distributions of depth: a row for every joint, or one joint with its mixture.

import { setFont } from "./canvas.js";
import { Chart } from "./chart.js";
import { CHART_KINDS } from "./kinds.js";
import { number } from "./numbers.js";
import { jointLabel, JOINTS, SIDE } from "./skeleton.js";
import { withAlpha } from "./theme.js";

/** What both charts of depth share: the horizontal axis in metres, which no timeline runs along. */
class DepthPlot extends Chart {
  get jumpable() { return false; }
  get bins() { return this.stage.arrays[this.spec.draws].length("bin"); }
  /** @param {number} z */
  metres(z) { return this.left + ((this.width - this.right - this.left) * (z - this.spec.lo)) / (this.spec.hi - this.spec.lo); }
  draw() {
    if (!this.begin()) return;
    this.context.textBaseline = "alphabetic";
    depthAxis(this);
    this.paint(this.context, (z) => this.metres(z), this.stage.theme);
  }
  /**
   * @param {Canvas2D} _context
   * @param {Place} _X
   * @param {Theme} _theme
   */
  paint(_context, _X, _theme) {}
  truth() { return this.spec.truth ? [{ label: "truth", colour: this.stage.theme.palette("red")[2], value: "" }] : []; }
}

/** Every joint's depth, a row each. */
class DepthsChart extends DepthPlot {
  build() {
    super.build();
    this.left = 96;
    this.canvas.addEventListener("click", (event) => {
      const row = this.jointAt(event);
      if (row && row !== this.spec.joint) this.stage.askFor?.("pick", row);
    });
  }
  get rowHeight() { return (this.bottom - 10) / JOINTS; }
  /** @param {PointerEvent} event */
  jointAt(event) {
    const row = Math.floor((event.clientY - this.canvas.getBoundingClientRect().top - 10) / this.rowHeight);
    return row >= 1 && row < JOINTS ? row : null;
  }
  /**
   * @param {Canvas2D} context
   * @param {Place} X
   * @param {Theme} theme
   */
  paint(context, X, theme) {
    const { stage, spec, bins } = this;
    const row = this.rowHeight;
    const draws = stage.arrays[spec.draws].at(stage.frame, stage.step);
    const before = stage.arrays[spec.draws].at(stage.frame, 0);
    const truth = spec.truth ? stage.arrays[spec.truth].values : null;
    const colours = theme.palette("sides");
    for (let j = 1; j < JOINTS; j++) {
      const base = 10 + row * (j + 1);
      const chosen = j === spec.joint;
      const at = draws.subarray(j * bins, (j + 1) * bins), was = before.subarray(j * bins, (j + 1) * bins);
      // A joint keeps its own scale over all levels, so that a flatter hill means a less certain depth.
      const unit = (row * 1.55) / Math.max(...was, 1e-6);
      hill(context, was, unit, X, base, spec);
      context.setLineDash([3, 3]);
      context.strokeStyle = withAlpha(theme.text, chosen && stage.step > 0 ? 0.8 : 0);
      context.lineWidth = 1.2;
      context.stroke();
      context.setLineDash([]);
      hill(context, at, unit, X, base, spec);
      context.fillStyle = withAlpha(colours[SIDE[j]], chosen ? 0.7 : 0.32);
      context.fill();
      context.strokeStyle = withAlpha(colours[SIDE[j]], chosen ? 1 : 0.7);
      context.lineWidth = chosen ? 1.8 : 1;
      context.stroke();
      if (truth) tick(context, X(truth[j]), base - row * 0.72, base, theme);
      setFont(context, `${chosen ? 700 : 500} 11px ui-sans-serif, system-ui, sans-serif`);
      context.fillStyle = chosen ? theme.text : theme.label;
      context.textAlign = "right";
      context.fillText(jointLabel(j), this.left - 8, base - 1);
    }
    const moved = stage.step > 0 ? [{ label: "as detected", colour: theme.text, dash: "dash", value: "" }] : [];
    this.setKey([{ label: "draws of H_K", colour: colours[SIDE[spec.joint]], value: "" }, ...moved, ...this.truth()]);
    this.describe(`a row a joint, ${jointLabel(spec.joint)} is chosen`);
  }
  /** @param {PointerEvent} event */
  hover(event) {
    const joint = this.context && this.jointAt(event);
    this.tip.hidden = !joint || joint === this.spec.joint;
    if (joint && !this.tip.hidden) this.showTip(this.left, 10 + this.rowHeight * (joint + 1), `Click: take the ${jointLabel(joint)}'s confidence away`);
  }
}

/**
 * @param {Canvas2D} context
 * @param {Float32Array} values
 * @param {number} unit
 * @param {Place} X
 * @param {number} base
 * @param {ChartSpec} spec
 */
function hill(context, values, unit, X, base, spec) {
  const n = values.length, step = (spec.hi - spec.lo) / n;
  context.beginPath();
  context.moveTo(X(spec.lo), base);
  for (let i = 0; i < n; i++) context.lineTo(X(spec.lo + (i + 0.5) * step), base - unit * values[i]);
  context.lineTo(X(spec.hi), base);
}

/**
 * @param {Canvas2D} context
 * @param {number} x
 * @param {number} top
 * @param {number} bottom
 * @param {Theme} theme
 */
function tick(context, x, top, bottom, theme) {
  context.strokeStyle = theme.halo;
  context.lineWidth = 4;
  context.beginPath(); context.moveTo(x, top); context.lineTo(x, bottom); context.stroke();
  context.strokeStyle = theme.palette("red")[2];
  context.lineWidth = 2;
  context.stroke();
}

/** @param {DepthPlot} chart */
function depthAxis(chart) {
  const { context, spec, bottom, height, stage } = chart;
  /** @param {number} z */
  const X = (z) => chart.metres(z);
  const step = [0.1, 0.2, 0.5, 1].find((s) => (X(s) - X(0)) > 38) || 1;
  context.strokeStyle = stage.theme.floor;
  context.lineWidth = 1;
  context.fillStyle = stage.theme.label;
  context.textAlign = "center";
  for (let z = Math.ceil(spec.lo / step) * step; z <= spec.hi + 1e-9; z += step) {
    context.beginPath(); context.moveTo(X(z), chart.ceiling); context.lineTo(X(z), bottom); context.stroke();
    context.fillText(number(+z.toFixed(2)), X(z), height - 7);
  }
}

/** One joint's depth: what was drawn from H_K, the fitted mixture, and the components that it is the sum of. */
class DepthChart extends DepthPlot {
  build() {
    super.build();
    this.left = 12;
  }
  /**
   * @param {Canvas2D} context
   * @param {Place} X
   * @param {Theme} theme
   */
  paint(context, X, theme) {
    const { stage, spec, bins, bottom, ceiling } = this;
    /**
     * @param {"draws" | "mixture"} name
     * @param {number} step
     */
    const of = (name, step) => stage.arrays[spec[name]].at(stage.frame, step).subarray(spec.joint * bins, (spec.joint + 1) * bins);
    const draws = of("draws", stage.step), mixture = of("mixture", stage.step);
    const parts = stage.arrays[spec.parts].at(stage.frame, stage.step);
    const steps = stage.count("step");
    let peak = 1e-6;
    for (let s = 0; s < steps; s++) peak = Math.max(peak, ...of("draws", s), ...of("mixture", s));
    const unit = (bottom - ceiling) / (1.05 * peak);
    hill(context, draws, unit, X, bottom, spec);
    const side = theme.palette("sides")[SIDE[spec.joint]];
    context.fillStyle = withAlpha(side, 0.3);
    context.fill();
    const m = parts.length / bins;
    for (let c = 0; c < m; c++) {
      hill(context, parts.subarray(c * bins, (c + 1) * bins), unit, X, bottom, spec);
      context.strokeStyle = theme.palette(`component${c}`)[0];
      context.lineWidth = 1.4;
      context.stroke();
    }
    hill(context, mixture, unit, X, bottom, spec);
    context.strokeStyle = theme.text;
    context.lineWidth = 2;
    context.stroke();
    if (spec.truth) tick(context, X(stage.arrays[spec.truth].values[spec.joint]), ceiling, bottom, theme);
    this.setKey([
      { label: "draws of H_K", colour: withAlpha(side, 0.5), value: "" },
      { label: "fitted mixture", colour: theme.text, value: "" },
      { label: m > 1 ? `its ${m} components` : "its component", colour: theme.palette("component0")[0], value: "" },
      ...this.truth(),
    ]);
    this.describe(`draws of H_K and the mixture of ${m} components that was fitted to them`);
  }
}

CHART_KINDS.depths = DepthsChart;
CHART_KINDS.depth = DepthChart;
