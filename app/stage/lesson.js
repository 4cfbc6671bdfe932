// What the guided tour adds: Eq. 1 with its live values, and its terms as arrows in the scene.

const TERM_COLOURS = { mean: "violet", kept: "teal", noise: "component1" };

/** One joint's terms of Eq. 1 at the stage's step, in plot axes: mean, what is kept of h_0's offset, noise, and their sum. */
function termsOf(stage, spec) {
  const schedules = Object.keys(spec.alphas);
  const schedule = schedules.includes(stage.memory.schedule) ? stage.memory.schedule : schedules[0];
  const alpha = stage.arrays[spec.alphas[schedule]].at(stage.frame, stage.step)[0];
  const of = (name) => Array.from(stage.arrays[spec[name]].at(stage.frame, stage.step).subarray(3 * spec.joint, 3 * spec.joint + 3));
  const mean = of("mean"), h_0 = of("h_0"), eps = of("noise");
  const keep = Math.sqrt(alpha), spread = Math.sqrt(1 - alpha);
  const kept = mean.map((m, i) => keep * (h_0[i] - m)), noise = eps.map((e) => spread * e);
  return { schedule, alpha, keep, spread, mean, h_0, kept, noise, sum: mean.map((m, i) => m + kept[i] + noise[i]) };
}

LAYER_KINDS.terms = (panel, context, layer, projection) => {
  const { stage } = panel;
  const { theme } = stage;
  const t = termsOf(stage, layer);
  const at = (p) => projection.point(p[0], p[1], p[2], [0, 0, 0]);
  const between = t.mean.map((m, i) => m + t.kept[i]);
  const mean = at(t.mean), middle = at(between), end = at(t.sum), start = at(t.h_0);
  return () => {
    const colour = (name) => theme.palette(TERM_COLOURS[name])[2];
    arrow(context, mean, middle, colour("kept"), theme);
    arrow(context, middle, end, colour("noise"), theme);
    const taken = [];
    for (const [p, ink, text] of [[end, theme.text, "h_k"], [mean, colour("mean"), "μ"], [start, theme.label, "h_0"]]) {
      context.beginPath();
      context.arc(p[0], p[1], 6, 0, 2 * Math.PI);
      context.fillStyle = ink;
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = theme.halo;
      context.stroke();
      // Names of points that lie on each other go below one another.
      let y = p[1] - 14;
      while (taken.some(([u, v]) => Math.abs(u - p[0]) < 34 && Math.abs(v - y) < 16)) y -= 16;
      taken.push([p[0], y]);
      termName(context, text, p[0] + 9, y, ink, theme);
    }
  };
};

function arrow(context, from, to, colour, theme) {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  if (length < 2) return;
  const ux = (to[0] - from[0]) / length, uy = (to[1] - from[1]) / length, head = Math.min(12, length * 0.6);
  context.lineCap = "butt";
  context.setLineDash([]);
  for (const [ink, width, grow] of [[theme.halo, 8, 2], [colour, 4, 0]]) {
    const bx = to[0] - ux * head, by = to[1] - uy * head;
    line(context, { x0: from[0], y0: from[1], x1: bx, y1: by }, ink, width, true);
    context.fillStyle = ink;
    context.beginPath();
    context.moveTo(to[0] + ux * grow, to[1] + uy * grow);
    context.lineTo(bx - uy * (7 + grow), by + ux * (7 + grow));
    context.lineTo(bx + uy * (7 + grow), by - ux * (7 + grow));
    context.fill();
  }
}

function termName(context, text, x, y, colour, theme) {
  const [letter, low] = text.split("_");
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.lineJoin = "round";
  context.strokeStyle = theme.halo;
  context.lineWidth = 4;
  context.fillStyle = colour;
  context.font = "italic 600 16px Georgia, 'Times New Roman', serif";
  context.strokeText(letter, x, y);
  context.fillText(letter, x, y);
  if (!low) return;
  const w = context.measureText(letter).width;
  context.font = "italic 600 11px Georgia, 'Times New Roman', serif";
  context.strokeText(low, x + w + 1, y + 4);
  context.fillText(low, x + w + 1, y + 4);
}

