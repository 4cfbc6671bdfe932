// Charts under the panels: over the steps or the frames, with a cursor; a click goes there.

/** A small line chart over the steps or the frames, with a cursor; click or drag to go there. */
class Chart {
  constructor(stage, spec, host) {
    this.stage = stage;
    this.spec = spec;
    this.root = element("figure", "dps-chart", host);
    this.root.dataset.chart = spec.id;
    const head = element("figcaption", "", this.root);
    this.title = element("span", "dps-chart-title", head);
    this.key = element("span", "dps-chart-key", head);
    this.canvas = element("canvas", "", this.root);
    const go = (e) => {
      const box = this.canvas.getBoundingClientRect();
      const n = this.stage.count(this.spec.axis);
      const t = (e.clientX - box.left - 44) / Math.max(1, box.width - 56);
      this.stage.go(this.spec.axis, Math.round(t * (n - 1)));
    };
    this.canvas.addEventListener("pointerdown", (e) => { this.canvas.setPointerCapture(e.pointerId); this.stage.stop(); go(e); });
    this.canvas.addEventListener("pointermove", (e) => { if (e.buttons) go(e); });
  }
  draw() {
    const { stage, spec } = this;
    rich(this.title, `${spec.title} (${spec.unit})`);
    const box = this.canvas.getBoundingClientRect();
    const width = box.width, height = box.height;
    if (width < 30) return;
    const context = fitCanvas(this.canvas, width, height);
    const n = stage.count(spec.axis);
    const rows = spec.series.map((s) => {
      const array = stage.arrays[s.array];
      const values = [];
      for (let i = 0; i < n; i++) {
        values.push(spec.axis === "step" ? array.at(stage.frame, i)[0] : array.at(i, stage.step)[0]);
      }
      return values;
    });
    // One scale for all steps, so that stepping shows what shrinks; over the frames, the scale of the last step.
    const all = spec.axis === "step" ? spec.series.flatMap((s) => Array.from(stage.arrays[s.array].values))
      : spec.series.flatMap((s) => Array.from({ length: n }, (_, i) => 1.25 * stage.arrays[s.array].at(i, stage.count("step") - 1)[0]));
    const top = niceCeiling(all.filter(Number.isFinite).reduce((a, b) => Math.max(a, b), 1e-6));
    const left = 44, right = width - 12, bottom = height - 22, ceiling = 8;
    const X = (i) => left + ((right - left) * i) / Math.max(1, n - 1);
    const Y = (v) => bottom - ((bottom - ceiling) * v) / top;
    const at = stage.index(spec.axis);
    context.font = "500 11px ui-sans-serif, system-ui, sans-serif";
    context.strokeStyle = stage.theme.floor;
    context.fillStyle = stage.theme.label;
    context.lineWidth = 1;
    context.textBaseline = "middle";
    for (const f of [0, 0.5, 1]) {
      context.beginPath(); context.moveTo(left, Y(f * top)); context.lineTo(right, Y(f * top)); context.stroke();
      context.textAlign = "right";
      context.fillText(shortNumber(f * top), left - 7, Y(f * top));
    }
    context.textAlign = "center";
    for (const i of [0, Math.floor((n - 1) / 2), n - 1]) {
      context.textAlign = i === 0 ? "left" : i === n - 1 ? "right" : "center";
      context.fillText(stage.placeText(spec.axis, i), X(i), height - 8);
    }
    this.key.replaceChildren();
    rows.forEach((row, r) => {
      const s = spec.series[r];
      const colour = stage.theme.palette(s.palette)[2];
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.setLineDash(s.dash ? [5, 4] : []);
      context.beginPath();
      let pen = false;
      context.save();
      context.rect(left - 4, ceiling - 6, right - left + 8, bottom - ceiling + 10);
      context.clip();
      context.beginPath();
      row.forEach((v, i) => {
        if (!Number.isFinite(v)) { pen = false; return; }
        if (pen) context.lineTo(X(i), Y(v)); else context.moveTo(X(i), Y(v));
        pen = true;
      });
      context.stroke();
      context.restore();
      context.setLineDash([]);
      if (Number.isFinite(row[at]) && row[at] <= top) {
        context.fillStyle = colour;
        context.beginPath(); context.arc(X(at), Y(row[at]), 4, 0, 2 * Math.PI); context.fill();
      }
      const entry = element("span", "", this.key);
      const swatch = element("i", s.dash ? "dash" : "", entry);
      swatch.style.color = colour;
      rich(element("span", "", entry), s.label);
      element("b", "", entry, Number.isFinite(row[at]) ? shortNumber(row[at]) : "–");
    });
    context.strokeStyle = stage.theme.floorStrong;
    context.lineWidth = 1;
    context.beginPath(); context.moveTo(X(at), ceiling); context.lineTo(X(at), bottom); context.stroke();
  }
}

const number = (v) => String(v).replace("-", "\u2212");

function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((m) => m * power).find((v) => v >= value * 0.999);
}
const shortNumber = (v) => (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(v % 1 ? 1 : 0) : v === 0 ? "0" : v.toFixed(2));

// What a chart of each kind is drawn by; the stage asks here.
const CHART_KINDS = { line: Chart };
