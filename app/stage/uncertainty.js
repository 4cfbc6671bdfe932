// What the uncertainty view adds: heatmaps before and after, ellipsoids, a mixture's components, depth distributions.

// ---- ellipsoids ----

/** The outline of a Gaussian at `sigma` standard deviations as the camera sees it: centre, half axes and angle in pixels.
 * The projection is taken as linear over the ellipsoid, which is right to a few percent at arm's length. */
function projectEllipsoid(projection, mean, covariance, sigma) {
  const p = projection.point(mean[0], mean[1], mean[2], [0, 0, 0]);
  if (p[2] <= 0.05) return null;
  const h = 0.01, rows = [[0, 0, 0], [0, 0, 0]];
  for (let i = 0; i < 3; i++) {
    const q = projection.point(mean[0] + (i === 0 ? h : 0), mean[1] + (i === 1 ? h : 0), mean[2] + (i === 2 ? h : 0), [0, 0, 0]);
    rows[0][i] = (q[0] - p[0]) / h;
    rows[1][i] = (q[1] - p[1]) / h;
  }
  const [xx, xy, xz, yy, yz, zz] = covariance;
  const times = (v) => [xx * v[0] + xy * v[1] + xz * v[2], xy * v[0] + yy * v[1] + yz * v[2], xz * v[0] + yz * v[1] + zz * v[2]];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const left = times(rows[0]);
  const a = dot(left, rows[0]), b = dot(left, rows[1]), c = dot(times(rows[1]), rows[1]);
  const middle = (a + c) / 2, apart = Math.hypot((a - c) / 2, b);
  return {
    x: p[0], y: p[1], depth: p[2], angle: 0.5 * Math.atan2(2 * b, a - c),
    long: sigma * Math.sqrt(Math.max(middle + apart, 0)), short: sigma * Math.sqrt(Math.max(middle - apart, 0)),
  };
}

function paintEllipsoid(context, e, colour, { fill = 0.2, stroke = 0.75, width = 1.2, dash = [] } = {}) {
  if (!e || e.long < 1.2) return;
  const rx = Math.max(e.long, 0.8), ry = Math.max(e.short, 0.8);
  if (fill > 0) {
    context.save();
    context.translate(e.x, e.y);
    context.rotate(e.angle);
    context.scale(rx, ry);
    const glow = context.createRadialGradient(0, 0, 0, 0, 0, 1);
    glow.addColorStop(0, withAlpha(colour, fill * 1.7));
    glow.addColorStop(0.75, withAlpha(colour, fill));
    glow.addColorStop(1, withAlpha(colour, fill * 0.55));
    context.fillStyle = glow;
    context.beginPath();
    context.arc(0, 0, 1, 0, 2 * Math.PI);
    context.fill();
    context.restore();
  }
  context.setLineDash(dash);
  context.lineWidth = width;
  context.strokeStyle = withAlpha(colour, stroke);
  context.beginPath();
  context.ellipse(e.x, e.y, rx, ry, e.angle, 0, 2 * Math.PI);
  context.stroke();
  context.setLineDash([]);
}

function ellipsoidsOf(panel, layer, projection, step, sigma) {
  const { stage } = panel;
  const means = stage.arrays[layer.array].at(stage.frame, step);
  const covariances = stage.arrays[layer.covariances].at(stage.frame, step);
  return Array.from({ length: JOINTS }, (_, j) =>
    projectEllipsoid(projection, means.subarray(3 * j, 3 * j + 3), covariances.subarray(6 * j, 6 * j + 6), sigma));
}

