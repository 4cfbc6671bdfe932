// The stage: panels with one camera, a timeline with two axes, and everything that happens without asking Python.

const memories = new Map(); // what the person did to a stage, by the stage's id: survives reruns and page changes
const stages = new WeakMap();
const live = new Set();
const frames = new Map(); // clip -> the frame that the person went to last, in whichever stage
const shared = { camera: presetCamera("3/4"), view: "3/4" }; // one angle for all scenes of all stages
const CURVES_BESIDE = 900; // pixels that a stage is wide at least, for curves to stand beside its scenes
let hovered = null;

/** Resolves when what has been drawn is on the screen. */
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

const nearest = (values, v) => values.reduce((b, x, i) => (Math.abs(x - v) < Math.abs(values[b] - v) ? i : b), 0);

class Stage {
  constructor(root) {
    this.root = root;
    this.panels = [];
    this.charts = [];
    this.visible = false;
    this.shownAt = 0;
    live.add(this);
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.replaceChildren();
    this.top = element("div", "dps-top", root);
    this.legend = element("div", "dps-legend", this.top);
    this.shown = element("div", "dps-shown", this.top);
    this.scenes = element("div", "dps-segment dps-scenes", this.shown);
    this.buildArrangement();
    this.views = element("div", "dps-views", this.top);
    this.buildViews();
    this.download = new DownloadMenu(this, this.views);
    this.work = element("div", "dps-work", root);
    this.grid = element("div", "dps-grid", this.work);
    this.side = element("div", "dps-charts dps-side", this.work);
    this.timeline = element("div", "dps-timeline", root);
    this.chartRow = element("div", "dps-charts", root);
    root.addEventListener("keydown", (e) => this.key(e));
    root.addEventListener("pointerenter", () => (hovered = this));
    root.addEventListener("pointerleave", () => { if (hovered === this) hovered = null; });
    root.addEventListener("dps-file", (e) => this.download.arrived?.(e.detail));
    this.resizer = new ResizeObserver(() => this.resized());
    this.resizer.observe(root);
    this.watcher = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
    this.watcher.observe(root);
  }

