// A picture of the stage as it stands. Browsers can't paint a page onto a canvas, so the few kinds of elements that a
// stage is made of are repainted.


export const PICTURE_MARGIN = 16;

const PICTURE_HEAD = 30; // height of the title's line

const NOT_IN_PICTURES = ".dps-tip, .dps-hint, .dps-done, .dps-ghosts, .dps-legend, select, svg, [hidden]";

/**
 * Lines of a text node as the browser broke them: [text, rectangle].
 * @param {Text} node
 * @returns {[string, DOMRect][]}
 */
function linesOf(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  if (range.getClientRects().length < 2) return [[node.data, range.getBoundingClientRect()]];
  /** @type {[string, DOMRect][]} */
  const lines = [];
  for (const word of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].trimEnd().length);
    const box = range.getBoundingClientRect();
    const line = lines[lines.length - 1];
    if (line && Math.abs(line[1].top - box.top) < 2) line[0] += word[0];
    else lines.push([word[0], box]);
  }
  return lines;
}

/** @param {string} colour */
const seenThrough = (colour) => colour === "transparent" || /^rgba\(.*,\s*0\)$/.test(colour);

/**
 * Background and border of an element.
 * @param {Canvas2D} context
 * @param {CSSStyleDeclaration} style
 * @param {DOMRect} box
 * @param {{ x: number, y: number }} origin
 */
function paintBox(context, style, box, origin) {
  const x = box.left - origin.x, y = box.top - origin.y;
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.height / 2, box.width / 2);
  const stops = style.backgroundImage.startsWith("linear-gradient(") && style.backgroundImage.match(/rgba?\([^)]*\)/g);
  context.beginPath();
  context.roundRect(x, y, box.width, box.height, radius);
  if (stops) {
    // The stage's own style rules know two kinds: a card's, from top to bottom, and a key's, half and half.
    const across = style.backgroundImage.includes("90deg");
    const fill = across ? context.createLinearGradient(x, 0, x + box.width, 0) : context.createLinearGradient(0, y, 0, y + box.height);
    stops.forEach((c, i) => fill.addColorStop(across ? 0.5 : i / (stops.length - 1), c));
    context.fillStyle = fill;
    context.fill();
  } else if (!seenThrough(style.backgroundColor)) {
    context.fillStyle = style.backgroundColor;
    context.fill();
  }
  const top = parseFloat(style.borderTopWidth);
  if (!top || style.borderTopStyle === "none" || seenThrough(style.borderTopColor)) return;
  context.strokeStyle = style.borderTopColor;
  context.lineWidth = top;
  if (!parseFloat(style.borderBottomWidth)) {
    context.setLineDash({ dashed: [5, 4], dotted: [top, top] }[style.borderTopStyle] || []);
    context.beginPath();
    context.moveTo(x, y + top / 2);
    context.lineTo(x + box.width, y + top / 2);
  }
  context.stroke();
  context.setLineDash([]);
}

/**
 * The sign of a root, which is no text: browsers draw it around what is under it.
 * @param {Canvas2D} context
 * @param {HTMLElement} node
 * @param {DOMRect} box
 * @param {string} colour
 * @param {{ x: number, y: number }} origin
 */
function paintRoot(context, node, box, colour, origin) {
  const [left, right, top, bottom] = [box.left - origin.x, box.right - origin.x, box.top - origin.y + 1, box.bottom - origin.y];
  const sign = (node.firstElementChild ?? node).getBoundingClientRect().left - box.left;
  context.strokeStyle = colour;
  context.lineWidth = 1.2;
  context.beginPath();
  context.moveTo(left + 0.1 * sign, top + 0.6 * (bottom - top));
  context.lineTo(left + 0.35 * sign, top + 0.55 * (bottom - top));
  context.lineTo(left + 0.6 * sign, bottom - 1);
  context.lineTo(left + 0.92 * sign, top);
  context.lineTo(right, top);
  context.stroke();
}

/**
 * Paint an element and what is in it at the place that it has on the page, less the origin.
 * @param {Canvas2D} context
 * @param {HTMLElement} node
 * @param {{ x: number, y: number }} origin
 */