/** An ellipsoid for every joint; the one that is studied stands out, with a grey outline of how it was at the first step. */
LAYER_KINDS.ellipsoids = (panel, context, layer, projection, colours) => {
  const { stage } = panel;
  const now = ellipsoidsOf(panel, layer, projection, stage.step, 2);
  const order = now.map((_, j) => j).sort((a, b) => (now[b]?.depth || 0) - (now[a]?.depth || 0));
  for (const j of order) {
    if (j !== layer.joint) paintEllipsoid(context, now[j], colours[SIDE[j]], { fill: 0.07, stroke: 0.4, width: 1 });
  }
  const values = stage.arrays[layer.array].at(stage.frame, stage.step);
  for (let j = 0; j < JOINTS; j++) {
    if (now[j]) panel.targets.push({ x: now[j].x, y: now[j].y, text: `${jointLabel(j)}: ${stdText(panel, layer, j)}` });
  }
  if (layer.joint == null || !values) return;
  const before = ellipsoidsOf(panel, layer, projection, 0, 2)[layer.joint];
  paintEllipsoid(context, now[layer.joint], colours[SIDE[layer.joint]], { fill: 0.2, stroke: 0.95, width: 2 });
  if (stage.step > 0) paintEllipsoid(context, before, stage.theme.label, { fill: 0, stroke: 0.9, width: 1.6, dash: [4, 3] });
};

function stdText(panel, layer, j) {
  const { stage } = panel;
  const c = stage.arrays[layer.covariances].at(stage.frame, stage.step).subarray(6 * j, 6 * j + 6);
  const mm = (v) => Math.round(1000 * Math.sqrt(Math.max(v, 0)));
  return `std x ${mm(c[0])}, y ${mm(c[5])}, depth ${mm(c[3])} mm`; // plot axes are (x, z, -y) of the camera frame
}

/** One component of a mixture: the draws that belong to it, an ellipsoid a joint, and its mean as a thin skeleton. */
LAYER_KINDS.component = (panel, context, layer, projection, colours) => {
  const { stage } = panel;
  const alone = stage.step === layer.number;
  if (stage.step !== 0 && !alone) return;
  const colour = colours[0];
  const draws = stage.arrays[layer.draws].at(stage.frame, stage.step);
  if (alone) drawCloud(context, projectPoses(draws, projection), colours, 0.7);
  else drawDots(context, projectPoses(draws, projection), colour);
  const ellipsoids = ellipsoidsOf(panel, layer, projection, stage.step, 2);
  for (const e of ellipsoids) paintEllipsoid(context, e, colour, alone ? { fill: 0.12, stroke: 0.8, width: 1.3 } : { fill: 0.03, stroke: 0.3, width: 1 });
  const screen = projectPoses(stage.arrays[layer.array].at(stage.frame, stage.step), projection);
  const width = alone ? 4 : 2;
  for (const [ink, w] of [[stage.theme.halo, width + 2], [colour, width]]) {
    for (let j = 1; j < JOINTS; j++) {
      const a = 3 * PARENTS[j], b = 3 * j;
      context.setLineDash(SIDE[j] === 0 && ink === colour ? [5, 4] : []);
      context.lineCap = SIDE[j] === 0 ? "butt" : "round";
      line(context, { x0: screen[a], y0: screen[a + 1], x1: screen[b], y1: screen[b + 1] }, ink, w, true);
    }
  }
  context.setLineDash([]);
  const means = stage.arrays[layer.array].at(stage.frame, stage.step);
  for (let j = 0; j < JOINTS; j++) {
    const at = (i) => means[3 * j + i].toFixed(2);
    panel.targets.push({
      x: screen[3 * j], y: screen[3 * j + 1],
      text: `Component ${layer.number}, ${jointLabel(j)}  x ${at(0)}  y ${(-means[3 * j + 2]).toFixed(2)}  z ${at(1)} m`,
    });
  }
};

function drawDots(context, screen, colour) {
  context.fillStyle = withAlpha(colour, 0.45);
  for (let i = 0; i < screen.length; i += 3) if (screen[i + 2] > 0.05) context.fillRect(screen[i] - 1, screen[i + 1] - 1, 2, 2);
}

// ---- the picture plane, with what it was before ----