const math = (inner) => `<math>${inner}</math>`;
const MATHS = {
  h_k: "<msub><mover><mi>h</mi><mo>^</mo></mover><mi>k</mi></msub>",
  mean: "<msup><mi>μ</mi><mi>G</mi></msup>",
  keep: "<msqrt><msub><mi>α</mi><mi>k</mi></msub></msqrt>",
  spread: "<msqrt><mn>1</mn><mo>−</mo><msub><mi>α</mi><mi>k</mi></msub></msqrt>",
  offset: "<mo>(</mo><msub><mi>h</mi><mn>0</mn></msub><mo>−</mo><msup><mi>μ</mi><mi>G</mi></msup><mo>)</mo>",
  noise: "<msup><mi>ε</mi><mi>G</mi></msup>",
};

/** Eq. 1 with the values that it has at this step: the numbers move with the slider, and nothing asks the server. */
class EquationPanel extends StillPanel {
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.body.classList.add("dps-equation");
  }
  build() {
    const { stage, spec } = this;
    const paint = (name) => stage.theme.palette(TERM_COLOURS[name])[2];
    for (const name of Object.keys(TERM_COLOURS)) this.body.style.setProperty(`--${name}`, paint(name));
    this.body.replaceChildren();
    const formula = element("div", "dps-formula", this.body);
    formula.innerHTML = `<span>${math(`${MATHS.h_k}<mo>=</mo>`)}</span><span class="mean">${math(MATHS.mean)}</span><span>+</span>`
      + `<span class="kept">${math(MATHS.keep + MATHS.offset)}</span><span>+</span><span class="noise">${math(MATHS.spread + MATHS.noise)}</span>`;
    const bars = element("div", "dps-factors", this.body);
    this.factors = [["keep", "kept", "of h_0's offset is kept"], ["spread", "noise", "of the noise is added"]].map(([key, name, words]) => {
      const row = element("div", `dps-factor ${name}`, bars);
      element("span", "", row).innerHTML = math(MATHS[key]);
      const track = element("span", "dps-weight-track", row);
      const fill = element("i", "", track);
      const value = element("b", "", row);
      rich(element("em", "", row), words);
      return { key, fill, value };
    });
    const table = element("table", "dps-terms", this.body);
    const head = element("tr", "", element("thead", "", table));
    for (const text of ["", "x", "y", "z"]) element("th", "", head, text).scope = "col";
    const rows = element("tbody", "", table);
    this.rows = [
      ["mean", MATHS.mean, "mean"], ["kept", `<mo>+</mo>${MATHS.keep}${MATHS.offset}`, "kept"],
      ["noise", `<mo>+</mo>${MATHS.spread}${MATHS.noise}`, "noise"], ["sum", `<mo>=</mo>${MATHS.h_k}`, ""],
    ].map(([key, symbol, name]) => {
      const row = element("tr", name || "sum", rows);
      const cell = element("th", "", row);
      cell.scope = "row";
      cell.innerHTML = math(symbol);
      return { key, cells: [0, 1, 2].map(() => element("td", "", row)) };
    });
    const choice = element("div", "dps-schedules", this.body);
    element("span", "", choice, "Noise schedule");
    const group = element("div", "dps-segment", choice);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Noise schedule");
    this.buttons = Object.keys(spec.alphas).map((name) => {
      const b = element("button", "", group, name);
      b.type = "button";
      b.title = `Eq. 1 with the ${name} schedule`;
      b.addEventListener("click", () => {
        stage.memory.schedule = name;
        this.showSchedule();
        stage.schedule();
      });
      return [name, b];
    });
    this.showSchedule();
  }
  /** The scenes beside the equation show h_k of the schedule that was chosen here. */
  showSchedule() {
    const { schedule } = termsOf(this.stage, this.spec);
    for (const layer of this.stage.panels.flatMap((p) => p.spec.layers || [])) {
      if (layer.schedules) layer.array = layer.schedules[schedule];
    }
  }
  draw() {
    if (!this.ready) return;
    const { stage, spec } = this;
    const t = termsOf(stage, spec);
    for (const f of this.factors) {
      f.fill.style.width = `${100 * t[f.key]}%`;
      f.value.textContent = t[f.key].toFixed(3);
    }
    const signed = (v) => (v < -0.0005 ? "\u2212" : "") + Math.abs(v).toFixed(3);
    for (const row of this.rows) {
      const [x, depth, up] = t[row.key];
      [x, -up, depth].forEach((v, i) => (row.cells[i].textContent = signed(v)));
    }
    for (const [name, b] of this.buttons) b.setAttribute("aria-pressed", name === t.schedule);
    this.body.setAttribute("aria-label", `${stage.positionText()}: alpha ${t.alpha.toFixed(3)}`);
  }
}

PANEL_KINDS.equation = EquationPanel;
