// Colours. Hue, dashes (left) and the joints' shape tell sides apart. Hue tells methods apart.


/** @type {Record<string, { light: Palette, dark: Palette }>} */
const PALETTES = {
  sides: { light: ["#d06a05", "#5b6472", "#1f63d6"], dark: ["#ffa94d", "#aeb6c4", "#6aa5ff"] },
  names: { light: ["#b85c04", "#5b6472", "#1f63d6"], dark: ["#ffa94d", "#aeb6c4", "#6aa5ff"] }, // sides, dark enough for small text
  teal: { light: ["#1f9a86", "#0b7a6b", "#0b7a6b"], dark: ["#7ce5d2", "#2ec4ad", "#2ec4ad"] },
  violet: { light: ["#8f70ee", "#6b43d8", "#6b43d8"], dark: ["#c8b6ff", "#9d7bff", "#9d7bff"] },
  red: { light: ["#ef6a6f", "#d42f36", "#d42f36"], dark: ["#ff9a9d", "#ff5c63", "#ff5c63"] },
  heat: { light: ["#c2570c", "#c2570c", "#c2570c"], dark: ["#ffb066", "#ffb066", "#ffb066"] },
  grey: { light: ["#808999", "#7b8494", "#7b8494"], dark: ["#8d96a8", "#99a2b3", "#99a2b3"] },
};

// Up to ten things of one kind, such as a mixture's components: hues that stay apart for most eyes; what is drawn in them has
// a number or a shape as well.
const SEPARATE = {
  light: ["#0072b2", "#c2410c", "#0b7a6b", "#a21caf", "#8a6d00", "#0e7490", "#be123c", "#4d7c0f", "#6d5bd0", "#5b6472"],
  dark: ["#5cb8f0", "#ff9a5c", "#3fd3bb", "#e58cf2", "#e6c84a", "#9bd2ff", "#ff8098", "#a9d65c", "#b3a6ff", "#b5bdca"],
};

SEPARATE.light.forEach((light, i) => {
  PALETTES[`component${i}`] = { light: [light, light, light], dark: Array(3).fill(SEPARATE.dark[i]) };
});

/** @param {Element} element */
export function readTheme(element) {
  const style = getComputedStyle(element);
  /**
   * @param {string} name
   * @param {string} fallback
   */
  const value = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const background = value("--st-background-color", "#ffffff");
  const [r, g, b] = toRgb(background);
  const dark = 0.299 * r + 0.587 * g + 0.114 * b < 128;
  return {
    dark,
    background,
    text: value("--st-text-color", dark ? "#f2f4f8" : "#1b2230"),
    panel: dark ? "#171c26" : "#f5f7fa",
    floor: dark ? "#2b3443" : "#d3dae4",
    floorStrong: dark ? "#4c5a70" : "#a9b4c4",
    label: dark ? "#a3adbf" : "#5d6778",
    shadow: dark ? "rgba(0,0,0,0.12)" : "rgba(25,35,60,0.042)",
    halo: dark ? "rgba(16,20,28,0.92)" : "rgba(255,255,255,0.92)",
    palette: (/** @type {string} */ name) => (PALETTES[name] || PALETTES.sides)[dark ? "dark" : "light"],
  };
}

/** @type {Map<string, number[]>} */
const rgbs = new Map();
/**
 * Red, green and blue of a colour as style rules write it.
 * @param {string} colour
 */
function toRgb(colour) {
  if (!rgbs.has(colour)) rgbs.set(colour, parseColour(colour));
  return /** @type {number[]} */ (rgbs.get(colour));
}

/** @type {Canvas2D | null} */
let scratch = null; // reads colours that are not written as #rrggbb

/** @param {string} colour */
function parseColour(colour) {
  if (/^#[0-9a-f]{6}$/i.test(colour)) return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  scratch ??= /** @type {Canvas2D} */ (document.createElement("canvas").getContext("2d"));
  scratch.fillStyle = "#000";
  scratch.fillStyle = colour;
  const hex = scratch.fillStyle;
  if (hex.startsWith("#")) return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return (hex.match(/[\d.]+/g) || ["0", "0", "0"]).slice(0, 3).map(Number);
}

/**
 * A colour, seen through.
 * @param {string} colour
 * @param {number} alpha
 */
export function withAlpha(colour, alpha) {
  const [r, g, b] = toRgb(colour);
  return `rgba(${r},${g},${b},${alpha})`;
}

/** @type {Map<string, string>} */
const mixes = new Map(); // two colours and a share -> their mixture: asked for at every step

/**
 * A colour with a share of another one.
 * @param {string} one
 * @param {string} other
 * @param {number} share
 */
export function mixColours(one, other, share) {
  const key = `${one} ${other} ${share}`;
  if (!mixes.has(key)) {
    const [a, b] = [toRgb(one), toRgb(other)];
    mixes.set(key, `#${a.map((v, i) => Math.round(v + share * (b[i] - v)).toString(16).padStart(2, "0")).join("")}`);
  }
  return /** @type {string} */ (mixes.get(key));
}
