// The panels of a stage: a 3D scene, or the picture plane with the joints' heatmap mixtures.

class Panel {
  constructor(stage, spec, host) {
    this.stage = stage;
    this.spec = spec;
    this.root = element("section", `dps-panel dps-${spec.kind}`, host);
    this.root.dataset.panel = spec.id;
    this.root.setAttribute("aria-label", spec.title);
    const head = element("header", "dps-panel-head", this.root);
    this.title = element("h4", "", head);
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
    this.targets = [];
    this.body.addEventListener("pointermove", (e) => this.hover(e));
    this.body.addEventListener("pointerleave", () => (this.tip.hidden = true));
  }
  /** The whole panel leads to another view, at the frame that it shows; where there is no app around it, it leads nowhere. */
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
      stage.askFor("open", { view: this.spec.opens, frame: at });
    });
  }
  setSpec(spec) {
    this.spec = spec;
    rich(this.title, spec.title);
    this.setCaption();
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
  drawReadouts() {
    const { stage } = this;
    const items = (this.spec.readouts || []).map((r) => {
      const value = stage.arrays[r.array].at(stage.frame, stage.step)[0];
      return { ...r, text: Number.isFinite(value) ? `${value.toFixed(r.digits || 0)} ${r.unit}` : "–" };
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
      const chip = this.readouts.children[i];
      chip.title = r.help || "";
      if (chip.dataset.label !== r.label) rich(chip.firstChild, (chip.dataset.label = r.label));
      if (chip.lastChild.textContent !== r.text) chip.lastChild.textContent = r.text;
    });
  }
  /** The joint that the pointer is at. */
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
class StillPanel extends Panel {
  async mount() { this.ready = true; this.build(); this.draw(); }
  async refresh() { this.build(); this.draw(); }
  async follow() {}
  destroy() {}
  build() {}
}

/** What a picture depends on besides where the timeline stands: where nothing of it changed, it need not be painted again. */
function lookOf(stage, more) {
  const { hidden, ghosts, joint } = stage.memory;
  return JSON.stringify([stage.camera, [...hidden], ghosts, joint, stage.themeKey, stage.header.hash, ...more]);
}

/** The same look from nearer by. */
function closer(camera, factor) {
  const near = copyCamera(camera);
  for (const i of ["x", "y", "z"]) near.eye[i] = near.center[i] + (near.eye[i] - near.center[i]) / factor;
  return near;
}

/** Everything that moves in a scene, at a frame and a step, seen by the stage's camera. The owner, a panel or a chart, gets
 *  the joints that are shown as its targets. furnish draws what lies under the figures. */
function paintScene(canvas, owner, layers, width, height, frame, step, furnish = paintFloor) {
  const { stage } = owner;
  const context = fitCanvas(canvas, width, height);
  const { bounds } = stage.header;
  const camera = owner.spec.zoom ? closer(stage.camera, owner.spec.zoom) : stage.camera;
  const projection = makeProjection(camera, bounds, stage.aspect, width, height);
  let visible = (layers || []).filter((l) => !stage.memory.hidden.has(l.label));
  const at = (layer) => stage.arrays[layer.array].at(frame, step);
  const shadow = (onto, layer) => {
    if (layer.kind === "skeleton" && layer.shadow !== false) drawShadow(onto, at(layer), projection, bounds.floor, stage.theme);
  };
  const cloud = (onto, layer) => {
    drawCloud(onto, projectPoses(at(layer), projection), stage.theme.palette(layer.palette), layer.opacity || 1);
  };
  const moves = (layer) => stage.arrays[layer.array]?.axes.includes("step");
  const firstMoving = visible.findIndex((l) => l.kind !== "cloud" || moves(l));
  if (firstMoving > 0 && visible.some(moves)) {
    // Below what moves lies a cloud that does not: painted once, not at every step.
    const [still, rest] = [visible.slice(0, firstMoving), visible.slice(firstMoving)];
    const look = lookOf(stage, [width, height, frame, owner.ready, fitCanvas.ratio]);
    if (owner.stillLook !== look) {
      owner.stillLook = look;
      owner.stillCanvas ??= document.createElement("canvas");
      const below = fitCanvas(owner.stillCanvas, width, height);
      furnish(below, projection, stage);
      for (const layer of rest) if (!moves(layer)) shadow(below, layer);
      for (const layer of still) cloud(below, layer);
    }
    context.drawImage(owner.stillCanvas, 0, 0, width, height);
    for (const layer of rest) if (moves(layer)) shadow(context, layer);
    visible = rest;
  } else {
    furnish(context, projection, stage);
    for (const layer of visible) shadow(context, layer);
  }
  const items = [], rings = [], above = [];
  const here = frame === stage.frame && step === stage.step; // ghosts and paths are those of the timeline's place
  owner.targets = [];
  for (const layer of visible) {
    const colours = stage.theme.palette(layer.palette);
    if (LAYER_KINDS[layer.kind]) { above.push(LAYER_KINDS[layer.kind](owner, context, layer, projection, colours)); continue; }
    if (layer.kind === "cloud") { cloud(context, layer); continue; }
    const values = at(layer);
    if (layer.kind === "rings") rings.push([projectPoses(values, projection), stage.arrays[layer.by].at(frame, step), layer]);
    else {
      const screen = projectPoses(values, projection);
      if (here && stage.memory.ghosts) ghostItems(stage, layer, projection, colours, items);
      skeletonItems(screen, colours, layer, projection, items);
      for (let j = 0; j < JOINTS && layer.opacity !== 0; j++) {
        const metres = (i) => values[3 * j + i].toFixed(2);
        // Plot axes are (x, z, -y) of the camera frame.
        const y = (-values[3 * j + 2]).toFixed(2);
        owner.targets.push({
          joint: j, x: screen[3 * j], y: screen[3 * j + 1],
          text: `${layer.label}: ${jointLabel(j)}  x ${metres(0)}  y ${y}  z ${metres(1)} m`,
        });
      }
    }
  }
  paintItems(context, items, stage.theme);
  for (const paint of above) paint?.();
  const { joint } = stage.memory;
  for (const layer of joint == null || !here ? [] : visible.filter((l) => l.kind === "cloud" || l.kind === "skeleton")) {
    drawPath(context, stage, layer, joint, projection, stage.theme.palette(layer.palette));
  }
  for (const [screen, by, layer] of rings) drawRings(context, screen, by, layer, stage.theme);
}

/** The floor's grid, half a metre a square, for scenes that Plotly doesn't draw. */
function paintFloor(context, projection, stage) {
  const { lo, hi, floor } = stage.header.bounds;
  const a = [0, 0, 0], b = [0, 0, 0];
  context.strokeStyle = stage.theme.floor;
  context.lineWidth = 1;
  context.beginPath();
  const segment = (x0, y0, x1, y1) => {
    projection.point(x0, y0, floor, a);
    projection.point(x1, y1, floor, b);
    if (a[2] <= 0.05 || b[2] <= 0.05) return;
    context.moveTo(a[0], a[1]);
    context.lineTo(b[0], b[1]);
  };
  const halves = (i) => [Math.ceil(lo[i] * 2 - 1e-6) / 2, Math.floor(hi[i] * 2 + 1e-6) / 2];
  const [x0, x1] = halves(0), [y0, y1] = halves(1);
  for (let x = x0; x <= x1; x += 0.5) segment(x, y0, x, y1);
  for (let y = y0; y <= y1; y += 0.5) segment(x0, y, x1, y);
  context.stroke();
}

/** Circles around the joints where two methods differ most, in the colour of the one that is nearer to the truth. */
function drawRings(context, screen, by, layer, theme) {
  const order = Array.from(by, (v, j) => [Math.abs(v), j]).sort((a, b) => b[0] - a[0]).slice(0, layer.count);
  for (const [difference, j] of order) {
    if (difference < layer.least || screen[3 * j + 2] <= 0.05) continue;
    const colour = theme.palette(by[j] > 0 ? layer.palette : layer.palette_less)[2];
    for (const [ink, width] of [[theme.halo, 5], [colour, 2.2]]) {
      context.strokeStyle = ink;
      context.lineWidth = width;
      context.setLineDash(by[j] > 0 ? [] : [4, 3]);
      context.beginPath();
      context.arc(screen[3 * j], screen[3 * j + 1], 15, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  context.setLineDash([]);
}

class ScenePanel extends Panel {
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.plot = element("div", "dps-plot", this.body);
    this.canvas = element("canvas", "dps-over", this.body);
    this.canvas.setAttribute("role", "img");
    this.ready = false;
    this.touch = new Touch(this);
    this.body.addEventListener("pointerdown", (e) => (this.pressed = [e.clientX, e.clientY]), { capture: true });
    this.body.addEventListener("pointerup", (e) => this.released(e), { capture: true });
  }
  /** A click on a joint, not the end of a drag, asks for its path, or takes it away. */
  released(event) {
    const [x, y] = this.pressed || [NaN, NaN];
    this.pressed = null;
    if (event.pointerType !== "mouse" || !(Math.hypot(event.clientX - x, event.clientY - y) < 4)) return;
    const target = this.targetAt(event);
    if (target) this.stage.track(this.stage.memory.joint === target.joint ? null : target.joint);
  }
  /** Have Plotly draw the floor and take over the mouse; once, whoever asks. */
  mount() { return (this.mounted ??= this.begin()); }
  async begin() {
    await this.react();
    this.plot.__project = (x, y, z) => {
      return this.projection().point(x, y, z, []);
    };
    this.plot.on("plotly_relayouting", (e) => this.turned(e));
    this.plot.on("plotly_relayout", (e) => this.turned(e));
    this.ready = true;
    this.draw();
    this.root.dataset.ready = "true";
  }
  projection() {
    const { camera, header, aspect } = this.stage;
    return makeProjection(camera, header.bounds, aspect, ...this.size());
  }
  /** What Plotly draws below the painted figures: for a picture to keep, and for the screen until Plotly is there. */
  paintBehind(context, projection = this.projection()) { paintFurniture(context, this.furniture(), projection); }
  turned(change) {
    const camera = change && change["scene.camera"];
    if (!camera || this.following) return;
    this.lead(camera);
    this.settle();
  }
  /** This scene was turned by hand: the others go with it. */
  lead(camera) {
    this.followed = copyCamera(camera);
    this.stage.setCamera(this.followed, this);
  }
  /** Plotly lets a turned scene glide on after the hand has let go, and tells nobody: follow it until it rests. */
  settle() {
    this.calm = 0;
    if (this.settling) return;
    this.settling = true;
    const look = () => {
      const camera = this.ready && this.plot._fullLayout?.scene?._scene?.getCamera?.();
      if (!camera || !this.stage.root.isConnected || this.pending) { this.settling = false; return; }
      const e = camera.eye, old = this.stage.camera.eye;
      const moved = Math.abs(e.x - old.x) + Math.abs(e.y - old.y) + Math.abs(e.z - old.z) > 1e-5;
      if (moved) this.lead(camera);
      this.calm = moved ? 0 : this.calm + 1;
      if (this.calm > 12) { this.settling = false; return; }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }
  /** Traces that stand still: the floor's grid, half a metre a square, and a pole with a tick every half metre. */
  furniture() {
    const { lo, hi } = this.stage.header.bounds;
    const floor = this.stage.header.bounds.floor;
    const theme = this.stage.theme;
    const minor = { x: [], y: [], z: [] }, major = { x: [], y: [], z: [] }, pole = { x: [], y: [], z: [] };
    const add = (t, a, b) => {
      t.x.push(a[0], b[0], null); t.y.push(a[1], b[1], null); t.z.push(a[2], b[2], null);
    };
    // Quarters of a metre, inside the box; halves are drawn stronger and have a number.
    const x0 = Math.ceil(lo[0] * 4 - 1e-6), x1 = Math.floor(hi[0] * 4 + 1e-6);
    const y0 = Math.ceil(lo[1] * 4 - 1e-6), y1 = Math.floor(hi[1] * 4 + 1e-6);
    const low = (i) => [x0 / 4, y0 / 4][i], high = (i) => [x1 / 4, y1 / 4][i];
    for (let i = x0; i <= x1; i++) add(i % 2 ? minor : major, [i / 4, low(1), floor], [i / 4, high(1), floor]);
    for (let i = y0; i <= y1; i++) add(i % 2 ? minor : major, [low(0), i / 4, floor], [high(0), i / 4, floor]);
    const corner = [low(0), 0.25];
    const top = Math.min(2, Math.floor((hi[2] - floor) * 2) / 2);
    add(pole, [...corner, floor], [...corner, floor + top]);
    for (let h = 0.5; h <= top; h += 0.5) add(pole, [...corner, floor + h], [corner[0], corner[1] + 0.06, floor + h]);
    this.labels = [];
    for (let i = x0; i <= x1; i++) if (i % 2 === 0) this.labels.push([i / 4, low(1) - 0.09, floor, number(i / 4)]);
    for (let i = y0; i <= y1; i++) if (i % 2 === 0) this.labels.push([high(0) + 0.09, i / 4, floor, number(i / 4)]);
    this.labels.push([0, low(1) - 0.24, floor, "x (m)"], [high(0) + 0.26, 0, floor, "z (m)"]);
    for (let h = 0.5; h <= top; h += 0.5) this.labels.push([corner[0] - 0.12, corner[1], floor + h, `${number(h)} m`]);
    const style = (t, color, width) => ({
      type: "scatter3d", mode: "lines", ...t, line: { color, width }, hoverinfo: "skip", showlegend: false,
    });
    return [style(minor, theme.floor, 1), style(major, theme.floorStrong, 1.5), style(pole, theme.floorStrong, 2)];
  }
  layout() {
    const { lo, hi } = this.stage.header.bounds;
    const axis = (i) => ({ visible: false, range: [lo[i], hi[i]], autorange: false, showspikes: false });
    const aspect = this.stage.aspect;
    const [width, height] = this.size();
    return {
      uirevision: "keep", width, height, showlegend: false, hovermode: false,
      margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      scene: {
        xaxis: axis(0), yaxis: axis(1), zaxis: axis(2), uirevision: "keep", dragmode: "turntable", hovermode: false,
        bgcolor: "rgba(0,0,0,0)", aspectmode: "manual", aspectratio: { x: aspect[0], y: aspect[1], z: aspect[2] },
        camera: copyCamera(this.stage.camera),
      },
    };
  }
  async react() {
    const config = { displayModeBar: false, scrollZoom: false, doubleClick: false, plotGlPixelRatio: 1.5, responsive: false };
    this.following = true;
    this.followed = this.stage.camera;
    this.floorKey = this.stage.floorKey;
    await window.Plotly.react(this.plot, this.furniture(), this.layout(), config);
    this.following = false;
    const gl = this.plot.querySelector("canvas");
    if (gl) gl.setAttribute("aria-label", `${this.spec.title}: 3D scene, drag to turn`);
  }
  /** Bring Plotly to the size of the body. The camera goes with it: Plotly alone goes back to where the hand let go of a
   *  scene, though the scene has glided on since. */
  async fit() {
    if (!this.ready) return;
    const [width, height] = this.size();
    const { width: oldWidth, height: oldHeight } = this.plot._fullLayout;
    if (width === oldWidth && height === oldHeight) return;
    this.followed = this.stage.camera;
    this.following = true;
    await window.Plotly.relayout(this.plot, { width, height, "scene.camera": copyCamera(this.followed) });
    this.following = false;
  }
  async follow(camera) {
    if (!this.ready || camera === this.followed) return;
    if (this.pending) { this.next = camera; return; }
    this.pending = true;
    this.followed = camera;
    this.following = true;
    await window.Plotly.relayout(this.plot, { "scene.camera": copyCamera(camera) });
    this.following = false;
    this.pending = false;
    if (this.next) { const next = this.next; this.next = null; this.follow(next); }
  }
  async refresh() {
    if (!this.ready) return;
    // Plotly draws the floor alone, and is slow: only where the floor or the colours change.
    if (this.floorKey !== this.stage.floorKey) await this.react();
    this.draw();
  }
  draw() {
    const { stage } = this;
    const [width, height] = this.size();
    const furnish = (context, projection) => {
      if (!this.ready) this.paintBehind(context, projection);
      this.drawLabels(context, projection);
    };
    paintScene(this.canvas, this, this.spec.layers, width, height, stage.frame, stage.step, furnish);
    this.drawReadouts();
    this.canvas.setAttribute("aria-label", `${this.spec.title}, ${stage.positionText()}`);
  }
  drawLabels(context, projection) {
    const p = [0, 0, 0];
    context.font = "500 11px ui-sans-serif, system-ui, sans-serif";
    context.fillStyle = this.stage.theme.label;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [x, y, z, text] of this.labels || []) {
      projection.point(x, y, z, p);
      if (p[2] > 0.05) context.fillText(text, p[0], p[1]);
    }
  }
  destroy() {
    this.touch.destroy();
    if (this.ready && window.Plotly) window.Plotly.purge(this.plot);
    this.ready = false;
  }
}

/** A panel that is one canvas, without Plotly. */
class FlatPanel extends Panel {
  constructor(stage, spec, host) {
    super(stage, spec, host);
    this.canvas = element("canvas", "dps-flat", this.body);
    this.canvas.setAttribute("role", "img");
  }
  async mount() { this.ready = true; this.draw(); }
  async refresh() { this.draw(); }
  async follow() {}
  destroy() {}
}

/** A small scene that turns with the others and is not turned itself: a part of a strip, which leads to a view. */
class MiniScene extends FlatPanel {
  draw() {
    if (!this.ready) return;
    const { stage } = this;
    const [width, height] = this.size();
    const moves = this.spec.layers.some((l) => stage.arrays[l.array].axes.includes("step"));
    const look = lookOf(stage, [width, height, stage.frame, moves ? stage.step : null]);
    if (look === this.look) return;
    this.look = look;
    paintScene(this.canvas, this, this.spec.layers, width, height, stage.frame, stage.step);
    this.drawReadouts();
    this.canvas.setAttribute("aria-label", `${this.spec.title}, ${stage.positionText()}`);
  }
}

class ImagePanel extends FlatPanel {
  draw() {
    if (!this.ready) return;
    const { stage, spec } = this;
    const [width, height] = this.size();
    const context = fitCanvas(this.canvas, width, height);
    const centre = stage.arrays[spec.centre].at(stage.frame, stage.step);
    const { half_px: half, half_u_px: across = half } = spec;
    const zoom = Math.min(width / (2 * across), height / (2 * half));
    const toX = (u) => width / 2 + (u - centre[0]) * zoom;
    const toY = (v) => height / 2 + (v - centre[1]) * zoom;
    if (!spec.plain) this.drawPlane(context, toX, toY, width, height, zoom);
    this.targets = [];
    const pose = stage.arrays[spec.pose].at(stage.frame, stage.step);
    const confidence = stage.arrays[spec.confidence].at(stage.frame, stage.step);
    const hidden = spec.hidden ? stage.arrays[spec.hidden].at(stage.frame, stage.step) : null;
    const colours = stage.theme.palette("sides");
    const shown = (label) => !stage.memory.hidden.has(label);
    if (spec.mixture && shown("2D uncertainty")) this.drawMixture(context, toX, toY, zoom, colours);
    if (!spec.bare) this.drawPose(context, toX, toY, pose, confidence, hidden, colours);
    this.drawReadouts();
    this.canvas.setAttribute("aria-label", `${spec.title}, ${stage.positionText()}`);
  }
  drawPose(context, toX, toY, pose, confidence, hidden, colours) {
    const { stage } = this;
    context.lineCap = "round";
    for (let j = 1; j < JOINTS; j++) {
      const p = PARENTS[j];
      const it = { x0: toX(pose[2 * p]), y0: toY(pose[2 * p + 1]), x1: toX(pose[2 * j]), y1: toY(pose[2 * j + 1]) };
      context.setLineDash([]);
      line(context, it, stage.theme.halo, 5.4, true);
      if (SIDE[j] === 0) context.setLineDash([5, 4]);
      context.lineCap = SIDE[j] === 0 ? "butt" : "round";
      line(context, it, colours[SIDE[j]], 3, true);
    }
    context.setLineDash([]);
    for (let j = 0; j < JOINTS; j++) {
      const x = toX(pose[2 * j]), y = toY(pose[2 * j + 1]);
      markerPath(context, x, y, 4, SIDE[j]);
      const isHidden = hidden && hidden[j] > 0.5;
      context.fillStyle = isHidden ? stage.theme.panel : colours[SIDE[j]];
      context.fill();
      context.lineWidth = isHidden ? 2 : 1.4;
      context.strokeStyle = isHidden ? colours[SIDE[j]] : stage.theme.halo;
      context.stroke();
      const state = !isHidden ? "" : confidence[j] > 0 ? ", hidden" : ", guessed";
      this.targets.push({ x, y, text: `${jointLabel(j)}${state}: confidence ${confidence[j].toFixed(2)}` });
    }
  }
  drawPlane(context, toX, toY, width, height, zoom) {
    const { spec } = this;
    const { theme } = this.stage;
    const step = 50 * zoom < 34 ? 100 : 50;
    context.lineWidth = 1;
    context.font = "500 10px ui-sans-serif, system-ui, sans-serif";
    context.fillStyle = theme.label;
    context.strokeStyle = theme.dark ? "rgba(174,186,206,0.10)" : "rgba(92,105,128,0.12)";
    context.beginPath();
    for (let u = 0; u <= spec.image_px[0]; u += step) {
      const x = toX(u);
      if (x < 0 || x > width) continue;
      context.moveTo(x, 0); context.lineTo(x, height);
      if (u % 100 === 0 && x > 14 && x < width - 46) context.fillText(`${u}`, x + 3, height - 6);
    }
    for (let v = 0; v <= spec.image_px[1]; v += step) {
      const y = toY(v);
      if (y < 0 || y > height) continue;
      context.moveTo(0, y); context.lineTo(width, y);
      if (v % 100 === 0 && y > 12 && y < height - 18) context.fillText(`${v}`, 5, y - 3);
    }
    context.stroke();
    context.textAlign = "right";
    context.fillText("px", width - 6, height - 6);
    context.textAlign = "left";
  }
  /** Every mode of every joint's mixture: a glow for the density, rings at one and two standard deviations. */
  drawMixture(context, toX, toY, zoom, colours) {
    const { stage, spec } = this;
    const weights = stage.arrays[spec.mixture.weights].at(stage.frame, stage.step);
    const means = stage.arrays[spec.mixture.means_px].at(stage.frame, stage.step);
    const stds = stage.arrays[spec.mixture.stds_px].at(stage.frame, stage.step);
    const modes = weights.length / JOINTS;
    for (let i = 0; i < weights.length; i++) {
      const w = weights[i];
      if (w < 0.01) continue;
      const joint = Math.floor(i / modes);
      const colour = colours[SIDE[joint]];
      context.save();
      context.translate(toX(means[2 * i]), toY(means[2 * i + 1]));
      const rx = Math.max(1, stds[2 * i] * zoom), ry = Math.max(1, stds[2 * i + 1] * zoom);
      context.scale(rx, ry);
      const glow = context.createRadialGradient(0, 0, 0, 0, 0, 3);
      for (const [stop, a] of [[0, 0.7], [0.33, 0.42], [0.66, 0.11], [1, 0]]) {
        glow.addColorStop(stop, withAlpha(colour, a * (0.25 + 0.75 * w)));
      }
      context.fillStyle = glow;
      context.fillRect(-3, -3, 6, 6);
      context.restore();
      context.strokeStyle = withAlpha(colour, 0.25 + 0.55 * w);
      context.lineWidth = 1;
      for (const n of [1, 2]) {
        context.setLineDash(n === 2 ? [2, 3] : []);
        context.beginPath();
        context.ellipse(toX(means[2 * i]), toY(means[2 * i + 1]), rx * n, ry * n, 0, 0, 2 * Math.PI);
        context.stroke();
      }
    }
    context.setLineDash([]);
  }
}

// What else a scene can hold: kind of layer -> function(panel, context, layer, projection, colours). It paints below the
// skeletons, and may return a function that paints above them.
const LAYER_KINDS = {};

// What a panel of each kind is drawn by; the stage asks here.
const PANEL_KINDS = { scene: ScenePanel, mini: MiniScene, image: ImagePanel };
