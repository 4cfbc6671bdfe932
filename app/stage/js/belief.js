// The picture plane of the uncertainty view: heatmaps now and as detected.

import { setFont } from "./canvas.js";
import { ImagePanel } from "./image.js";
import { PANEL_KINDS } from "./kinds.js";
import { jointLabel, JOINTS } from "./skeleton.js";

class BeliefPanel extends ImagePanel {
  /**
   * @param {Stage} stage
   * @param {PanelSpec} spec
   * @param {HTMLElement} host
   */
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
    if (!this.targets.length) return;
    const { stage, spec } = this;
    const context = /** @type {Canvas2D} */ (this.canvas.getContext("2d"));
    const [width, height] = this.size();
    const { toX, toY, zoom } = this.places(width, height);
    const target = this.targets[spec.joint];
    if (stage.step > 0) {
      /** @param {"weights" | "means_px" | "stds_px"} name */
      const of = (name) => stage.arrays[spec.mixture[name]].at(stage.frame, 0);
      const weights = of("weights"), means = of("means_px"), stds = of("stds_px");
      const modes = weights.length / JOINTS;
      context.strokeStyle = stage.theme.text;
      context.lineWidth = 1.4;
      context.setLineDash([4, 3]);
      for (let i = spec.joint * modes; i < (spec.joint + 1) * modes; i++) {
        if (weights[i] < 0.01) continue;
        context.beginPath();
        context.ellipse(toX(means[2 * i]), toY(means[2 * i + 1]), 2 * stds[2 * i] * zoom, 2 * stds[2 * i + 1] * zoom, 0, 0, 2 * Math.PI);
        context.stroke();
      }
      context.setLineDash([]);
    }
    namePlate(context, jointLabel(spec.joint), target.x, target.y, width, stage.theme);
  }
}

/**
 * A small name plate beside a point, on whichever side there is room.
 * @param {Canvas2D} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {Theme} theme
 */
function namePlate(context, text, x, y, width, theme) {
  setFont(context, "600 12px ui-sans-serif, system-ui, sans-serif");
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

PANEL_KINDS.belief = BeliefPanel;