  // ---- data ----
  update(bytes) {
    const { header, arrays } = unpack(bytes);
    const theme = readTheme(this.root);
    const themeKey = JSON.stringify([theme.dark, theme.background]);
    if (this.header && this.header.hash === header.hash && themeKey === this.themeKey) return;
    const sameData = this.header && this.header.hash === header.hash;
    const structure = JSON.stringify(header.panels.map((p) => [p.id, p.kind]));
    this.theme = theme;
    this.themeKey = themeKey;
    this.root.dataset.theme = theme.dark ? "dark" : "light";
    this.root.dataset.stage = header.id;
    this.root.dataset.hash = header.hash;
    this.root.setAttribute("aria-label", `${header.title}: arrow keys step, space plays, shift and arrow keys turn`);
    if (!memories.has(header.id)) {
      memories.set(header.id, { hidden: new Set(header.off || []), speed: 1, loop: false, axis: "step", ghosts: false, joint: null, only: null, stacked: header.stacked });
      this.start(this.saved || linkedPlace(header.id));
    }
    this.memory = memories.get(header.id);
    this.header = header;
    this.arrays = arrays;
    const { lo, hi } = header.bounds;
    const tall = hi[2] - lo[2];
    this.aspect = lo.map((v, i) => (hi[i] - v) / tall);
    if (!sameData) this.restorePosition();
    if (structure !== this.structure) this.buildPanels(structure);
    else this.panels.forEach((p, i) => p.setSpec(header.panels[i]));
    this.buildLegend();
    this.buildTimeline();
    this.buildCharts();
    this.markView();
    this.floorKey = JSON.stringify([header.bounds, themeKey]);
    this.stale = !this.visible;
    if (this.visible) this.mountAll(true);
    else this.draw();
  }
  /** Where a link, or the page that a stage was saved in, wants it to begin. */
  start({ k, at, camera, hidden, ghosts, joint }) {
    const memory = memories.get(this.root.dataset.stage);
    memory.start = { k, at };
    memory.ghosts = !!ghosts;
    memory.joint = joint ?? null;
    if (hidden) memory.hidden = new Set(hidden);
    if (camera) { shared.camera = camera; shared.view = null; }
  }
  get camera() { return shared.camera; }
  restorePosition() {
    const m = this.memory, { axes } = this.header;
    const sameSource = m.source === this.header.source;
    this.step = sameSource && m.k != null ? nearest(axes.step.values, m.k) : axes.step.initial;
    // A frame picked in the sidebar counts for every stage; one that was played to in a stage, for the others too.
    const wanted = axes.frame ? axes.frame.values[axes.frame.initial] : this.header.shows_frame;
    const shared = frames.get(this.header.source);
    if (!shared || shared.picked !== wanted) frames.set(this.header.source, { picked: wanted, at: wanted });
    this.frame = axes.frame ? nearest(axes.frame.values, frames.get(this.header.source).at) : 0;
    if (m.start?.k != null) this.step = nearest(axes.step.values, m.start.k);
    if (m.start?.at != null && axes.frame) {
      this.frame = nearest(axes.frame.values, m.start.at);
      frames.get(this.header.source).at = axes.frame.values[this.frame];
    }
    m.start = null;
    m.source = this.header.source;
    this.remember();
  }
  remember() {
    const { axes } = this.header;
    this.memory.k = axes.step.values[this.step];
    this.root.dataset.step = this.step;
    this.root.dataset.frame = this.frame;
  }
  count(axis) { const a = this.header.axes[axis]; return a ? a.values.length : 1; }
  index(axis) { return axis === "step" ? this.step : this.frame; }
  /** What a place on an axis is called. Steps that are no diffusion steps bring names of their own. */
  placeText(axis, index) {
    const { values, texts } = this.header.axes[axis];
    if (texts && texts.length) return texts[index];
    return axis === "step" ? `k = ${values[index]}` : `frame ${values[index]}`;
  }
  positionText() {
    const { axes, shows_frame: shown } = this.header;
    const frame = axes.frame ? this.placeText("frame", this.frame) : shown == null ? null : `frame ${shown}`;
    return [frame, this.placeText("step", this.step)].filter(Boolean).join(", ");
  }

