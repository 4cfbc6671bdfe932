// The stage: panels with one camera, a player with two axes, and everything that happens without asking Python.

import { headingOf } from "./camera.js";
import { drawing } from "./canvas.js";
import { unpack } from "./data.js";
import { element, rich } from "./dom.js";
import { handleKey } from "./keys.js";
import { CHART_KINDS, PANEL_KINDS } from "./kinds.js";
import { Layout, NARROW } from "./layout.js";
import { Legend } from "./legend.js";
import { linkedPlace } from "./link.js";
import { live, memories, shared } from "./memory.js";
import { ringsOf } from "./projection.js";
import { readTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { showExplanation, Tools } from "./tools.js";
import { showHint } from "./tour.js";

const RESIZED_MS = 60;
const OTHER = "In this frame the 2D pose seems to be somebody else's.";

/**
 * @param {Header} header
 * @returns {Memory}
 */
const freshMemory = (header) => ({
  hidden: new Set(header.off || []), speed: 1, loop: false, axis: "step", ghosts: false, joint: null, only: null, arrangement: null,
});

export class Stage {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Panel[]} */
    this.panels = [];
    /** @type {Chart[]} */
    this.charts = [];
    this.visible = false;
    this.width = 0;
    /** @type {Header} */
    this.header;
    /** @type {Record<string, Cuts>} */
    this.arrays;
    /** @type {Theme} */
    this.theme;
    /** @type {string | undefined} */
    this.themeKey;
    /** @type {string | undefined} */
    this.leadWords;
    /** @type {Memory} */
    this.memory;
    /** @type {Ring[]} */
    this.rings;
    /** @type {ReturnType<typeof import("./floor.js").furnitureOf> | null} */
    this.furniture = null;
    /** @type {Ask | undefined} */
    this.askFor;
    /** @type {Start | undefined} */
    this.saved;
    /** @type {HTMLElement | null} */
    this.tour = null;
    /** @type {import("./download.js").DownloadMenu} */
    this.download;
    /** Changes of the page that wait until the canvases are painted. @type {(() => void)[]} */
    this.writes = [];
    this.painting = false;
    this.shownAt = 0;
    live.add(this);
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.replaceChildren();
    this.top = element("div", "dps-top", root);
    this.lead = element("p", "dps-lead", this.top);
    this.legend = new Legend(this);
    this.tools = new Tools(this, this.top);
    this.layout = new Layout(this, this.tools.arrangement);
    this.work = element("div", "dps-work", root);
    this.grid = element("div", "dps-grid", this.work);
    this.side = element("div", "dps-charts dps-side", this.work);
    this.timeline = new Timeline(this, root);
    this.chartRow = element("div", "dps-charts", root);
    this.resizer = new ResizeObserver(() => this.resized());
    this.watcher = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
    // Once the scenes are scrolled away, the player waits at the window's top.
    this.leaver = new IntersectionObserver(([work]) => {
      root.dataset.scrolled = String(!work.isIntersecting && work.boundingClientRect.top < 0);
    }, { rootMargin: "-44px 0px 0px" });
    this.onFullscreen = () => { root.dataset.full = String(document.fullscreenElement === root); this.resized(); };
    this.onWindow = () => this.resized();
    this.listen();
  }
  listen() {
    const { root } = this;
    root.addEventListener("keydown", (e) => handleKey(this, e));
    root.addEventListener("pointerenter", () => (shared.hovered = this));
    root.addEventListener("pointerleave", () => { if (shared.hovered === this) shared.hovered = null; });
    root.addEventListener("dps-footage", () => { if (this.header) { this.legend.build(); this.schedule(); } });
    root.addEventListener("dps-file", (e) => this.download.arrived?.(/** @type {CustomEvent} */ (e).detail));
    for (const node of [root, document.body, root.closest("[data-testid=stMainBlockContainer]")]) if (node) this.resizer.observe(node);
    document.addEventListener("fullscreenchange", this.onFullscreen);
    window.addEventListener("resize", this.onWindow);
    this.watcher.observe(root);
    this.leaver.observe(this.work);
  }

  // ---- data ----
  /** @param {Uint8Array} bytes */
  update(bytes) {
    const { header, arrays } = unpack(bytes);
    const theme = readTheme(this.root);
    const themeKey = JSON.stringify([theme.dark, theme.background]);
    if (this.header && this.header.hash === header.hash && themeKey === this.themeKey) return;
    const sameData = this.header && this.header.hash === header.hash;
    const structure = JSON.stringify(header.panels.map((p) => [p.id, p.kind]));
    this.header = header;
    this.arrays = arrays;
    this.theme = theme;
    this.themeKey = themeKey;
    this.furniture = null;
    this.root.dataset.theme = theme.dark ? "dark" : "light";
    this.root.dataset.stage = header.id;
    this.root.dataset.hash = header.hash;
    this.root.setAttribute("aria-label", `${header.title}: arrow keys step, space plays, shift and arrow keys turn`);
    if (!memories.has(header.id)) {
      memories.set(header.id, freshMemory(header));
      this.start(this.saved || linkedPlace(header.id));
    }
    this.memory = /** @type {Memory} */ (memories.get(header.id));
    this.rings = ringsOf(this.framing(), header.bounds);
    if (!sameData) this.timeline.restore();
    this.writeLead();
    this.measureWidth();
    if (structure !== this.structure) this.buildPanels(structure);
    else this.panels.forEach((p, i) => p.setSpec(header.panels[i]));
    this.legend.build();
    this.timeline.build();
    this.buildCharts();
    this.layout.build();
    this.tools.views.mark();
    this.tools.mark();
    showExplanation();
    showHint(this);
    this.refresh();
  }
  /** The line above the scenes. It says so where the frame shows somebody else. */
  writeLead() {
    const { line, track } = this.header;
    const words = track?.others?.includes(this.frame) ? OTHER : line || "";
    if (this.leadWords === words) return;
    this.leadWords = words;
    rich(this.lead, words);
    this.lead.title = this.lead.textContent ?? "";
  }
  /** Poses that a scene has to have room for: those that stand still over the steps, and where the others end. */
  framing() {
    const layers = this.header.panels.flatMap((p) => p.layers || []).filter((l) => this.arrays[l.array]?.axes.at(-1) === "xyz");
    const arrays = layers.filter((l) => l.kind === "skeleton").map((l) => this.arrays[l.array]);
    const still = arrays.filter((a) => !a.axes.includes("step")).map((a) => a.values);
    const ends = arrays.filter((a) => a.axes.includes("step") && a.axes.includes("frame"))
      .flatMap((a) => Array.from({ length: this.timeline.count("frame") }, (_, i) => a.at(i, a.length("step") - 1)));
    const found = [...still, ...ends];
    return found.length ? found : (arrays.length ? arrays : layers.map((l) => this.arrays[l.array])).map((a) => a.values);
  }
  /**
   * Where a link, or the page that a stage was saved in, wants it to begin.
   * @param {Start} of
   */
  start({ k, at, camera, hidden, ghosts, joint }) {
    const memory = /** @type {Memory} */ (memories.get(this.header.id));
    memory.start = { k, at };
    memory.ghosts = !!ghosts;
    memory.joint = joint ?? null;
    if (hidden) memory.hidden = new Set(hidden);
    if (camera) { shared.camera = camera; shared.view = null; }
  }
  get camera() { return shared.camera; }
  get cameraName() { return shared.view; }
  get step() { return this.timeline.step; }
  get frame() { return this.timeline.frame; }
  /** Whether the scenes look at one limb, for the terms of Eq. 1. */
  get closeUp() { return this.header.panels.some((p) => p.layers?.some((l) => l.kind === "terms")); }
  get narrow() { return (this.width || window.innerWidth) < NARROW; }
  /** @param {Axis} axis */
  count(axis) { return this.timeline.count(axis); }
  /** @param {Axis} axis */
  index(axis) { return this.timeline.index(axis); }
  /**
   * @param {Axis} axis
   * @param {number} index
   */
  placeText(axis, index) { return this.timeline.placeText(axis, index); }
  /**
   * @param {Axis} axis
   * @param {number} index
   */
  go(axis, index) { this.timeline.go(axis, index); }
  stop() { this.timeline.stop(); }
  /** @param {number | null} joint */
  track(joint) { this.legend.track(joint); }
  positionText() {
    const { axes, shows_frame: shown } = this.header;
    const frame = axes.frame ? this.placeText("frame", this.frame) : shown == null ? null : `frame ${shown}`;
    return [frame, this.placeText("step", this.step)].filter(Boolean).join(", ");
  }

  // ---- panels and charts ----
  /** @param {string} structure */
  buildPanels(structure) {
    this.panels.forEach((p) => p.destroy());
    this.grid.replaceChildren();
    this.structure = structure;
    this.panels = this.header.panels.map((spec) => new PANEL_KINDS[spec.kind](this, spec, this.grid));
  }
  buildCharts() {
    const specs = this.header.charts || [];
    this.charts.forEach((c) => { c.destroy(); c.root.remove(); });
    this.chartRow.replaceChildren();
    this.side.replaceChildren();
    this.charts = specs.map((s) => new CHART_KINDS[s.kind](this, s, this.chartRow));
  }
  /** Builds what panels show of the data, and paints. */
  refresh() {
    this.stale = !this.visible;
    if (!this.visible) { this.draw(); return; }
    try {
      for (const panel of this.panels) panel.refresh();
      this.draw();
      performance.mark("diffpose-painted");
      this.root.dataset.ready = "true";
    } catch (error) {
      this.fail(error);
    }
  }
  /** @param {unknown} error */
  fail(error) {
    if (!this.message) this.message = element("p", "dps-error", this.root);
    this.message.textContent = `The 3D view is not complete: ${/** @type {Error} */ (error).message}`;
  }
  /** @param {IntersectionObserverEntry[]} entries */
  seen(entries) {
    this.visible = entries.some((e) => e.isIntersecting);
    if (!this.visible || !this.header) return;
    this.turnScenes();
    if (this.stale) this.refresh();
  }
  measureWidth() {
    const width = Math.round(this.root.getBoundingClientRect().width);
    if (width >= 20) this.width = width;
    this.root.dataset.narrow = String(this.narrow);
  }
  resized() {
    if (!this.header) return;
    this.measureWidth();
    this.layout.fit();
    clearTimeout(this.resizeTimer);
    this.resizeTimer = setTimeout(() => {
      if (!this.root.isConnected) return;
      if (this.layout.arrangedFor !== this.layout.room()) this.layout.arrange();
      for (const p of this.panels) p.measured = null;
      this.draw();
    }, RESIZED_MS);
  }

  // ---- camera ----
  /**
   * Turns every scene of every stage. view: the preset's name.
   * @param {Camera} camera
   * @param {string | null} [view]
   */
  setCamera(camera, view = null) {
    shared.camera = camera;
    shared.view = view;
    for (const stage of live) if (stage.header) stage.turnScenes();
  }
  turnScenes() {
    this.root.dataset.camera = JSON.stringify(this.camera);
    this.tools.views.mark();
    this.schedule();
  }
  /** The way that the person faces in this frame, by the first skeleton that a scene shows. */
  heading() {
    const layers = this.header.panels.filter((p) => p.kind === "scene").flatMap((p) => p.layers || []);
    const layer = layers.find((l) => l.kind === "skeleton");
    return layer ? headingOf(this.arrays[layer.array].at(this.frame, this.count("step") - 1)) : undefined;
  }

  // ---- drawing ----
  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => { this.scheduled = false; this.draw(); });
  }
  draw() {
    if (!this.header) return;
    if (this.visible) this.paint();
    this.timeline.paint();
    this.writeLead();
    this.root.dataset.camera = JSON.stringify(this.camera);
  }
  /**
   * Changes the page, once all canvases are painted: text on a canvas waits for the page's layout, which would be made
   * anew after every change.
   * @param {() => void} write
   */
  later(write) {
    if (this.painting) this.writes.push(write);
    else write();
  }
  /**
   * What make() returns while the stage stands elsewhere; the screen never shows it. ratio: of the canvases' pixels.
   * @template T
   * @param {{ step?: number, frame?: number, camera?: Camera }} place
   * @param {number} ratio
   * @param {() => T} make
   */
  at({ step = this.step, frame = this.frame, camera = shared.camera }, ratio, make) {
    const { timeline } = this;
    const kept = { step: timeline.step, frame: timeline.frame, camera: shared.camera };
    timeline.step = step;
    timeline.frame = frame;
    shared.camera = camera;
    drawing.ratio = ratio;
    try {
      this.paint();
      return make();
    } finally {
      drawing.ratio = null;
      timeline.step = kept.step;
      timeline.frame = kept.frame;
      shared.camera = kept.camera;
      this.draw();
    }
  }
  paint() {
    const start = performance.now();
    this.painting = true;
    try {
      for (const panel of this.panels) if (!panel.root.hidden) panel.draw();
      for (const chart of this.charts) chart.draw();
    } finally {
      this.painting = false;
      for (const write of this.writes.splice(0)) write();
    }
    this.root.dataset.drawMs = (performance.now() - start).toFixed(1);
    this.root.dataset.drawn = this.header.hash;
  }
  destroy() {
    this.timeline.playing = false;
    live.delete(this);
    this.resizer.disconnect();
    this.watcher.disconnect();
    this.leaver.disconnect();
    document.removeEventListener("fullscreenchange", this.onFullscreen);
    window.removeEventListener("resize", this.onWindow);
    this.panels.forEach((p) => p.destroy());
    this.charts.forEach((c) => c.destroy());
  }
}
