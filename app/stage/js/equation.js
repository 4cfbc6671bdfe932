// Eq. 1 with its live values.

import { element, rich } from "./dom.js";
import { PANEL_KINDS } from "./kinds.js";
import { StillPanel } from "./panel.js";
import { TERM_COLOURS, termsOf } from "./terms.js";

/** @param {string} inner */
const math = (inner) => `<math>${inner}</math>`;

/** @type {Record<string, string>} */
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
  /**
   * @param {Stage} stage
   * @param {PanelSpec} spec
   * @param {HTMLElement} host
   */
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.body.classList.add("dps-equation");
  }
  build() {
    const { stage, spec } = this;
    /** @param {keyof typeof TERM_COLOURS} name */
    const paint = (name) => stage.theme.palette(TERM_COLOURS[name])[2];
    for (const name of /** @type {(keyof typeof TERM_COLOURS)[]} */ (Object.keys(TERM_COLOURS))) this.body.style.setProperty(`--${name}`, paint(name));
    this.body.replaceChildren();
    const formula = element("div", "dps-formula", this.body);
    formula.innerHTML = `<span>${math(`${MATHS.h_k}<mo>=</mo>`)}</span><span class="mean">${math(MATHS.mean)}</span><span>+</span>`
      + `<span class="kept">${math(MATHS.keep + MATHS.offset)}</span><span>+</span><span class="noise">${math(MATHS.spread + MATHS.noise)}</span>`;
    const bars = element("div", "dps-factors", this.body);
    this.factors = /** @type {["keep" | "spread", string, string][]} */ ([
      ["keep", "kept", "of h_0's offset is kept"], ["spread", "noise", "of the noise is added"],
    ]).map(([key, name, words]) => {
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
    this.rows = /** @type {["mean" | "kept" | "noise" | "sum", string, string][]} */ ([
      ["mean", MATHS.mean, "mean"], ["kept", `<mo>+</mo>${MATHS.keep}${MATHS.offset}`, "kept"],
      ["noise", `<mo>+</mo>${MATHS.spread}${MATHS.noise}`, "noise"], ["sum", `<mo>=</mo>${MATHS.h_k}`, ""],
    ]).map(([key, symbol, name]) => {
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
      return { name, b };
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
    const { stage, spec } = this;
    const t = termsOf(stage, spec);
    for (const f of this.factors ?? []) {
      f.fill.style.width = `${100 * t[f.key]}%`;
      f.value.textContent = t[f.key].toFixed(3);
    }
    /** @param {number} v */
    const signed = (v) => (v < -0.0005 ? "\u2212" : "") + Math.abs(v).toFixed(3);
    for (const row of this.rows ?? []) {
      const [x, depth, up] = t[row.key];
      [x, -up, depth].forEach((v, i) => (row.cells[i].textContent = signed(v)));
    }
    for (const { name, b } of this.buttons ?? []) b.setAttribute("aria-pressed", name === t.schedule);
    this.body.setAttribute("aria-label", `${stage.positionText()}: alpha ${t.alpha.toFixed(3)}`);
  }
}

PANEL_KINDS.equation = EquationPanel;
