// The player: two axes, the diffusion steps of a frame and the frames of the clip, and what plays.

import { element, icon, iconButton, rich } from "./dom.js";
import { frames, live } from "./memory.js";
import { nearest } from "./numbers.js";
import { Track } from "./track.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];

export class Timeline {
  /**
   * @param {Stage} stage
   * @param {HTMLElement} host
   */
  constructor(stage, host) {
    this.stage = stage;
    this.root = element("div", "dps-timeline", host);
    this.step = 0;
    this.frame = 0;
    this.playing = false;
    this.shape = "";
    /** @type {boolean | null} */
    this.shownPlaying = null;
    /** @type {Map<Axis, ReturnType<Timeline["buildRow"]>>} */
    this.rows = new Map();
    /** @type {HTMLButtonElement[]} */
    this.axisButtons = [];
    /** @type {HTMLSelectElement} */
    this.speed;
    /** @type {HTMLButtonElement} */
    this.playButton;
    /** @type {HTMLButtonElement} */
    this.loopButton;
    /** @type {HTMLButtonElement} */
    this.takeButton;
  }

  // ---- places ----
  /** @param {Axis} name */
  axis(name) { return this.stage.header.axes[name]; }
  /**
   * The axes that a person can go along: a single step is none, where there are frames.
   * @returns {Axis[]}
   */
  shownAxes() {
    if (!this.axis("frame")) return ["step"];
    return this.count("step") > 1 ? ["step", "frame"] : ["frame"];
  }
  /** @param {Axis} axis */
  count(axis) { const a = this.axis(axis); return a ? a.values.length : 1; }
  /** @param {Axis} axis */
  index(axis) { return axis === "step" ? this.step : this.frame; }
  /**
   * A place on an axis in words. Steps that are no diffusion steps bring names of their own.
   * @param {Axis} axis
   * @param {number} index
   */
  placeText(axis, index) {
    const { values, texts } = /** @type {AxisSpec} */ (this.axis(axis));
    if (texts && texts.length) return texts[index];
    return axis === "step" ? `k = ${values[index]}` : `frame ${values[index]}`;
  }
  /** Goes where this person was with this clip, or where the data begins. */
  restore() {
    const { header, memory } = this.stage;
    const { axes, source } = header;
    this.step = memory.source === source && memory.k != null ? nearest(axes.step.values, memory.k) : axes.step.initial;
    // A frame picked in the sidebar counts for every stage; one that was played to in a stage, for the others too.
    const wanted = axes.frame ? axes.frame.values[axes.frame.initial] : header.shows_frame;
    let known = frames.get(source);
    if (!known || known.picked !== wanted) frames.set(source, (known = { picked: wanted, at: wanted }));
    this.frame = axes.frame ? nearest(axes.frame.values, known.at ?? 0) : 0;
    if (memory.start?.k != null) this.step = nearest(axes.step.values, memory.start.k);
    if (memory.start?.at != null && axes.frame) {
      this.frame = nearest(axes.frame.values, memory.start.at);
      known.at = axes.frame.values[this.frame];
    }
    memory.start = null;
    memory.source = source;
    this.remember();
  }
  remember() {
    this.stage.memory.k = this.stage.header.axes.step.values[this.step];
    this.stage.root.dataset.step = String(this.step);
    this.stage.root.dataset.frame = String(this.frame);
  }
  /**
   * @param {Axis} axis
   * @param {number} index
   */
  go(axis, index) {
    const i = Math.min(this.count(axis) - 1, Math.max(0, index));
    if (i === this.index(axis)) return;
    if (axis === "step") this.step = i;
    else {
      this.frame = i;
      const { source } = this.stage.header;
      const at = this.stage.header.axes.frame?.values[i] ?? 0;
      const known = frames.get(source);
      if (known) known.at = at;
      for (const stage of live) if (stage !== this.stage) stage.timeline.frameElsewhere(source, at);
    }
    this.remember();
    this.stage.schedule();
  }
  /**
   * Another stage of the same clip went to a frame: go with it, or, where there is one frame only, offer to fetch it.
   * @param {string} source
   * @param {number} at
   */
  frameElsewhere(source, at) {
    if (!this.stage.header || this.stage.header.source !== source) return;
    const axis = this.axis("frame");
    if (!axis) { this.offerFrame(); return; }
    const i = nearest(axis.values, at);
    if (i === this.frame) return;
    this.frame = i;
    this.remember();
    this.stage.schedule();
  }
  offerFrame() {
    const { source, shows_frame: shown } = this.stage.header;
    const { at } = frames.get(source) || {};
    const offer = shown != null && at != null && at !== shown;
    this.takeButton.hidden = !offer;
    if (offer) this.takeButton.textContent = `Show frame ${at} here`;
  }

