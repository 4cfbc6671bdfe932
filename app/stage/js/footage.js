// Pictures of a video, which lie under the 2D pose. They hang on an element of the page, and go with it.

/** Name of the switch in the legend. */
export const PICTURE = "Video picture";
/** The detector's own heatmaps, as a switch of the legend. */
export const HEAT = "Heatmaps (as detected)";

const DECODED = 24; // pictures that are kept decoded
const AHEAD = 4; // pictures that are decoded before they are asked for

/**
 * The pictures of a clip, where there are any. source: the clip's hash.
 * @param {string} source
 */
export function footageOf(source) {
  const holders = [...document.querySelectorAll(".dps-footage")];
  return holders.map((holder) => holder.footage).find((footage) => footage?.source === source) ?? null;
}

/**
 * Number of the clip's frame that a stage shows, or would show at another place of its timeline.
 * @param {Stage} stage
 */
export function frameNumber(stage, place = stage.frame) {
  const { axes, shows_frame: shown } = stage.header;
  return axes.frame ? axes.frame.values[place] : shown ?? 0;
}

/** A person's heatmaps: a turned square of the picture, middle and side in pixels, turn in radians.
 * @typedef {{ u: number, v: number, side: number, turn: number, png: Uint8Array<ArrayBuffer>, bitmap: ImageBitmap | null }} Glow */

export class Footage {
  /**
   * data: bytes as app.jobs.pictures packs them.
   * @param {Uint8Array<ArrayBuffer>} data
   */
  constructor(data) {
    const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
    /** @type {string} */
    this.source = header.source;
    /** @type {number[]} */
    this.size = header.size;
    /** @type {number[]} */
    this.frames = header.frames;
    let offset = 4 + length;
    this.jpegs = header.bytes.map((/** @type {number} */ size) => data.subarray(offset, (offset += size)));
    /** @type {Glow[][]} */
    this.glows = header.bytes.map((/** @type {number} */ _, /** @type {number} */ i) => (header.glows?.[i] ?? []).map(
      (/** @type {number[]} */ [u, v, side, turn, size]) => ({ u, v, side, turn, png: data.subarray(offset, (offset += size)), bitmap: null })));
    /** @type {Map<number, ImageBitmap | null>} */
    this.decoded = new Map(); // index -> ImageBitmap, or null on its way
    /** @type {Map<number, Promise<void>>} */
    this.coming = new Map(); // index -> the promise of one on its way
    /** @type {ImageBitmap | null} */
    this.shown = null;
  }
  /**
   * Index of the picture of a frame: its own, or the last one before it; -1 where there is none.
   * @param {number} frame
   */
  index(frame) {
    let low = 0, high = this.frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frames[middle] <= frame) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  /**
   * The picture of a frame; until it is decoded the one that was shown last. ready: called when it can be drawn.
   * @param {number} frame
   * @param {() => void} ready
   */
  at(frame, ready) {
    const i = this.index(frame);
    if (i < 0) return null;
    const found = this.decoded.get(i);
    if (found) this.shown = found;
    else this.decode(i, ready);
    for (let k = i + 1; k <= i + AHEAD && k < this.jpegs.length; k++) this.decode(k);
    return this.shown;
  }
  /**
   * The heatmaps of a frame that has a picture of its own, once they are decoded.
   * @param {number} frame
   */
  heatAt(frame) {
    const i = this.index(frame);
    return this.frames[i] === frame ? this.glows[i].filter((glow) => glow.bitmap) : [];
  }
  /**
   * Resolves when the picture of a frame can be drawn, or can't be read.
   * @param {number} frame
   */
  async whenReady(frame) {
    const i = this.index(frame);
    if (i >= 0) await this.decode(i);
  }
  /**
   * @param {number} i
   * @param {() => void} [ready]
   */
  decode(i, ready) {
    if (!this.decoded.has(i)) {
      this.decoded.set(i, null);
      this.coming.set(i, this.load(i, ready).finally(() => this.coming.delete(i)));
    }
    return this.coming.get(i);
  }
  /**
   * @param {number} i
   * @param {() => void} [ready]
   */
  async load(i, ready) {
    try {
      const heat = this.glows[i].map(async (glow) => (glow.bitmap = await createImageBitmap(new Blob([glow.png], { type: "image/png" }))));
      await Promise.all(heat);
      this.decoded.set(i, await createImageBitmap(new Blob([this.jpegs[i]], { type: "image/jpeg" })));
    } catch {
      return; // a picture that can't be read is left out
    }
    for (const [k, bitmap] of this.decoded) {
      if (this.decoded.size <= DECODED) break;
      if (k === i || !bitmap || bitmap === this.shown) continue;
      bitmap.close();
      for (const glow of this.glows[k]) { glow.bitmap?.close(); glow.bitmap = null; }
      this.decoded.delete(k);
    }
    ready?.();
  }
}
