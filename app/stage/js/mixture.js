// A mixture's weights, and how many components it should have.

import { fitCanvas, setFont } from "./canvas.js";
import { element } from "./dom.js";
import { PANEL_KINDS } from "./kinds.js";
import { number } from "./numbers.js";
import { StillPanel } from "./panel.js";
import { withAlpha } from "./theme.js";

class WeightsPanel extends StillPanel {
  build() {
    const { stage, spec } = this;
    const weights = stage.arrays[spec.weights].values, spreads = stage.arrays[spec.spreads].values;
    this.list?.remove();
    this.list = element("div", "dps-weight-list", this.body);
    const top = Math.max(...weights);
    this.rows = [0, ...Array.from(weights, (_, m) => m + 1)].map((chosen) => {
      const row = element("button", "dps-weight", this.list);
      row.type = "button";
      row.addEventListener("click", () => { stage.stop(); stage.go("step", chosen); });
      if (chosen === 0) {
        element("span", "dps-weight-all", row, "All components");
        row.title = "Show all components";
        return row;
      }
      const share = weights[chosen - 1];
      const colour = stage.theme.palette(`component${chosen - 1}`)[0];
      element("b", "dps-weight-number", row, chosen).style.background = colour;
      const track = element("span", "dps-weight-track", row);
      const bar = element("i", "", track);
      bar.style.width = `${(100 * share) / top}%`;
      bar.style.background = colour;
      element("span", "dps-weight-value", row, `${(100 * share).toFixed(0)} %`);
      element("span", "dps-weight-spread", row, `${spreads[chosen - 1].toFixed(0)} mm`);
      row.title = `Component ${chosen}: weight ${share.toFixed(3)}, a joint's standard deviation ${spreads[chosen - 1].toFixed(0)} mm on average`;
      return row;
    });
  }
  draw() {
    this.rows?.forEach((row, i) => row.setAttribute("aria-pressed", i === this.stage.step));
  }
}

/** Log-likelihood and BIC against the number of components; a click on a number asks for a mixture of that many. */
class SelectionPanel extends StillPanel {
  /**
   * @param {Stage} stage
   * @param {PanelSpec} spec
   * @param {HTMLElement} host
   */
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
  /** @param {PointerEvent} event */
  nearest(event) {
    const n = this.values("fitted").length;
    const box = this.body.getBoundingClientRect();
    const t = (event.clientX - box.left - 46) / Math.max(1, box.width - 64);
    return Math.min(n, Math.max(1, 1 + Math.round(t * (n - 1))));
  }
  /** @param {"fitted" | "fresh" | "bic"} name */
  values(name) { return this.stage.arrays[this.spec[name]].values; }
  draw() {
    const { stage, spec } = this;
    const { theme } = stage;
    const [width, height] = this.size();
    const context = fitCanvas(this.canvas, width, height);
    const teal = theme.palette("teal")[2], violet = theme.palette("violet")[2], grey = theme.palette("grey")[2];
    const fitted = this.values("fitted"), fresh = this.values("fresh"), bic = this.values("bic").map((v) => v / 1000);
    const n = fitted.length, left = 46, right = width - 18, middle = height * 0.58;
    /** @param {number} m */
    const X = (m) => left + ((right - left) * (m - 1)) / Math.max(1, n - 1);
    setFont(context, "500 11px ui-sans-serif, system-ui, sans-serif");
    const best = 1 + fresh.indexOf(Math.max(...fresh)), cheapest = 1 + bic.indexOf(Math.min(...bic));
    this.targets = [];
    context.fillStyle = withAlpha(teal, 0.12);
    context.beginPath();
    context.roundRect(X(spec.chosen) - 11, 4, 22, height - 10, 8);
    context.fill();
    /**
     * @param {number} top
     * @param {number} bottom
     * @param {PlotLine[]} lines
     * @param {string} unit
     */
    const plot = (top, bottom, lines, unit) => {
      const all = lines.flatMap((l) => Array.from(l.values)).filter(Number.isFinite);
      const lo = Math.min(...all), hi = Math.max(...all), pad = (hi - lo || 1) * 0.12;
      /** @param {number} v */
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
    plot(28, middle - 14, [
      { name: "log-likelihood, fitted", values: fitted, colour: grey, dash: [5, 4] },
      { name: "new draws", values: fresh, colour: teal, best },
    ], " nats a pose");
    plot(middle + 22, height - 30, [{ name: "BIC / 1000, lower is better", values: bic, colour: violet, best: cheapest }], " thousand");
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    for (let m = 1; m <= n; m++) {
      setFont(context, `${m === spec.chosen ? 700 : 500} 11px ui-sans-serif, system-ui, sans-serif`);
      context.fillStyle = m === spec.chosen ? theme.text : theme.label;
      context.fillText(String(m), X(m), height - 9);
    }
    context.textAlign = "right";
    context.fillStyle = theme.label;
    context.fillText("M", left - 12, height - 9);
    this.canvas.setAttribute("aria-label",
      `Log-likelihood and BIC against the number of components: new draws are best described by ${best}, BIC is lowest at ${cheapest}, chosen ${spec.chosen}`);
  }
}

// ---- depth distributions ----

PANEL_KINDS.weights = WeightsPanel;
PANEL_KINDS.selection = SelectionPanel;
