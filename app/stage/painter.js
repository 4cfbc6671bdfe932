// Drawing skeletons over a Plotly scene. Plotly owns the camera, the floor and the axes; the moving figures are painted
// on a canvas above it with the same projection, so that a step costs a few milliseconds however many samples there are,
// also without a graphics card, and lines stay sharp, dashed and sorted by depth.

/** The projection of a Plotly 3D scene (perspective, 45 degrees), from its public camera, ranges and aspect ratio. */
function makeProjection(camera, bounds, aspect, width, height) {
  const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => { const n = Math.hypot(...a) || 1; return [a[0] / n, a[1] / n, a[2] / n]; };
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const vec = (o) => [o.x, o.y, o.z];
  const eye = vec(camera.eye);
  const forward = unit(sub(vec(camera.center), eye));
  const right = unit(cross(forward, vec(camera.up)));
  const up = cross(right, forward);
  const middle = bounds.lo.map((lo, i) => (lo + bounds.hi[i]) / 2);
  const scale = bounds.lo.map((lo, i) => aspect[i] / (bounds.hi[i] - lo));
  const focal = height / 2 / Math.tan(Math.PI / 8);
  return {
    focalMetres: focal * scale[2],
    /** Point in plot axes (metres) -> [u, v, depth] on the panel in CSS pixels; depth is 0 or less behind the eye. */
    point(x, y, z, out) {
      const p0 = (x - middle[0]) * scale[0] - eye[0];
      const p1 = (y - middle[1]) * scale[1] - eye[1];
      const p2 = (z - middle[2]) * scale[2] - eye[2];
      const depth = forward[0] * p0 + forward[1] * p1 + forward[2] * p2;
      const factor = focal / Math.max(depth, 1e-3);
      out[0] = width / 2 + factor * (right[0] * p0 + right[1] * p1 + right[2] * p2);
      out[1] = height / 2 - factor * (up[0] * p0 + up[1] * p1 + up[2] * p2);
      out[2] = depth;
      return out;
    },
    toEye: (d) => dot(forward, d),
  };
}

function projectPoses(values, projection) {
  const count = values.length / 3;
  const out = new Float32Array(count * 3);
  const p = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    projection.point(values[3 * i], values[3 * i + 1], values[3 * i + 2], p);
    out[3 * i] = p[0]; out[3 * i + 1] = p[1]; out[3 * i + 2] = p[2];
  }
  return out;
}

/** The floor and the pole where Plotly does not draw them, yet or at all: pairs of points with a gap after each. */
function paintFurniture(context, traces, projection) {
  const a = [0, 0, 0], b = [0, 0, 0];
  context.setLineDash([]);
  for (const t of traces) {
    context.strokeStyle = t.line.color;
    context.lineWidth = t.line.width / 2;
    context.beginPath();
    for (let i = 0; i + 1 < t.x.length; i += 3) {
      projection.point(t.x[i], t.y[i], t.z[i], a);
      projection.point(t.x[i + 1], t.y[i + 1], t.z[i + 1], b);
      if (a[2] <= 0.05 || b[2] <= 0.05) continue;
      context.moveTo(a[0], a[1]);
      context.lineTo(b[0], b[1]);
    }
    context.stroke();
  }
}

function drawShadow(context, values, projection, floor, theme) {
  const a = [0, 0, 0], b = [0, 0, 0];
  context.strokeStyle = theme.shadow;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.lineWidth = 6;
  context.beginPath();
  for (let j = 1; j < JOINTS; j++) {
    const p = PARENTS[j];
    projection.point(values[3 * p], values[3 * p + 1], floor, a);
    projection.point(values[3 * j], values[3 * j + 1], floor, b);
    if (a[2] <= 0.05 || b[2] <= 0.05) continue;
    context.moveTo(a[0], a[1]);
    context.lineTo(b[0], b[1]);
  }
  context.stroke();
}

/** Many samples as faint skeletons: one stroke per sample and side, so that agreement adds up to a darker line. */
function drawCloud(context, screen, colours, opacity) {
  const samples = screen.length / (3 * JOINTS);
  const alpha = opacity * Math.min(0.55, Math.max(0.055, 9 / (samples + 8)));
  context.lineCap = "butt";
  context.lineJoin = "bevel";
  context.setLineDash([]);
  context.lineWidth = samples > 40 ? 1 : 1.4;
  const inks = colours.map((c) => withAlpha(c, alpha));
  const dots = colours.map((c) => withAlpha(c, Math.min(0.8, alpha * 2.4)));
  const size = samples > 40 ? 1.8 : 2.6;
  for (let side = 0; side < 3; side++) {
    context.strokeStyle = inks[side];
    context.fillStyle = dots[side];
    for (let s = 0; s < samples; s++) {
      const base = s * JOINTS;
      context.beginPath();
      for (let j = 1; j < JOINTS; j++) {
        if (SIDE[j] !== side) continue;
        const a = 3 * (base + PARENTS[j]), b = 3 * (base + j);
        if (screen[a + 2] <= 0.05 || screen[b + 2] <= 0.05) continue;
        context.moveTo(screen[a], screen[a + 1]);
        context.lineTo(screen[b], screen[b + 1]);
      }
      context.stroke();
      for (let j = 0; j < JOINTS; j++) {
        if (SIDE[j] !== side) continue;
        const a = 3 * (base + j);
        if (screen[a + 2] > 0.05) context.fillRect(screen[a] - size / 2, screen[a + 1] - size / 2, size, size);
      }
    }
  }
}