class BeliefPanel extends ImagePanel {
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.body.classList.add("dps-pickable");
    this.body.addEventListener("click", (event) => {
      const box = this.body.getBoundingClientRect();
      const x = event.clientX - box.left, y = event.clientY - box.top;
      const apart = this.targets.map((t) => Math.hypot(t.x - x, t.y - y));
      const j = apart.indexOf(Math.min(...apart));
      if (apart[j] < 22 && j > 0 && j !== this.spec.joint) this.stage.askFor?.("pick", j);
    });
  }
  draw() {
    super.draw();
    if (!this.ready || !this.targets.length) return;
    const { stage, spec } = this;
    const context = this.canvas.getContext("2d");
    const [width, height] = this.size();
    const centre = stage.arrays[spec.centre].at(stage.frame, stage.step);
    const zoom = Math.min(width, height) / (2 * spec.half_px);
    const target = this.targets[spec.joint];
    if (stage.step > 0) {
      const of = (name) => stage.arrays[spec.mixture[name]].at(stage.frame, 0);
      const weights = of("weights"), means = of("means_px"), stds = of("stds_px");
      const modes = weights.length / JOINTS;
      context.strokeStyle = stage.theme.text;
      context.lineWidth = 1.4;
      context.setLineDash([4, 3]);
      for (let i = spec.joint * modes; i < (spec.joint + 1) * modes; i++) {
        if (weights[i] < 0.01) continue;
        const x = width / 2 + (means[2 * i] - centre[0]) * zoom, y = height / 2 + (means[2 * i + 1] - centre[1]) * zoom;
        context.beginPath();
        context.ellipse(x, y, 2 * stds[2 * i] * zoom, 2 * stds[2 * i + 1] * zoom, 0, 0, 2 * Math.PI);
        context.stroke();
      }
      context.setLineDash([]);
    }
    namePlate(context, jointLabel(spec.joint), target.x, target.y, width, stage.theme);
  }
}

/** A small name plate beside a point, on whichever side there is room. */
function namePlate(context, text, x, y, width, theme) {
  context.font = "600 12px ui-sans-serif, system-ui, sans-serif";
  const w = context.measureText(text).width + 14;
  const left = x + 14 + w < width ? x + 14 : x - 14 - w;
  context.fillStyle = theme.text;
  context.beginPath();
  context.roundRect(left, y - 11, w, 22, 7);
  context.fill();
  context.fillStyle = theme.background;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, left + 7, y + 0.5);
  context.textBaseline = "alphabetic";
}

// ---- a mixture's weights and size ----

class WeightsPanel extends StillPanel {
  build() {
    const { stage, spec } = this;
    const weights = stage.arrays[spec.weights].values, spreads = stage.arrays[spec.spreads].values;
    this.list?.remove();
    this.list = element("div", "dps-weight-list", this.body);
    const top = Math.max(...weights);
    this.rows = [0, ...Array.from(weights, (_, m) => m + 1)].map((number) => {
      const row = element("button", "dps-weight", this.list);
      row.type = "button";
      row.addEventListener("click", () => { stage.stop(); stage.go("step", number); });
      if (number === 0) {
        element("span", "dps-weight-all", row, "All components");
        row.title = "Show all components";
        return row;
      }
      const share = weights[number - 1];
      const colour = stage.theme.palette(`component${number - 1}`)[0];
      element("b", "dps-weight-number", row, number).style.background = colour;
      const track = element("span", "dps-weight-track", row);
      const bar = element("i", "", track);
      bar.style.width = `${(100 * share) / top}%`;
      bar.style.background = colour;
      element("span", "dps-weight-value", row, `${(100 * share).toFixed(0)} %`);
      element("span", "dps-weight-spread", row, `${spreads[number - 1].toFixed(0)} mm`);
      row.title = `Component ${number}: weight ${share.toFixed(3)}, a joint's standard deviation ${spreads[number - 1].toFixed(0)} mm on average`;
      return row;
    });
  }
  draw() {
    if (!this.ready) return;
    this.rows.forEach((row, i) => row.setAttribute("aria-pressed", i === this.stage.step));
  }
}