  // ---- panels ----
  buildPanels(structure) {
    this.panels.forEach((p) => p.destroy());
    this.grid.replaceChildren();
    this.structure = structure;
    this.resizer.disconnect();
    this.resizer.observe(this.root);
    this.panels = this.header.panels.map((spec) => new PANEL_KINDS[spec.kind](this, spec, this.grid));
    for (const panel of this.panels) this.resizer.observe(panel.body); // the window's height counts as well
    this.buildScenes();
  }
  /** How scenes that can stand above each other stand. */
  buildArrangement() {
    this.arrangement = element("div", "dps-segment dps-arrangement", this.shown);
    this.arrangement.setAttribute("role", "group");
    this.arrangement.setAttribute("aria-label", "Arrangement of the scenes");
    for (const [name, title] of [["stacked", "Scenes above each other"], ["beside", "Scenes side by side"]]) {
      const b = iconButton(this.arrangement, name, title, () => {
        this.memory.stacked = name === "stacked";
        this.arrange();
        this.mountAll(true);
      }, "");
      b.dataset.arrangement = name;
    }
  }
  /** Where all panels are scenes, such as with f_ST and without: all of them, or one at the same place. */
  buildScenes() {
    const { panels } = this.header;
    this.shown.hidden = panels.length < 2 || panels.some((p) => p.kind !== "scene");
    this.scenes.replaceChildren();
    this.scenes.setAttribute("role", "group");
    this.scenes.setAttribute("aria-label", "Scenes shown");
    const one = panels.some((p) => p.id === this.memory.only) && !this.shown.hidden;
    if (!one) this.memory.only = null;
    for (const p of [{ id: null, title: panels.length > 2 ? "All" : "Both" }, ...panels]) {
      const b = element("button", "", this.scenes);
      b.type = "button";
      rich(b, p.title);
      b.title = p.id ? `Only this scene: ${p.title}` : "All scenes";
      b.dataset.only = p.id || "";
      b.addEventListener("click", () => {
        this.memory.only = p.id;
        this.arrange();
        this.mountAll(true);
      });
    }
    this.arrange();
  }
  arrange() {
    // Either as many equal columns as the header says, of which a panel may span several, or one column a panel.
    const { columns, panels } = this.header;
    const { only } = this.memory;
    const stacked = only == null && this.memory.stacked;
    this.panels.forEach((p) => { p.root.hidden = only != null && p.spec.id !== only; p.measured = null; });
    this.grid.dataset.panels = only == null ? panels.length : 1;
    this.grid.dataset.stacked = stacked;
    this.grid.style.setProperty("--dps-columns", only != null || stacked ? "1fr"
      : columns ? `repeat(${columns}, minmax(0, 1fr))` : panels.map((p) => `${p.columns || 1}fr`).join(" "));
    for (const b of this.scenes.children) b.setAttribute("aria-pressed", b.dataset.only === (only || ""));
    this.arrangement.hidden = !this.header.stacked || only != null;
    for (const b of this.arrangement.children) b.setAttribute("aria-pressed", (b.dataset.arrangement === "stacked") === stacked);
    this.placeCharts();
  }
  /** Scenes above each other leave room beside them: there the curves stand, if the window is wide enough. */
  placeCharts() {
    const beside = this.grid.dataset.stacked === "true" && this.width >= CURVES_BESIDE;
    this.root.dataset.curves = beside ? "beside" : "below";
    this.side.hidden = !beside;
    const host = (chart) => (beside && chart.spec.kind === "line" ? this.side : this.chartRow);
    if (this.charts.every((chart) => chart.root.parentNode === host(chart))) return;
    for (const chart of this.charts) host(chart).append(chart.root); // in their order
  }
  async mountAll(refresh) {
    try {
      const shown = this.panels.filter((p) => !p.root.hidden);
      for (const panel of shown) if (!panel.ready && !(panel instanceof ScenePanel)) await panel.mount();
      if (shown.some((p) => !p.ready)) {
        // Scenes are painted and seen before Plotly, which keeps the page busy while it sets up its own drawing.
        this.draw();
        await painted();
        performance.mark("diffpose-painted");
        await loadPlotly();
      }
      for (const panel of shown) {
        if (!this.root.isConnected) return;
        if (!panel.ready) await panel.mount();
        else if (refresh) await panel.refresh();
      }
    } catch (error) {
      this.fail(error);
      return;
    }
    this.draw();
    this.root.dataset.ready = "true";
  }
  fail(error) {
    if (!this.message) this.message = element("p", "dps-error", this.root);
    this.message.textContent = `The 3D view is not complete: ${error.message}`;
  }
  seen(entries) {
    this.visible = entries.some((e) => e.isIntersecting);
    if (this.visible && this.header) { this.turnScenes(null); this.mountAll(this.stale); this.stale = false; }
  }
  resized() {
    for (const p of this.panels) p.measured = null;
    const width = Math.round(this.root.getBoundingClientRect().width);
    if (width < 20) return;
    this.width = width;
    this.root.dataset.narrow = width < 700;
    this.placeCharts();
    clearTimeout(this.resizeTimer);
    this.resizeTimer = setTimeout(async () => {
      for (const p of this.panels) if (!p.root.hidden) await p.fit?.();
      this.draw();
    }, 80);
  }

