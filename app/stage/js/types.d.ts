/** Types of the browser's code, for `npm run types` and for editors. Nothing of it runs. */

type Stage = import("./stage.js").Stage;
type Panel = import("./panel.js").Panel;
type FlatPanel = import("./panel.js").FlatPanel;
type Chart = import("./chart.js").Chart;

/** An axis that the player moves along. */
type Axis = "frame" | "step";
type Canvas2D = CanvasRenderingContext2D;
/** One number after the other, as arrays of any kind hold them. */
type Numbers = ArrayLike<number>;
type Place = (v: number) => number;

/** An array of the stage, cut out at a frame and a step. */
interface Cuts {
  axes: string[];
  shape: number[];
  values: Float32Array;
  at(frame: number, step: number): Float32Array;
  length(axis: string): number;
}

/** A component of Streamlit, or of a page that plays without a server. */
interface Component<Data = Uint8Array> {
  data: Data;
  parentElement: HTMLElement;
  setTriggerValue?: Ask;
  start?: Start;
}

/** Asks the server for something; nobody answers in a page that plays by itself. */
type Ask = (name: string, value: unknown) => void;

/** A file that the server made. */
interface MadeFile {
  id: string;
  name: string;
  type: string;
  content: Uint8Array<ArrayBuffer>;
  error?: string;
  stage: string;
}

/** What Python tells the live camera: its stage (base64), the port of 127.0.0.1 and the secret of the session. */
interface LiveData {
  stage: string;
  port: number;
  token: string;
}

/** The answer to a picture (app/jobs/live.py); without a person the pose is missing. */
interface LiveAnswer {
  kept_s: number;
  decode_ms: number;
  whole_ms: number;
  detect_ms?: number;
  lift_ms?: number;
  points?: number[];
  confidence?: number[];
  pose?: number[];
  hypotheses?: number[];
  error_mm?: number | null;
}

// ---- what the person did ----

/** Where a link, or the page that a stage was saved in, wants it to begin. */
interface Start {
  k?: number | null;
  at?: number | null;
  camera?: Camera | null;
  hidden?: string[];
  ghosts?: boolean;
  joint?: number | null;
}

/** The view that the page shows. going: whether the person goes back or forward just now. */
interface PageState {
  view: string | null;
  going: boolean;
  open?: (view: string) => void;
}

interface Memory {
  hidden: Set<string>;
  speed: number;
  loop: boolean;
  axis: Axis;
  ghosts: boolean;
  joint: number | null;
  only: string | null;
  arrangement: "stacked" | "beside" | null;
  start?: Start | null;
  source?: string;
  k?: number;
  schedule?: string;
}

// ---- drawing ----

interface XYZ {
  x: number;
  y: number;
  z: number;
}

interface Camera {
  eye: XYZ;
  center: XYZ;
  up: XYZ;
}

interface Lens {
  focal: number;
  u: number;
  v: number;
}

interface Ring extends XYZ {
  radius: number;
}

interface Projection {
  focalMetres: number;
  point(x: number, y: number, z: number, out: number[]): number[];
}

type Palette = string[];

interface Theme {
  dark: boolean;
  background: string;
  text: string;
  panel: string;
  floor: string;
  floorStrong: string;
  label: string;
  shadow: string;
  halo: string;
  palette(name: string): Palette;
}

interface Tones {
  base: string;
  light: string;
  dark: string;
  edge: string;
}

/** A line from one point to another, pixels. */
interface Line {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** A capsule: a line with a radius at both ends. */
interface Capsule extends Line {
  r0: number;
  r1: number;
}

interface BodyPart extends Capsule {
  depth: number;
  side: number;
}

interface BodyItem {
  depth: number;
  alpha: number;
  part: BodyPart;
  tones: Tones;
}

interface BoneItem extends Line {
  part?: undefined;
  bone: true;
  depth: number;
  alpha: number;
  colour: string;
  left: boolean;
  width: number;
  halo: boolean;
}

interface JointItem {
  part?: undefined;
  bone: false;
  depth: number;
  alpha: number;
  colour: string;
  side: number;
  head: boolean;
  x: number;
  y: number;
  radius: number;
}

/** Something that is sorted by depth with others. */
type Item = BodyItem | BoneItem | JointItem;

/** Something in a panel that the pointer finds. */
interface Target {
  x: number;
  y: number;
  text: string;
  joint?: number;
}

/** Something that a scene is painted for: a panel or a chart. */
interface Owner {
  stage: Stage;
  targets: Target[];
  stillLook?: string;
  stillCanvas?: HTMLCanvasElement;
}

/** A curve of a small plot; `best` is the number of its best point, from 1. */
interface PlotLine {
  name: string;
  values: Float32Array;
  colour: string;
  dash?: number[];
  best?: number;
}

/** An entry of a chart's key. */
interface KeyEntry {
  label: string;
  colour: string;
  dash?: string | null;
  value: string;
}

interface Ellipse {
  x: number;
  y: number;
  depth: number;
  angle: number;
  long: number;
  short: number;
}

type LayerPainter = (panel: Owner, context: Canvas2D, layer: LayerSpec, projection: Projection, colours: Palette) => void | (() => void);


/** Pictures under a pose, of a video or of a camera that runs. */
interface Pictures {
  source: string;
  /** For each picture the people's heatmaps. */
  glows: readonly (readonly object[])[];
  at(frame: number, ready: () => void): ImageBitmap | HTMLCanvasElement | null;
  heatAt(frame: number): readonly import("./footage.js").Glow[];
  whenReady(frame: number): Promise<void>;
}

// Browsers turn what is given here into strings.
interface Element {
  /** Where the figures of a scene are, for whoever looks at the page from outside. */
  joints?: Target[];
  /** Pictures of a video that hang on the page. */
  footage?: Pictures;
  setAttribute(name: string, value: string | number | boolean): void;
}
interface CSSStyleDeclaration {
  setProperty(name: string, value: string | number): void;
}

/** Where labels, marks and values go. */
interface BoardLayout {
  width: number;
  stacked: boolean;
  left: number;
  right: number;
  height: number;
  top: number;
  y: Place;
}