/** Log-likelihood and BIC against the number of components; a click on a number asks for a mixture of that many. */
class SelectionPanel extends StillPanel {
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.canvas = element("canvas", "dps-flat", this.body);
    this.canvas.setAttribute("role", "img");
    this.body.classList.add("dps-pickable");
    this.body.addEventListener("click", (event) => {
      const at = this.nearest(event);
      if (at && at !== this.spec.chosen) this.stage.askFor?.("pick", at);
    });
  }
  nearest(event) {
    const n = this.values("fitted").length;
    const box = this.body.getBoundingClientRect();
    const t = (event.clientX - box.left - 46) / Math.max(1, box.width - 64);
    return Math.min(n, Math.max(1, 1 + Math.round(t * (n - 1))));
  }
  values(name) { return this.stage.arrays[this.spec[name]].values; }
  draw() {
    if (!this.ready) return;
    const { stage, spec } = this;
    const { theme } = stage;
    const [width, height] = this.size();
    const context = fitCanvas(this.canvas, width, height);
    const teal = theme.palette("teal")[2], violet = theme.palette("violet")[2], grey = theme.palette("grey")[2];
    const fitted = this.values("fitted"), fresh = this.values("fresh"), bic = this.values("bic").map((v) => v / 1000);
    const n = fitted.length, left = 46, right = width - 18, middle = height * 0.58;
    const X = (m) => left + ((right - left) * (m - 1)) / Math.max(1, n - 1);
    context.font = "500 11px ui-sans-serif, system-ui, sans-serif";
    const best = 1 + fresh.indexOf(Math.max(...fresh)), cheapest = 1 + bic.indexOf(Math.min(...bic));
    this.targets = [];
    context.fillStyle = withAlpha(teal, 0.12);
    context.beginPath();
    context.roundRect(X(spec.chosen) - 11, 4, 22, height - 10, 8);
    context.fill();
    const plot = (top, bottom, title, lines, unit) => {
      const all = lines.flatMap((l) => Array.from(l.values)).filter(Number.isFinite);
      const lo = Math.min(...all), hi = Math.max(...all), pad = (hi - lo || 1) * 0.12;
      const Y = (v) => bottom - ((bottom - top) * (v - lo + pad)) / (hi - lo + 2 * pad);
      context.strokeStyle = theme.floor;
      context.lineWidth = 1;
      context.textBaseline = "middle";
      context.textAlign = "right";
      for (const v of [lo, (lo + hi) / 2, hi]) {
        context.beginPath(); context.moveTo(left - 4, Y(v)); context.lineTo(right, Y(v)); context.stroke();
        context.fillStyle = theme.label;
        context.fillText(number(Math.abs(v) >= 100 ? v.toFixed(0) : v.toFixed(1)), left - 8, Y(v));
      }
      context.textAlign = "left";
      context.textBaseline = "alphabetic";
      let x = left;
      for (const l of lines) {
        context.strokeStyle = l.colour;
        context.lineWidth = 2;
        context.setLineDash(l.dash || []);
        context.beginPath(); context.moveTo(x, top - 12); context.lineTo(x + 16, top - 12); context.stroke();
        context.fillStyle = theme.label;
        context.fillText(l.name, x + 21, top - 8);
        x += 21 + context.measureText(l.name).width + 14;
        context.beginPath();
        l.values.forEach((v, i) => (i ? context.lineTo(X(i + 1), Y(v)) : context.moveTo(X(1), Y(v))));
        context.stroke();
        context.setLineDash([]);
        l.values.forEach((v, i) => {
          context.fillStyle = l.colour;
          const star = l.best === i + 1;
          context.beginPath(); context.arc(X(i + 1), Y(v), star ? 5.5 : 3, 0, 2 * Math.PI); context.fill();
          if (star) { context.strokeStyle = theme.halo; context.lineWidth = 1.5; context.stroke(); }
          this.targets.push({ x: X(i + 1), y: Y(v), text: `M = ${i + 1}: ${l.name} ${v.toFixed(1)}${unit}${star ? ", the best" : ""}` });
        });
      }
    };
    plot(28, middle - 14, "", [
      { name: "log-likelihood, fitted", values: fitted, colour: grey, dash: [5, 4] },
      { name: "new draws", values: fresh, colour: teal, best },
    ], " nats a pose");
    plot(middle + 22, height - 30, "", [{ name: "BIC / 1000, lower is better", values: bic, colour: violet, best: cheapest }], " thousand");
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    for (let m = 1; m <= n; m++) {
      context.font = `${m === spec.chosen ? 700 : 500} 11px ui-sans-serif, system-ui, sans-serif`;
      context.fillStyle = m === spec.chosen ? theme.text : theme.label;
      context.fillText(m, X(m), height - 9);
    }
    context.textAlign = "right";
    context.fillStyle = theme.label;
    context.fillText("M", left - 12, height - 9);
    this.canvas.setAttribute("aria-label",
      `Log-likelihood and BIC against the number of components: new draws are best described by ${best}, BIC is lowest at ${cheapest}, chosen ${spec.chosen}`);
  }
}