  // ---- camera ----
  /** Turn every scene of every stage. source: the scene that has turned already. view: the preset's name. */
  setCamera(camera, source = null, view = null) {
    shared.camera = camera;
    shared.view = view;
    for (const stage of live) if (stage.header) stage.turnScenes(source);
  }
  turnScenes(source) {
    this.root.dataset.camera = JSON.stringify(this.camera);
    this.markView();
    if (!this.visible) return; // follows as soon as it is on the screen
    for (const panel of this.panels) if (panel !== source) panel.follow(this.camera);
    this.schedule();
  }
  /** The way that the person faces in this frame, by the first skeleton that a scene shows. */
  heading() {
    const layers = this.panels.filter((p) => p instanceof ScenePanel).flatMap((p) => p.spec.layers || []);
    const layer = layers.find((l) => l.kind === "skeleton");
    return layer ? headingOf(this.arrays[layer.array].at(this.frame, this.count("step") - 1)) : undefined;
  }
  buildViews() {
    const group = element("div", "dps-segment", this.views);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "View from");
    this.viewButtons = Object.entries(PRESETS).map(([name, title]) => {
      const b = element("button", "", group, name);
      b.type = "button";
      b.dataset.view = name;
      b.title = title;
      b.setAttribute("aria-label", `${name}: ${title}`);
      b.addEventListener("click", () => this.setCamera(presetCamera(name, this.distance(), this.heading()), null, name));
      return b;
    });
    for (const [text, factor, title] of [["plus", 1 / 1.18, "Closer"], ["minus", 1.18, "Further away"]]) {
      iconButton(this.views, text, title, () => this.setCamera(orbit(this.camera, 0, 0, factor), null, shared.view));
    }
  }
  distance() {
    const { eye, center } = this.camera;
    return Math.hypot(eye.x - center.x, eye.y - center.y, eye.z - center.z);
  }
  markView() {
    for (const b of this.viewButtons) b.setAttribute("aria-pressed", b.dataset.view === shared.view);
  }

  // ---- legend ----
  buildLegend() {
    this.legend.replaceChildren();
    const seen = new Set();
    const layers = this.header.panels.flatMap((p) => p.kind === "image" && p.mixture
      ? [{ label: "2D uncertainty", palette: "sides", kind: "glow" }] : p.layers || []);
    for (const layer of layers) {
      if (seen.has(layer.label)) continue;
      seen.add(layer.label);
      const b = element("button", "dps-key", this.legend);
      b.type = "button";
      b.title = `Show or hide: ${layer.label}`;
      const colours = this.theme.palette(layer.palette);
      const mark = element("i", `dps-mark dps-mark-${layer.kind}`, b);
      mark.style.setProperty("--a", colours[0]);
      mark.style.setProperty("--b", colours[2]);
      rich(element("span", "", b), layer.label);
      const paint = () => b.setAttribute("aria-pressed", !this.memory.hidden.has(layer.label));
      b.addEventListener("click", () => {
        const { hidden } = this.memory;
        if (!hidden.delete(layer.label)) hidden.add(layer.label);
        paint();
        this.schedule();
      });
      paint();
    }
    this.buildTracks();
    const sides = element("span", "dps-sides", this.legend);
    const c = this.theme.palette("sides");
    const bySide = this.header.panels.some((p) => p.kind === "image" || (p.layers || []).some((l) => l.palette === "sides"));
    for (const [name, i, cls] of [["left", 0, "dash"], ["right", 2, ""]]) {
      const s = element("span", "", sides);
      const m = element("i", cls, s);
      m.style.color = bySide ? c[i] : this.theme.label;
      s.append(name);
    }
  }

  /** Layers of poses that change with the step: what has earlier steps and paths. */
  stepped() {
    return this.header.panels.flatMap((p) => (p.kind === "scene" ? p.layers || [] : []))
      .filter((l) => (l.kind === "cloud" || l.kind === "skeleton") && this.arrays[l.array].axes.includes("step"));
  }
  /** What can be shown of the way through the steps: earlier poses, and the path of one joint. */
  buildTracks() {
    if (!this.stepped().length) return;
    const { memory } = this;
    const ghosts = element("button", "dps-key dps-ghosts", this.legend, "Earlier steps");
    ghosts.type = "button";
    ghosts.title = "Keep the poses of the last steps in sight, fainter the older";
    const paint = () => ghosts.setAttribute("aria-pressed", memory.ghosts);
    ghosts.addEventListener("click", () => { memory.ghosts = !memory.ghosts; paint(); this.schedule(); });
    paint();
    this.jointPicker = element("select", "dps-select dps-joint", this.legend);
    this.jointPicker.title = "Draw a joint's way through all steps; a click on a joint in a scene does the same";
    this.jointPicker.setAttribute("aria-label", "Path of a joint through the steps");
    for (const [value, name] of [["", "Path of a joint"], ...JOINT_NAMES.map((_, j) => [j, `Path: ${jointLabel(j)}`])]) {
      element("option", "", this.jointPicker, name).value = value;
    }
    this.jointPicker.value = memory.joint ?? "";
    this.jointPicker.addEventListener("change", () => this.track(this.jointPicker.value === "" ? null : Number(this.jointPicker.value)));
  }
  track(joint) {
    if (!this.stepped().length) return;
    this.memory.joint = joint;
    this.jointPicker.value = joint ?? "";
    this.schedule();
  }

  // ---- timeline ----
  buildTimeline() {
    const { axes } = this.header;
    const shape = JSON.stringify([!!axes.frame, axes.step.label]);
    if (shape !== this.timelineShape) {
      this.timelineShape = shape;
      this.shownPlaying = false;
      this.timeline.replaceChildren();
      const line = element("div", "dps-line", this.timeline);
      const bar = element("div", "dps-bar", line);
      const button = (...of) => iconButton(bar, ...of);
      button("first", "To the start (Home)", () => this.jump(0), "dps-icon dps-wide");
      button("back", "One step back (left arrow)", () => this.nudge(-1));
      this.playButton = button("play", "Play (space)", () => this.toggle(), "dps-play");
      button("next", "One step on (right arrow)", () => this.nudge(1));
      button("last", "To the end (End)", () => this.jump(-1), "dps-icon dps-wide");
      if (axes.frame) {
        const seg = element("div", "dps-segment", bar);
        seg.setAttribute("role", "group");
        seg.setAttribute("aria-label", "What plays");
        this.axisButtons = [["step", "Steps"], ["frame", "Frames"]].map(([axis, text]) => {
          const b = element("button", "", seg, text);
          b.type = "button";
          b.dataset.axis = axis;
          b.title = axis === "step" ? "Play the diffusion steps of this frame" : "Play the clip at this step";
          b.addEventListener("click", () => { this.memory.axis = axis; this.paintTimeline(); });
          return b;
        });
      } else {
        this.axisButtons = [];
        this.memory.axis = "step";
      }
      this.speed = element("select", "dps-select", bar);
      this.speed.setAttribute("aria-label", "Speed");
      this.speed.title = "How fast it plays";
      for (const s of [0.25, 0.5, 1, 2, 4]) {
        const o = element("option", "", this.speed, `${s}×`);
        o.value = s;
      }
      this.speed.addEventListener("change", () => (this.memory.speed = Number(this.speed.value)));
      this.loopButton = button("loop", "Repeat", () => { this.memory.loop = !this.memory.loop; this.paintTimeline(); });
      this.takeButton = element("button", "dps-take", bar);
      this.takeButton.type = "button";
      this.takeButton.title = "Compute this view for the frame that the other views show";
      this.takeButton.addEventListener("click", () => this.askFor?.("frame", frames.get(this.header.source).at));
      this.rows = {};
      for (const axis of axes.frame ? ["step", "frame"] : ["step"]) {
        const row = element("label", "dps-row", axis === "step" ? line : this.timeline);
        const name = element("span", "dps-row-name", row);
        const slot = element("span", "dps-slot", row);
        const slider = element("input", "dps-slider", slot);
        slider.type = "range";
        slider.step = 1;
        slider.min = 0;
        slider.dataset.axis = axis;
        const ends = element("span", "dps-ends", slot);
        element("span", "", ends);
        element("span", "", ends);
        const value = element("output", "dps-value", row);
        slider.addEventListener("input", () => { this.stop(); this.go(axis, Number(slider.value)); });
        this.rows[axis] = { slider, value, name, ends };
      }
    }
    for (const [axis, row] of Object.entries(this.rows)) {
      row.slider.max = this.count(axis) - 1;
      row.slider.setAttribute("aria-label", axes[axis].label);
      row.slider.title = `${axes[axis].label}: drag, or use the arrow keys`;
      row.name.textContent = axes[axis].label;
      const ends = axes[axis].ends || [];
      row.ends.hidden = !ends.length;
      [...row.ends.children].forEach((n, i) => rich(n, ends[i] || ""));
    }
    this.speed.value = this.memory.speed;
    this.offerFrame();
    this.paintTimeline();
  }
  paintTimeline() {
    const { axes } = this.header;
    for (const [axis, row] of Object.entries(this.rows)) {
      const i = this.index(axis), n = this.count(axis);
      row.slider.value = i;
      row.slider.style.setProperty("--done", `${(100 * i) / Math.max(1, n - 1)}%`);
      const v = axes[axis].values[i];
      const time = axes[axis].times ? ` · ${axes[axis].times[i].toFixed(2)} s` : "";
      row.value.textContent = axis === "step" ? this.placeText("step", i) : `${v}${time}`;
      row.slider.setAttribute("aria-valuetext", this.placeText(axis, i));
    }
    for (const b of this.axisButtons) b.setAttribute("aria-pressed", b.dataset.axis === this.memory.axis);
    this.loopButton.setAttribute("aria-pressed", this.memory.loop);
    if (this.shownPlaying !== !!this.playing) {
      this.shownPlaying = !!this.playing;
      this.playButton.innerHTML = icon(this.playing ? "pause" : "play");
    }
    this.playButton.title = this.playing ? "Pause (space)" : "Play (space)";
    this.playButton.setAttribute("aria-label", this.playButton.title);
    this.playButton.setAttribute("aria-pressed", !!this.playing);
  }
  go(axis, index) {
    const i = Math.min(this.count(axis) - 1, Math.max(0, index));
    if (i === this.index(axis)) return;
    if (axis === "step") this.step = i;
    else {
      this.frame = i;
      const at = this.header.axes.frame.values[i];
      frames.get(this.header.source).at = at;
      for (const stage of live) if (stage !== this) stage.frameElsewhere(this.header.source, at);
    }
    this.remember();
    this.schedule();
  }
  /** Another stage of the same clip went to a frame: go with it, or, where there is one frame only, offer to fetch it. */
  frameElsewhere(source, at) {
    if (!this.header || this.header.source !== source) return;
    if (this.header.axes.frame) {
      const i = nearest(this.header.axes.frame.values, at);
      if (i === this.frame) return;
      this.frame = i;
      this.remember();
      this.schedule();
    } else this.offerFrame();
  }
  offerFrame() {
    const { at } = frames.get(this.header.source) || {};
    const offer = this.header.shows_frame != null && at != null && at !== this.header.shows_frame;
    this.takeButton.hidden = !offer;
    if (offer) this.takeButton.textContent = `Show frame ${at} here`;
  }
  nudge(by, axis = this.memory.axis) { this.stop(); this.go(axis, this.index(axis) + by); }
  jump(to, axis = this.memory.axis) { this.stop(); this.go(axis, to < 0 ? this.count(axis) - 1 : to); }
  toggle() { if (this.playing) this.stop(); else this.play(); }
  interval() {
    const axis = this.memory.axis;
    const { times } = this.header.axes[axis] || {};
    if (axis === "frame" && times && times.length > 1) return (1000 * (times[times.length - 1] - times[0])) / (times.length - 1);
    return Math.min(650, Math.max(55, 3000 / Math.max(1, this.count(axis) - 1)));
  }
  play() {
    const axis = this.memory.axis;
    if (this.index(axis) >= this.count(axis) - 1) this.go(axis, 0);
    this.playing = true;
    this.last = performance.now();
    const tick = (now) => {
      if (!this.playing || !this.root.isConnected) return;
      const end = this.index(this.memory.axis) >= this.count(this.memory.axis) - 1;
      const wait = (end ? Math.max(700, this.interval()) : this.interval()) / this.memory.speed;
      if (now - this.last >= wait) {
        if (end && !this.memory.loop) { this.stop(); return; }
        const steps = end ? 0 : Math.max(1, Math.floor((now - this.last) / wait));
        this.last = now;
        this.go(this.memory.axis, end ? 0 : this.index(this.memory.axis) + steps);
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    this.paintTimeline();
  }
  stop() {
    if (!this.playing) return;
    this.playing = false;
    this.paintTimeline();
  }
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    if (event.shiftKey) { this.turnByKey(event); return; }
    const axis = event.target.dataset && event.target.dataset.axis && event.target.tagName === "INPUT"
      ? event.target.dataset.axis : "step";
    const actions = {
      ArrowRight: () => this.nudge(1, axis), ArrowLeft: () => this.nudge(-1, axis),
      Home: () => this.jump(0, axis), End: () => this.jump(-1, axis),
      " ": () => this.toggle(),
    };
    if (this.header.axes.frame) {
      actions.ArrowUp = () => this.nudge(1, "frame");
      actions.ArrowDown = () => this.nudge(-1, "frame");
    }
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  turnByKey(event) {
    const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!turn || event.target.tagName === "INPUT") return;
    event.preventDefault();
    event.stopPropagation();
    this.setCamera(orbit(this.camera, turn[0] * Math.PI / 24, turn[1] * Math.PI / 24));
  }

  // ---- charts and drawing ----
  buildCharts() {
    const specs = this.header.charts || [];
    this.chartRow.hidden = !specs.length;
    this.chartRow.replaceChildren();
    this.side.replaceChildren();
    this.charts = specs.map((s) => new CHART_KINDS[s.kind](this, s, this.chartRow));
    this.placeCharts();
  }
  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => { this.scheduled = false; this.draw(); });
  }
  draw() {
    if (!this.header) return;
    this.paintTimeline();
    this.root.dataset.camera = JSON.stringify(this.camera);
    if (!this.visible) return;
    this.paint();
  }
  /** What make() returns while the stage stands elsewhere; the screen never shows it. ratio: of the canvases' pixels. */
  at({ step = this.step, frame = this.frame, camera = shared.camera }, ratio, make) {
    const kept = [this.step, this.frame, shared.camera];
    [this.step, this.frame, shared.camera] = [step, frame, camera];
    fitCanvas.ratio = ratio;
    try {
      this.paint();
      return make();
    } finally {
      fitCanvas.ratio = null;
      [this.step, this.frame, shared.camera] = kept;
      this.draw();
    }
  }
  paint() {
    const start = performance.now();
    for (const panel of this.panels) if (!panel.root.hidden) panel.draw();
    for (const chart of this.charts) chart.draw();
    this.lastDrawMs = performance.now() - start;
    this.root.dataset.drawMs = this.lastDrawMs.toFixed(1);
    this.root.dataset.drawn = this.header.hash;
  }
  destroy() {
    this.playing = false;
    live.delete(this);
    this.resizer.disconnect();
    this.watcher.disconnect();
    this.panels.forEach((p) => p.destroy());
  }
}