function paintElement(context, node, origin) {
  if (node.matches(NOT_IN_PICTURES)) return;
  const box = node.getBoundingClientRect();
  if (!box.width && !box.height) return;
  const style = getComputedStyle(node);
  paintBox(context, style, box, origin);
  if (node.matches(".dps-mark-cloud, .dps-mark-glow")) {
    context.fillStyle = node.style.getPropertyValue("--b");
    for (const [dx, dy] of node.matches(".dps-mark-glow") ? [[0.5, 0.5]] : [[0.2, 0.4], [0.5, 0.75], [0.65, 0.25], [0.88, 0.65]]) {
      context.beginPath();
      context.arc(box.left - origin.x + dx * box.width, box.top - origin.y + dy * box.height, 1.8, 0, 2 * Math.PI);
      context.fill();
    }
  }
  if (node.tagName === "msqrt") paintRoot(context, node, box, style.color, origin);
  if (node instanceof HTMLCanvasElement) context.drawImage(node, box.left - origin.x, box.top - origin.y, box.width, box.height);
  for (const child of node.childNodes) {
    if (child instanceof Element) paintElement(context, /** @type {HTMLElement} */ (child), origin);
    if (!(child instanceof Text) || !child.data.trim()) continue;
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    context.fillStyle = style.color;
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    for (const [text, line] of linesOf(child)) {
      const baseline = line.top + context.measureText("x").fontBoundingBoxAscent;
      context.fillText(text.replace(/\s+/g, " "), line.left - origin.x, baseline - origin.y);
    }
  }
}

/**
 * The entries of the legend that are switched on, in lines of a width: [[entry, x, y]] and how high they are.
 * @param {HTMLElement} legend
 * @param {number} width
 */
function placeLegend(legend, width) {
  /** @type {[HTMLElement, number, number][]} */
  const placed = [];
  const height = Math.max(0, ...[...legend.children].map((n) => n.getBoundingClientRect().height));
  let x = 0, y = 0;
  for (const entry of /** @type {HTMLElement[]} */ ([...legend.children])) {
    const box = entry.getBoundingClientRect();
    if (entry.matches(NOT_IN_PICTURES) || entry.getAttribute("aria-pressed") === "false" || !box.width) continue;
    if (x && x + box.width > width) { x = 0; y += height + 2; }
    placed.push([entry, x, y + (height - box.height) / 2]);
    x += box.width + 6;
  }
  return { placed, height: y + height };
}

/**
 * A canvas with the stage as it stands. ratio: its pixels for every pixel of the page. extras: with the charts and the
 * words under the panels. even: sides that two divides, as video wants them. canvas: one to paint over.
 * @param {Stage} stage
 * @param {number} ratio
 */
export function pictureOf(stage, ratio, { extras = true, even = false, canvas = document.createElement("canvas") } = {}) {
  const grid = (extras ? stage.work : stage.grid).getBoundingClientRect();
  const charts = stage.chartRow.getBoundingClientRect();
  const withCharts = extras && charts.height > 0;
  const legend = placeLegend(stage.legend.root, grid.width);
  const head = PICTURE_HEAD + legend.height + 8;
  const gap = 12;
  /** @param {number} v */
  const length = (v) => (even ? 2 * Math.round((v * ratio) / 2) : Math.round(v * ratio));
  canvas.width = length(grid.width + 2 * PICTURE_MARGIN);
  canvas.height = length(head + grid.height + (withCharts ? gap + charts.height : 0) + 2 * PICTURE_MARGIN);
  const context = /** @type {Canvas2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.scale(ratio, ratio);
  context.fillStyle = stage.theme.background;
  context.fillRect(0, 0, canvas.width / ratio, canvas.height / ratio);
  context.textBaseline = "middle";
  const family = getComputedStyle(stage.root).fontFamily;
  context.font = `650 16px ${family}`;
  context.fillStyle = stage.theme.text;
  const title = stage.header.title;
  context.fillText(title, PICTURE_MARGIN, PICTURE_MARGIN + 10);
  const indent = PICTURE_MARGIN + context.measureText(title).width + 14;
  context.font = `400 13px ${family}`;
  context.fillStyle = stage.theme.label;
  const room = grid.width + PICTURE_MARGIN - indent;
  context.fillText([stage.header.clip, stage.positionText()].filter(Boolean).join(" · "), indent, PICTURE_MARGIN + 10, Math.max(60, room));
  for (const [entry, x, y] of legend.placed) {
    const box = entry.getBoundingClientRect();
    paintElement(context, entry, { x: box.left - PICTURE_MARGIN - x, y: box.top - PICTURE_MARGIN - PICTURE_HEAD - y });
  }
  const origin = { x: grid.left - PICTURE_MARGIN, y: grid.top - PICTURE_MARGIN - head };
  for (const panel of stage.panels.filter((p) => !p.root.hidden)) {
    const box = panel.root.getBoundingClientRect();
    context.save();
    context.beginPath();
    context.roundRect(box.left - origin.x, box.top - origin.y, box.width, box.height, 14);
    context.clip();
    paintBox(context, getComputedStyle(panel.root), box, origin);
    for (const child of /** @type {HTMLElement[]} */ ([...panel.root.children])) if (extras || child !== panel.caption) paintElement(context, child, origin);
    context.restore();
  }
  if (extras && !stage.side.hidden) paintElement(context, stage.side, origin);
  // On the page the timeline stands between the panels and the charts.
  if (withCharts) paintElement(context, stage.chartRow, { x: origin.x, y: charts.top - PICTURE_MARGIN - head - grid.height - gap });
  return canvas;
}
