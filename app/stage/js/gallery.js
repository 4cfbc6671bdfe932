// Small pictures of single frames; a click goes to the frame.

import { Chart } from "./chart.js";
import { element } from "./dom.js";
import { CHART_KINDS } from "./kinds.js";
import { lookOf, paintScene } from "./scene.js";

/** Small pictures of single frames; a click goes to the frame. */
class Gallery extends Chart {
  build() {
    this.tiles = this.spec.moments.map((moment) => {
      const b = element("button", "dps-moment", this.plot);
      b.type = "button";
      b.dataset.better = moment.better;
      b.title = `Go to frame ${this.stage.header.axes.frame?.values[moment.index]}`;
      const canvas = element("canvas", "", b);
      canvas.setAttribute("role", "presentation");
      element("b", "", b, moment.title);
      element("span", "", b, moment.text);
      b.addEventListener("click", () => {
        this.stage.stop();
        this.stage.go("frame", moment.index);
        this.stage.top.scrollIntoView({ block: "nearest", behavior: "smooth" });
      });
      return { moment, canvas, button: b };
    });
  }
  draw() {
    const { stage, spec } = this;
    const last = stage.count("step") - 1; // the answer, wherever the timeline stands
    for (const { moment, button } of this.tiles ?? []) button.setAttribute("aria-pressed", moment.index === stage.frame);
    const look = lookOf(stage, [this.width]);
    if (look === this.look) return;
    /** @type {string | undefined} */
    this.look = look;
    for (const { moment, canvas } of this.tiles ?? []) {
      const box = canvas.getBoundingClientRect();
      if (box.width < 20) continue;
      paintScene(canvas, this, spec.layers, box.width, box.height, moment.index, last);
    }
  }
}

CHART_KINDS.gallery = Gallery;