if (!window.__diffposeKeys) {
  window.__diffposeKeys = true;
  document.addEventListener("keydown", (event) => {
    const target = document.activeElement;
    if (window.__diffposeHovered && (!target || target === document.body)) window.__diffposeHovered()?.key(event);
  });
}

/** When Python first showed this data in its place, which stands behind it; a saved page's data has no server's time. */
function shownAt({ data, setTriggerValue }) {
  if (!setTriggerValue) return 0;
  return new DataView(data.buffer, data.byteOffset + data.byteLength - 8).getFloat64(0, true);
}

export default function mountStage(component) {
  window.__diffposeHovered = () => hovered;
  const root = component.parentElement.querySelector(".dps");
  if (!root) return undefined;
  let stage = stages.get(root);
  if (!stage) {
    stage = new Stage(root);
    stages.set(root, stage);
  }
  stage.askFor = component.setTriggerValue; // none in a page that plays without a server
  stage.saved = component.start;
  try {
    // Two runs' data may arrive in either order while this script is being loaded: the later one stays.
    const at = component.data && component.data.byteLength ? shownAt(component) : -1;
    if (at >= stage.shownAt) {
      stage.shownAt = at;
      stage.update(component.data);
    }
  } catch (error) {
    stage.fail(error);
  }
  // Streamlit may call this for a run that a newer one has overtaken: only a stage that has left the page ends.
  return () => setTimeout(() => {
    if (!root.isConnected) { stage.destroy(); stages.delete(root); }
  }, 0);
}