/** The bones and joints of one pose as things that can be sorted by depth with those of other poses. */
function skeletonItems(screen, colours, layer, projection, items) {
  const thick = layer.width || 1;
  const behind = layer.under ? 100 : 0; // drawn before everything else, so that the figure above it stays whole
  const alpha = layer.opacity == null ? 1 : layer.opacity;
  for (let j = 0; j < JOINTS; j++) {
    const b = 3 * j;
    if (screen[b + 2] <= 0.05) continue;
    const metre = projection.focalMetres / screen[b + 2];
    const p = PARENTS[j];
    if (p >= 0 && screen[3 * p + 2] > 0.05) {
      items.push({
        depth: behind + (screen[b + 2] + screen[3 * p + 2]) / 2, bone: true, alpha, colour: colours[SIDE[j]], left: SIDE[j] === 0,
        x0: screen[3 * p], y0: screen[3 * p + 1], x1: screen[b], y1: screen[b + 1],
        width: Math.min(9, Math.max(2, 0.032 * metre * thick)), halo: layer.halo !== false,
      });
    }
    const head = j === 10;
    items.push({
      depth: behind + screen[b + 2] - 0.012, bone: false, alpha, colour: colours[SIDE[j]], side: SIDE[j], head,
      x: screen[b], y: screen[b + 1],
      radius: head ? Math.max(4, 0.058 * metre * Math.sqrt(thick)) : Math.min(8, Math.max(2.4, 0.026 * metre * thick)),
    });
  }
}

function paintItems(context, items, theme) {
  items.sort((a, b) => b.depth - a.depth);
  for (const it of items) {
    context.globalAlpha = it.alpha;
    if (it.bone) {
      context.setLineDash([]);
      context.lineCap = "round";
      line(context, it, theme.halo, it.width + 2.4, it.halo);
      if (it.left) {
        context.lineCap = "butt";
        line(context, it, withAlpha(it.colour, 0.3), it.width, true);
        context.setLineDash([it.width * 1.15 + 2, it.width * 0.7 + 1.6]);
      }
      line(context, it, it.colour, it.width, true);
    } else {
      context.setLineDash([]);
      markerPath(context, it.x, it.y, it.radius, it.head ? 1 : it.side);
      context.fillStyle = it.colour;
      context.fill();
      context.lineWidth = 1.4;
      context.strokeStyle = theme.halo;
      context.stroke();
    }
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
}

function line(context, it, colour, width, wanted) {
  if (!wanted) return;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(it.x0, it.y0);
  context.lineTo(it.x1, it.y1);
  context.stroke();
}

/** Left: diamond. Middle and right: circle. Shape says what colour says. */
function markerPath(context, x, y, radius, side) {
  context.beginPath();
  if (side === 0) {
    const r = radius * 1.3;
    context.moveTo(x, y - r);
    context.lineTo(x + r, y);
    context.lineTo(x, y + r);
    context.lineTo(x - r, y);
    context.closePath();
  } else {
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
}

function fitCanvas(canvas, width, height) {
  const ratio = fitCanvas.ratio || Math.min(window.devicePixelRatio || 1, 2); // a picture to keep has a ratio of its own
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  // Kept in main memory: thousands of short lines are faster drawn there than handed to a graphics process, above all to a
  // software one.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

function element(tag, className, parent, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text != null) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

/** Text cut at the paper's subscripts: "with f_ST" gives [["with f", false], ["ST", true]]. */
function richParts(text) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(/\b([A-Za-z])_([A-Za-z0-9]+)/g)) {
    parts.push([text.slice(last, match.index) + match[1], false], [match[2], true]);
    last = match.index + match[0].length;
  }
  return last < text.length ? [...parts, [text.slice(last), false]] : parts;
}

/** Text with the paper's subscripts: f_ST and h_0 get real ones. */
function rich(node, text) {
  node.replaceChildren();
  for (const [part, low] of richParts(text)) {
    if (low) element("sub", "", node, part);
    else node.append(part);
  }
}

const ICONS = {
  first: '<path d="M5 4h2.4v12H5zM16 4v12l-8-6z"/>',
  back: '<path d="M13.5 4v12l-8-6z"/>',
  play: '<path d="M6 3.6v12.8l10.4-6.4z"/>',
  pause: '<path d="M5.4 4h3.2v12H5.4zM11.4 4h3.2v12h-3.2z"/>',
  next: '<path d="M6.5 4v12l8-6z"/>',
  last: '<path d="M12.6 4H15v12h-2.4zM4 4v12l8-6z"/>',
  loop: '<path d="M10 4.2V1.6l4 3.7-4 3.7V6.4a4.1 4.1 0 1 0 4.1 4.1h2.2A6.3 6.3 0 1 1 10 4.2z"/>',
  stacked: '<path d="M3 3h14v6H3zM3 11h14v6H3z"/>',
  beside: '<path d="M3 4h6v12H3zM11 4h6v12h-6z"/>',
  plus: '<path d="M9 4h2v5h5v2h-5v5H9v-5H4V9h5z"/>',
  minus: '<path d="M4 9h12v2H4z"/>',
  download: '<path d="M9 3h2v7.2l2.8-2.8 1.4 1.4L10 14 4.8 8.8l1.4-1.4L9 10.2zM4 15.5h12v1.8H4z"/>',
};
const icon = (name) => `<svg viewBox="0 0 20 20" width="18" height="18" fill="currentColor" aria-hidden="true">${ICONS[name]}</svg>`;

/** A button that shows an icon and is named by its title. */
function iconButton(parent, name, title, action, className = "dps-icon") {
  const button = element("button", className, parent);
  button.innerHTML = icon(name);
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  button.addEventListener("click", action);
  return button;
}
