// Numbers as charts and scenes write them.

/**
 * A number with a real minus sign.
 * @param {number | string} v
 */
export const number = (v) => String(v).replace("-", "\u2212");
/**
 * Three digits at most.
 * @param {number} v
 */
export const shortNumber = (v) => number(v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(v % 1 ? 1 : 0) : v % 1 ? v.toFixed(2) : v);

/**
 * The next round number from a value on.
 * @param {number} value
 */
export function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].map((m) => m * power).find((v) => v >= value * 0.999) ?? value;
}

/**
 * The largest finite value, or almost 0.
 * @param {number[]} values
 */
export const largest = (values) => values.reduce((a, b) => (Number.isFinite(b) && b > a ? b : a), 1e-6);
/**
 * The index of the value that is nearest to v.
 * @param {number[]} values
 * @param {number} v
 */
export const nearest = (values, v) => values.reduce((b, x, i) => (Math.abs(x - v) < Math.abs(values[b] - v) ? i : b), 0);
