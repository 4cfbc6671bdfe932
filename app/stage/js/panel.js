// What all panels of a stage share: title, readouts, body, caption and tip.

import { element, iconButton, rich } from "./dom.js";

export class Panel {
  /**
   * @param {Stage} stage
   * @param {PanelSpec} spec
   * @param {HTMLElement} host
   */
  constructor(stage, spec, host) {
    this.stage = stage;
    this.spec = spec;
    this.root = element("section", `dps-panel dps-${spec.kind}`, host);
    this.root.dataset.panel = spec.id;
    this.root.setAttribute("aria-label", spec.title);
    const head = (this.head = element("header", "dps-panel-head", this.root));
    this.title = element("h2", "", head);
    rich(this.title, spec.title);
    this.readouts = element("div", "dps-readouts", head);
    this.body = element("div", "dps-body", this.root);
    this.caption = element("p", "dps-caption", this.root);
    this.setCaption();
    this.tip = element("div", "dps-tip", this.body);
    this.tip.hidden = true;
    if (spec.span) this.root.style.setProperty("--span", spec.span);
    this.root.classList.toggle("dps-part", !!spec.part);
    if (spec.opens) this.makeLink(head);
    this.onlyButton = iconButton(head, "only", "Only this scene", () => {
      const { only } = this.stage.memory;
      this.stage.layout.showOnly(only == null ? this.spec.id : null);
    }, "dps-icon dps-only");
    this.onlyButton.hidden = true;
    /** @type {Target[]} */
    this.targets = [];
    /** @type {number[] | null} */
    this.measured = null;
    this.body.addEventListener("pointermove", (e) => this.hover(e));
    this.body.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }
  /**
   * The whole panel leads to another view, at the frame that it shows; where there is no app around it, it leads nowhere.
   * @param {HTMLElement} head
   */
  makeLink(head) {
    const { stage } = this;
    if (!stage.askFor) return;
    this.root.classList.add("dps-link");
    const b = element("button", "dps-open", head, "\u203a");
    b.type = "button";
    b.title = `Open the view ${this.spec.opens}`;
    b.setAttribute("aria-label", b.title);
    this.root.title = b.title;
    this.root.addEventListener("click", () => {
      const { frame } = stage.header.axes;
      const at = frame ? frame.values[stage.frame] : stage.header.shows_frame;
      stage.askFor?.("open", { view: this.spec.opens, frame: at });
    });
  }
  /** Builds what depends on the data, before it is drawn. */
  refresh() {}
  draw() {}
  destroy() {}
  /** @param {PanelSpec} spec */
  setSpec(spec) {
    this.spec = spec;
    rich(this.title, spec.title);
    this.setCaption();
  }
  /**
   * possible: whether this scene can be shown alone. alone: whether it is.
   * @param {boolean} possible
   * @param {boolean} alone
   */
  markOnly(possible, alone) {
    const b = this.onlyButton;
    b.hidden = !possible;
    b.dataset.only = alone ? "" : this.spec.id;
    b.title = alone ? "All scenes" : `Only this scene: ${this.spec.title}`;
    b.setAttribute("aria-label", b.title);
    b.setAttribute("aria-pressed", alone);
  }
  setCaption() {
    rich(this.caption, this.spec.caption || "");
    this.caption.hidden = !this.spec.caption;
  }
  /** Width and height of the body, asked for once until the stage is resized: asking while drawing lays the page out again. */
  size() {
    if (!this.measured) {
      const box = this.body.getBoundingClientRect();
      this.measured = [Math.max(40, Math.round(box.width)), Math.max(40, Math.round(box.height))];
    }
    return this.measured;
  }
  drawReadouts() { this.stage.later(() => this.writeReadouts()); }
  writeReadouts() {
    const { stage } = this;
    const items = (this.spec.readouts || []).map((r) => {
      const value = stage.arrays[r.array].at(stage.frame, stage.step)[0];
      return { ...r, text: Number.isFinite(value) ? `${value.toFixed(r.digits || 0)} ${r.unit}` : r.missing || "–" };
    });
    if (this.readouts.childElementCount !== items.length) {
      this.readouts.replaceChildren();
      for (const r of items) {
        const chip = element("span", "dps-chip", this.readouts);
        element("span", "dps-chip-label", chip, r.label);
        element("b", "", chip, "");
      }
    }
    items.forEach((r, i) => {
      const chip = /** @type {HTMLElement} */ (this.readouts.children[i]);
      const [name, value] = chip.children;
      chip.title = r.help || "";
      if (chip.dataset.label !== r.label) rich(name, (chip.dataset.label = r.label));
      if (value.textContent !== r.text) value.textContent = r.text;
    });
  }
  /**
   * The joint that the pointer is at.
   * @param {PointerEvent} event
   */
  targetAt(event) {
    const box = this.body.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, bestDistance = 14;
    for (const t of this.targets) {
      const d = Math.hypot(t.x - x, t.y - y);
      if (d < bestDistance) { best = t; bestDistance = d; }
    }
    return best;
  }
  /** @param {PointerEvent} event */
  hover(event) {
    if (event.buttons) { this.tip.hidden = true; return; }
    const box = this.body.getBoundingClientRect();
    const best = this.targetAt(event);
    this.tip.hidden = !best;
    if (!best) return;
    this.tip.textContent = best.text;
    this.tip.style.left = `${Math.min(best.x + 12, box.width - 170)}px`;
    this.tip.style.top = `${Math.max(4, best.y - 34)}px`;
  }
}

/** A panel without a scene or an image of its own: what it shows is built anew from the stage's data. */
export class StillPanel extends Panel {
  refresh() { this.build(); }
  build() {}
}

/** A panel that is one canvas. */
export class FlatPanel extends Panel {
  /**
   * @param {Stage} stage
   * @param {PanelSpec} spec
   * @param {HTMLElement} host
   */
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.canvas = element("canvas", "dps-flat", this.body);
    this.canvas.setAttribute("role", "img");
  }
}
