// Charts under the panels: over the steps or the frames, with a cursor; a click or a drag goes there.

const CHART_FONT = "500 11px ui-sans-serif, system-ui, sans-serif";
/** Joints from the head down, side by side as on a body; the hip is always at the origin and says nothing. */
const JOINT_ROWS = [10, 9, 8, 7, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6];

const number = (v) => String(v).replace("-", "\u2212");
const shortNumber = (v) => number(v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(v % 1 ? 1 : 0) : v === 0 ? "0" : v.toFixed(2));

function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].map((m) => m * power).find((v) => v >= value * 0.999);
}

const largest = (values) => values.reduce((a, b) => (Number.isFinite(b) && b > a ? b : a), 1e-6);

/** What all charts share: a title with its help, a key, a canvas, a tip, and how a pointer moves the timeline. */
class Chart {
  constructor(stage, spec, host) {
    this.stage = stage;
    this.spec = spec;
    this.axis = spec.axis || "step";
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
  hover() {}
  indexAt(e) {
    const box = this.canvas.getBoundingClientRect();
    const t = (e.clientX - box.left - this.left) / Math.max(1, box.width - this.left - this.right);
    return Math.min(this.count - 1, Math.max(0, Math.round(t * (this.count - 1))));
  }
  get count() { return this.stage.count(this.axis); }
  /** An array's row at an index of this chart's own axis, wherever the other axis stands. */
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
  fit(canvas) {
    const context = fitCanvas(canvas, this.width, this.height);
    context.font = CHART_FONT;
    context.textBaseline = "middle";
    return context;
  }
  /** Paint what stands still while the cursor moves: kept, and painted anew only where what it depends on has changed. */
  drawStill(paint, ...dependsOn) {
    const { stage } = this;
    const other = this.axis === "step" ? stage.frame : stage.step;
    const look = JSON.stringify([this.width, this.height, fitCanvas.ratio, stage.themeKey, stage.header.hash, other, ...dependsOn]);
    if (look !== this.stillLook) {
      this.stillLook = look;
      const shown = this.context;
      this.context = this.fit((this.still ??= document.createElement("canvas")));
      paint(this.context);
      this.context = shown;
    }
    this.context.drawImage(this.still, 0, 0, this.width, this.height);
  }
  X(i) { return this.left + ((this.width - this.right - this.left) * i) / Math.max(1, this.count - 1); }
  Y(v) { return this.bottom - ((this.bottom - this.ceiling) * v) / this.top; }
  /** Horizontal lines with their values, and what the ends and the middle of the axis are. */
  drawAxes() {
    const { context, stage } = this;
    context.strokeStyle = stage.theme.floor;
    context.fillStyle = stage.theme.label;
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const f of [0, 0.5, 1]) {
      context.beginPath();
      context.moveTo(this.left, this.Y(f * this.top));
      context.lineTo(this.width - this.right, this.Y(f * this.top));
      context.stroke();
      context.fillText(shortNumber(f * this.top), this.left - 7, this.Y(f * this.top));
    }
    this.drawIndices((i) => this.X(i));
  }
  drawIndices(place) {
    const { context, stage } = this;
    const n = this.count;
    context.fillStyle = stage.theme.label;
    for (const i of new Set([0, Math.floor((n - 1) / 2), n - 1])) {
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
  /** One curve, cut off where the plot ends. */
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
  drawDot(i, value, colour) {
    if (!Number.isFinite(value) || value > this.top * 1.001) return;
    const { context } = this;
    context.fillStyle = colour;
    context.beginPath(); context.arc(this.X(i), this.Y(value), 4, 0, 2 * Math.PI); context.fill();
  }
  /** The key's entries: one a series, each with its value. */
  setKey(entries) {
    if (this.key.childElementCount !== entries.length) {
      this.key.replaceChildren();
      for (const e of entries) {
        const node = element("span", "", this.key);
        element("i", "", node);
        element("span", "", node);
        element("b", "", node);
      }
    }
    entries.forEach((e, i) => {
      const node = this.key.children[i];
      const look = `${e.colour} ${e.dash || ""} ${e.label}`;
      if (node.dataset.look !== look) {
        node.dataset.look = look;
        node.firstChild.style.color = e.colour;
        node.firstChild.className = e.dash ? `dash-${e.dash}` : "";
        rich(node.children[1], e.label);
      }
      if (node.lastChild.textContent !== e.value) node.lastChild.textContent = e.value;
    });
  }
  describe(text) { this.canvas.setAttribute("aria-label", `${this.spec.title}: ${text}`); }
  showTip(x, y, text) {
    this.tip.hidden = false;
    this.tip.textContent = text;
    this.tip.style.left = `${Math.max(2, Math.min(x + 12, this.width - this.tip.offsetWidth - 2))}px`;
    this.tip.style.top = `${Math.max(0, y - 30)}px`;
  }
}

const DASHES = { dash: [6, 4], dot: [2, 3] };

/** Lines over the steps or the frames. A series with "off_scale" does not decide the scale. */
class LineChart extends Chart {
  build() {
    super.build();
    const { spec, stage } = this;
    this.scaled = spec.series.filter((s) => !s.off_scale);
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
    if (this.axis === "step" && this.scaledFrame !== stage.frame) {
      this.scaledFrame = stage.frame;
      this.ceilingValue = niceCeiling(largest(this.scaled.flatMap((s) =>
        Array.from({ length: this.count }, (_, i) => stage.arrays[s.array].at(stage.frame, i)[0]))));
    } else if (this.axis === "frame" && !this.ceilingValue) {
      const last = stage.count("step") - 1;
      this.ceilingValue = niceCeiling(1.05 * largest(this.scaled.flatMap((s) =>
        Array.from({ length: this.count }, (_, i) => stage.arrays[s.array].at(i, last)[0]))));
    }
    return this.ceilingValue;
  }
  draw() {
    if (!this.begin()) return;
    const { stage, spec } = this;
    this.top = this.scale();
    const colourOf = (s) => stage.theme.palette(s.palette)[2];
    this.drawStill(() => {
      this.drawAxes();
      for (const s of spec.series) {
        const values = Array.from({ length: this.count }, (_, i) => this.row(s.array, i)[0]);
        this.drawCurve(values, colourOf(s), s.dash === "dot" ? 1.6 : 2, DASHES[s.dash] || []);
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
    this.top = niceCeiling(largest(Array.from(this.stage.arrays[this.spec.array].values)));
  }
  draw() {
    if (!this.begin()) return;
    const { stage, spec } = this;
    const colours = stage.theme.palette("sides"), inks = stage.theme.palette("names");
    const colourOf = (s) => stage.theme.palette(s.palette)[2];
    this.drawStill((context) => {
      this.drawAxes();
      const rows = Array.from({ length: this.count }, (_, i) => this.row(spec.array, i));
      for (const s of spec.series || []) {
        this.drawCurve(rows.map((_, i) => this.row(s.array, i)[0]), colourOf(s), 1.8, DASHES[s.dash] || []);
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
      dash: SIDE[shown] === 0 ? "dash" : null, value: shortNumber(row[shown]) });
    this.setKey(entries);
    this.describe(`widest is ${jointLabel(widest)} with ${shortNumber(row[widest])} ${spec.unit}`);
  }
  hover(e) {
    if (!this.context) return;
    const box = this.canvas.getBoundingClientRect();
    const y = e.clientY - box.top;
    const row = this.row(this.spec.array, this.indexAt(e));
    const near = [...JOINT_ROWS].sort((a, b) => Math.abs(this.Y(row[a]) - y) - Math.abs(this.Y(row[b]) - y))[0];
    const hot = Math.abs(this.Y(row[near]) - y) < 14 ? near : null;
    if (hot !== this.hot) { this.hot = hot; this.draw(); }
  }
  unhover() { this.hot = null; this.draw(); }
}

/** Joints by steps, dark where a joint is far from where it ends; a line marks from where on it stays. */
class StripChart extends Chart {
  build() {
    super.build();
    this.left = 92;
    this.right = 10;
    this.top = Math.max(1e-6, this.spec.top);
  }
  get cell() { return (this.width - this.left - this.right) / this.count; }
  indexAt(e) {
    const box = this.canvas.getBoundingClientRect();
    return Math.min(this.count - 1, Math.max(0, Math.floor((e.clientX - box.left - this.left) / this.cell)));
  }
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
      .flatMap((i) => Array.from(this.stage.arrays[s.array].at(i, last))));
    this.top = niceCeiling(Math.max(1, all.sort((a, b) => a - b)[Math.floor(0.985 * (all.length - 1))]));
  }
  get jumpable() { return false; }
  draw() {
    if (!this.begin()) return;
    const { context, stage, spec } = this;
    this.ceiling = 2;
    const tall = (this.bottom - this.ceiling) / JOINT_ROWS.length;
    const X = (v) => this.left + ((this.width - this.left - this.right) * Math.min(v, this.top)) / this.top;
    const inks = stage.theme.palette("names");
    context.strokeStyle = stage.theme.floor;
    context.fillStyle = stage.theme.label;
    for (const f of [0, 0.5, 1]) {
      context.beginPath(); context.moveTo(X(f * this.top), this.ceiling); context.lineTo(X(f * this.top), this.bottom); context.stroke();
      context.textAlign = "center";
      context.fillText(shortNumber(f * this.top), X(f * this.top), this.height - 8);
    }
    const rows = spec.series.map((s) => stage.arrays[s.array].at(stage.frame, stage.step));
    const thick = Math.max(2, Math.min(6, (tall - 3) / rows.length));
    this.bars = [];
    JOINT_ROWS.forEach((j, r) => {
      const y = this.ceiling + r * tall;
      context.textAlign = "right";
      context.fillStyle = inks[SIDE[j]];
      context.fillText(jointLabel(j), this.left - 7, y + tall / 2);
      rows.forEach((row, s) => {
        const from = y + tall / 2 - (thick * rows.length) / 2 + s * thick;
        context.fillStyle = stage.theme.palette(spec.series[s].palette)[2];
        context.fillRect(this.left, from, Math.max(1, X(row[j]) - this.left), thick - 0.6);
      });
      const most = Math.max(...rows.map((row) => row[j]));
      context.textAlign = "left";
      context.fillStyle = stage.theme.label;
      context.fillText(most.toFixed(0), X(most) + 5, y + tall / 2);
    });
    const entries = spec.series.map((s, i) => {
      const mean = rows[i].reduce((a, b) => a + b, 0) / rows[i].length;
      return { label: s.label, colour: stage.theme.palette(s.palette)[2], value: shortNumber(mean) };
    });
    this.setKey(entries);
    this.describe(entries.map((e) => `${e.label} ${e.value} ${spec.unit} on average`).join(", "));
  }
  hover(e) {
    if (!this.context) return;
    const box = this.canvas.getBoundingClientRect();
    const r = Math.floor((e.clientY - box.top - this.ceiling) / ((this.bottom - this.ceiling) / JOINT_ROWS.length));
    if (r < 0 || r >= JOINT_ROWS.length) { this.tip.hidden = true; return; }
    const j = JOINT_ROWS[r], { stage } = this;
    const words = this.spec.series.map((s) => `${s.label} ${stage.arrays[s.array].at(stage.frame, stage.step)[j].toFixed(0)}`);
    this.showTip(e.clientX - box.left, e.clientY - box.top, `${jointLabel(j)}: ${words.join(", ")} ${this.spec.unit}`);
  }
}

/** Small pictures of single frames; a click goes to the frame. */
class Gallery extends Chart {
  build() {
    this.tiles = this.spec.moments.map((moment) => {
      const b = element("button", "dps-moment", this.plot);
      b.type = "button";
      b.dataset.better = moment.better;
      b.title = `Go to frame ${this.stage.header.axes.frame.values[moment.index]}`;
      const canvas = element("canvas", "", b);
      canvas.setAttribute("role", "presentation");
      element("b", "", b, moment.title);
      element("span", "", b, moment.text);
      b.addEventListener("click", () => {
        this.stage.stop();
        this.stage.go("frame", moment.index);
        this.stage.grid.scrollIntoView({ block: "nearest", behavior: "smooth" });
      });
      return { moment, canvas, button: b };
    });
  }
  draw() {
    const { stage, spec } = this;
    const last = stage.count("step") - 1; // the answer, wherever the timeline stands
    for (const { moment, button } of this.tiles) button.setAttribute("aria-pressed", moment.index === stage.frame);
    const look = lookOf(stage, [this.width]);
    if (look === this.look) return;
    this.look = look;
    for (const { moment, canvas } of this.tiles) {
      const box = canvas.getBoundingClientRect();
      if (box.width < 20) continue;
      paintScene(canvas, this, spec.layers, box.width, box.height, moment.index, last);
    }
  }
}

// What a chart of each kind is drawn by; the stage asks here.
const CHART_KINDS = { line: LineChart, joints: JointChart, strip: StripChart, bars: BarChart, gallery: Gallery };
