// Unpacks what Python sends: "DPS1", header length (uint32), header (JSON), one float32 buffer.

/** @param {Uint8Array} bytes */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(bytes[0], bytes[1], bytes[2], bytes[3]);
  if (magic !== "DPS1") throw new Error(`the stage expected data that starts with DPS1, found ${magic}`);
  const headerLength = view.getUint32(4, true);
  /** @type {Header} */
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  const start = bytes.byteOffset + 8 + headerLength;
  // A Float32Array needs an aligned start, which a slice of a network message need not have.
  const floats = new Float32Array(bytes.buffer.slice(start, bytes.byteOffset + bytes.byteLength));
  /** @type {Record<string, Cuts>} */
  const arrays = {};
  for (const [name, spec] of Object.entries(header.arrays)) {
    arrays[name] = spec.mix ? new MixedArray(spec, arrays) : new PackedArray(spec, floats);
  }
  return { header, arrays };
}

/** An array whose leading axes may be the clip's frame and the diffusion step; `at` cuts out the rest. */
export class PackedArray {
  /**
   * @param {ArraySpec} spec
   * @param {Float32Array} floats
   */
  constructor(spec, floats) {
    this.axes = spec.axes; // e.g. ["frame", "step", "sample", "joint", "xyz"]
    this.shape = spec.shape;
    const size = spec.shape.reduce((a, b) => a * b, 1);
    this.values = floats.subarray(spec.offset, spec.offset + size);
    this.strides = spec.shape.map((_, i) => spec.shape.slice(i + 1).reduce((a, b) => a * b, 1));
  }
  /**
   * @param {number} frame
   * @param {number} step
   */
  at(frame, step) {
    let offset = 0;
    let size = this.values.length;
    for (let i = 0; i < this.axes.length; i++) {
      if (this.axes[i] !== "frame" && this.axes[i] !== "step") break;
      const index = this.axes[i] === "frame" ? frame : step;
      offset += Math.min(index, this.shape[i] - 1) * this.strides[i];
      size = this.strides[i];
    }
    return this.values.subarray(offset, offset + size);
  }
  /** @param {string} axis */
  length(axis) {
    const i = this.axes.indexOf(axis);
    return i < 0 ? 1 : this.shape[i];
  }
}

/** States of the forward process that are mixed when they are first shown: mean + keep (start - mean) + spread noise (Eq. 1). */
export class MixedArray {
  /**
   * @param {ArraySpec} spec
   * @param {Record<string, Cuts>} arrays
   */
  constructor(spec, arrays) {
    this.axes = spec.axes; // the step, then those of the noise
    this.shape = spec.shape;
    this.parts = Object.fromEntries(Object.entries(spec.mix ?? {}).map(([part, name]) => [part, arrays[name].values]));
    /** @type {Float32Array[]} */
    this.states = [];
    this.values = new Float32Array();
  }
  /**
   * @param {number} frame
   * @param {number} step
   */
  at(frame, step) {
    const k = Math.min(step, this.shape[0] - 1);
    this.states[k] ??= this.mix(k);
    return this.states[k];
  }
  /** @param {number} k */
  mix(k) {
    const { start, mean, noise } = this.parts;
    const keep = this.parts.keep[k], spread = this.parts.spread[k];
    const state = new Float32Array(noise.length);
    const starts = start.length, means = mean.length; // one pose for all samples is shorter
    for (let i = 0; i < state.length; i++) {
      const m = mean[i % means];
      state[i] = m + keep * (start[i % starts] - m) + spread * noise[i];
    }
    return state;
  }
  /** @param {string} axis */
  length(axis) { return PackedArray.prototype.length.call(this, axis); }
}