  // ---- moving ----
  /** @param {number} by */
  nudge(by, axis = this.stage.memory.axis) { this.stop(); this.go(axis, this.index(axis) + by); }
  /** @param {number} to */
  jump(to, axis = this.stage.memory.axis) { this.stop(); this.go(axis, to < 0 ? this.count(axis) - 1 : to); }
  toggle() { if (this.playing) this.stop(); else this.play(); }
  /** Milliseconds that a place is shown at normal speed. */
  interval() {
    const { axis } = this.stage.memory;
    const { times } = this.axis(axis) || {};
    if (axis === "frame" && times && times.length > 1) return (1000 * (times[times.length - 1] - times[0])) / (times.length - 1);
    return Math.min(650, Math.max(55, 3000 / Math.max(1, this.count(axis) - 1)));
  }
  play() {
    const { memory, root } = this.stage;
    if (this.index(memory.axis) >= this.count(memory.axis) - 1) this.go(memory.axis, 0);
    this.playing = true;
    let last = performance.now();
    /** @param {number} now */
    const tick = (now) => {
      if (!this.playing || !root.isConnected) return;
      const end = this.index(memory.axis) >= this.count(memory.axis) - 1;
      const wait = (end ? Math.max(700, this.interval()) : this.interval()) / memory.speed;
      if (now - last >= wait) {
        if (end && !memory.loop) { this.stop(); return; }
        const steps = end ? 0 : Math.max(1, Math.floor((now - last) / wait));
        last = now;
        this.go(memory.axis, end ? 0 : this.index(memory.axis) + steps);
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    this.paint();
  }
  stop() {
    if (!this.playing) return;
    this.playing = false;
    this.paint();
  }

  // ---- controls ----
  build() {
    const { header, memory } = this.stage;
    const shown = this.shownAxes();
    const shape = JSON.stringify([shown, header.axes.step.label]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.shownPlaying = null;
      this.root.replaceChildren();
      this.buildBar(element("div", "dps-bar", this.root));
      this.rows = new Map(shown.map((axis) => [axis, this.buildRow(axis)]));
      this.root.dataset.axes = String(shown.length);
    }
    for (const [axis, row] of this.rows) this.setRow(axis, row);
    this.speed.value = String(memory.speed);
    this.offerFrame();
    this.paint();
  }
  /** @param {HTMLElement} bar */
  buildBar(bar) {
    const { memory } = this.stage;
    /**
     * @param {string} name
     * @param {string} title
     * @param {() => void} action
     * @param {string} [className]
     */
    const button = (name, title, action, className) => iconButton(bar, name, title, action, className);
    button("first", "To the start (Home)", () => this.jump(0), "dps-icon dps-wide");
    button("back", "One step back (left arrow)", () => this.nudge(-1));
    this.playButton = button("play", "Play (space)", () => this.toggle(), "dps-play");
    button("next", "One step forward (right arrow)", () => this.nudge(1));
    button("last", "To the end (End)", () => this.jump(-1), "dps-icon dps-wide");
    this.axisButtons = [];
    const shown = this.shownAxes();
    if (shown.length > 1) this.buildAxisChoice(bar);
    else [memory.axis] = shown;
    this.speed = element("select", "dps-select", bar);
    this.speed.setAttribute("aria-label", "Speed");
    this.speed.title = "Playing speed";
    for (const s of SPEEDS) element("option", "", this.speed, `${s}×`).value = String(s);
    this.speed.addEventListener("change", () => (this.stage.memory.speed = Number(this.speed.value)));
    this.loopButton = button("loop", "Repeat", () => { this.stage.memory.loop = !this.stage.memory.loop; this.paint(); });
    this.takeButton = element("button", "dps-take", bar);
    this.takeButton.type = "button";
    this.takeButton.title = "Compute this view for the frame that the other views show";
    this.takeButton.addEventListener("click", () => this.stage.askFor?.("frame", frames.get(this.stage.header.source)?.at));
  }
  /** @param {HTMLElement} bar */
  buildAxisChoice(bar) {
    const group = element("div", "dps-segment", bar);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Playing");
    this.axisButtons = /** @type {[Axis, string][]} */ ([["step", "Steps"], ["frame", "Frames"]]).map(([axis, text]) => {
      const b = element("button", "", group, text);
      b.type = "button";
      b.dataset.axis = axis;
      b.title = axis === "step" ? "Play the diffusion steps of this frame" : "Play the clip at this step";
      b.addEventListener("click", () => { this.stage.memory.axis = axis; this.paint(); });
      return b;
    });
  }
  /** @param {Axis} axis */
  buildRow(axis) {
    const row = element("label", `dps-row dps-row-${axis}`, this.root);
    const name = element("span", "dps-row-name", row);
    const slot = element("span", "dps-slot", row);
    const track = axis === "frame" ? new Track(this.stage, slot) : null;
    const slider = element("input", "dps-slider", slot);
    slider.type = "range";
    slider.step = "1";
    slider.min = "0";
    slider.dataset.axis = axis;
    const ends = ["start", "end"].map((side) => element("span", `dps-end dps-end-${side}`, slot));
    const value = element("output", "dps-value", row);
    slider.addEventListener("input", () => { this.stop(); this.go(axis, Number(slider.value)); });
    return { slider, value, name, ends, track };
  }
  /**
   * @param {Axis} axis
   * @param {ReturnType<Timeline["buildRow"]>} row
   */
  setRow(axis, row) {
    const spec = /** @type {AxisSpec} */ (this.axis(axis));
    row.slider.max = String(this.count(axis) - 1);
    row.slider.setAttribute("aria-label", spec.label);
    row.slider.title = `${spec.label}: drag, or use the arrow keys`;
    row.name.textContent = spec.label;
    const ends = spec.ends || [];
    row.ends.forEach((n, i) => { rich(n, ends[i] || ""); n.hidden = !ends.length; });
    row.track?.update();
  }
  paint() {
    const { memory } = this.stage;
    for (const [axis, row] of this.rows) {
      const i = this.index(axis), spec = /** @type {AxisSpec} */ (this.axis(axis));
      row.slider.value = String(i);
      row.slider.style.setProperty("--done", `${(100 * i) / Math.max(1, this.count(axis) - 1)}%`);
      const time = spec.times ? ` · ${spec.times[i].toFixed(2)} s` : "";
      row.value.textContent = axis === "step" ? this.placeText("step", i) : `${spec.values[i]}${time}`;
      row.slider.setAttribute("aria-valuetext", this.placeText(axis, i));
      row.track?.draw();
    }
    for (const b of this.axisButtons) b.setAttribute("aria-pressed", b.dataset.axis === memory.axis);
    this.loopButton.setAttribute("aria-pressed", memory.loop);
    if (this.shownPlaying !== !!this.playing) {
      this.shownPlaying = !!this.playing;
      this.playButton.innerHTML = icon(this.playing ? "pause" : "play");
      this.playButton.title = this.playing ? "Pause (space)" : "Play (space)";
      this.playButton.setAttribute("aria-label", this.playButton.title);
      this.playButton.setAttribute("aria-pressed", !!this.playing);
    }
  }
}