// ---- depth distributions ----

/** What both charts of depth share: the horizontal axis in metres, which no timeline runs along. */
class DepthPlot extends Chart {
  get jumpable() { return false; }
  get bins() { return this.stage.arrays[this.spec.draws].length("bin"); }
  metres(z) { return this.left + ((this.width - this.right - this.left) * (z - this.spec.lo)) / (this.spec.hi - this.spec.lo); }
  draw() {
    if (!this.begin()) return;
    this.context.textBaseline = "alphabetic";
    depthAxis(this);
    this.paint(this.context, (z) => this.metres(z), this.stage.theme);
  }
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
  jointAt(event) {
    const row = Math.floor((event.clientY - this.canvas.getBoundingClientRect().top - 10) / this.rowHeight);
    return row >= 1 && row < JOINTS ? row : null;
  }
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
      context.font = `${chosen ? 700 : 500} 11px ui-sans-serif, system-ui, sans-serif`;
      context.fillStyle = chosen ? theme.text : theme.label;
      context.textAlign = "right";
      context.fillText(jointLabel(j), this.left - 8, base - 1);
    }
    const moved = stage.step > 0 ? [{ label: "as detected", colour: theme.text, dash: "dash", value: "" }] : [];
    this.setKey([{ label: "draws of H_K", colour: colours[SIDE[spec.joint]], value: "" }, ...moved, ...this.truth()]);
    this.describe(`a row a joint, ${jointLabel(spec.joint)} is chosen`);
  }
  hover(event) {
    const joint = this.context && this.jointAt(event);
    this.tip.hidden = !joint || joint === this.spec.joint;
    if (!this.tip.hidden) this.showTip(this.left, 10 + this.rowHeight * (joint + 1), `Click: take the ${jointLabel(joint)}'s confidence away`);
  }
}

function hill(context, values, unit, X, base, spec) {
  const n = values.length, step = (spec.hi - spec.lo) / n;
  context.beginPath();
  context.moveTo(X(spec.lo), base);
  for (let i = 0; i < n; i++) context.lineTo(X(spec.lo + (i + 0.5) * step), base - unit * values[i]);
  context.lineTo(X(spec.hi), base);
}

function tick(context, x, top, bottom, theme) {
  context.strokeStyle = theme.halo;
  context.lineWidth = 4;
  context.beginPath(); context.moveTo(x, top); context.lineTo(x, bottom); context.stroke();
  context.strokeStyle = theme.palette("red")[2];
  context.lineWidth = 2;
  context.stroke();
}

function depthAxis(chart) {
  const { context, spec, bottom, height, stage } = chart;
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
  paint(context, X, theme) {
    const { stage, spec, bins, bottom, ceiling } = this;
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

Object.assign(PANEL_KINDS, { belief: BeliefPanel, weights: WeightsPanel, selection: SelectionPanel });
Object.assign(CHART_KINDS, { depths: DepthsChart, depth: DepthChart });
