/** What Python sends. app/stage/payload.py, app/stage/specs and app/board/specs.py say which kind has which fields. */

interface ArraySpec {
  offset: number;
  shape: number[];
  axes: string[];
  mix?: Record<string, string>;
}

interface AxisSpec {
  label: string;
  values: number[];
  initial: number;
  times?: number[] | null;
  ends?: string[];
  texts?: string[];
}

interface Bounds {
  lo: number[];
  hi: number[];
  floor: number;
}

/** A layer of any kind. */
interface LayerSpec extends Look, Terms {
  kind: string;
  array: string;
  label: string;
  palette: string;
  palette_less: string;
  shadow?: boolean;
  schedules?: Record<string, string>;
  covariances: string;
  draws: string;
  number: number;
  weight: number;
  by: string;
  count: number;
  least: number;
}

/** Arrays of the terms of Eq. 1, and the joint that they are shown at. */
interface Terms {
  joint: number;
  h_0: string;
  mean: string;
  noise: string;
  alphas: Record<string, string>;
}

interface Look {
  width?: number;
  opacity?: number;
  under?: boolean;
  apart?: boolean;
  halo?: boolean;
}

interface Readout {
  array: string;
  label: string;
  unit: string;
  help?: string;
  digits?: number;
  missing?: string;
}

/** A panel of any kind. */
interface PanelSpec extends Terms {
  id: string;
  kind: string;
  title: string;
  caption?: string;
  columns?: number;
  span?: number;
  readouts?: Readout[];
  part?: boolean;
  zoom?: number;
  opens?: string;
  layers: LayerSpec[];
  pose: string;
  confidence: string;
  centre: string;
  half_px: number;
  half_u_px?: number;
  image_px: number[];
  hidden?: string;
  result?: string;
  mixture: Record<"weights" | "means_px" | "stds_px", string>;
  plain?: boolean;
  bare?: boolean;
  weights: string;
  spreads: string;
  fitted: string;
  fresh: string;
  bic: string;
  chosen: number;
}

interface SeriesSpec {
  label: string;
  array: string;
  palette: string;
  dash?: "" | "dash" | "dot";
  off_scale?: boolean;
  missing?: string;
}

interface Moment {
  index: number;
  better: string;
  title: string;
  text: string;
}

/** A chart of any kind. */
interface ChartSpec {
  id: string;
  kind: string;
  title: string;
  unit: string;
  axis?: Axis;
  span?: number;
  help?: string;
  note?: string;
  jumps?: { label: string; index: number; help: string }[];
  series: SeriesSpec[];
  array: string;
  settled: string;
  top: number;
  moments: Moment[];
  layers: LayerSpec[];
  lo: number;
  hi: number;
  joint: number;
  draws: string;
  mixture: string;
  parts: string;
  truth?: string;
}

interface TrackSpec {
  curve?: { array: string; label: string; palette: string };
  guessed?: string;
  jumps?: number[];
  others?: number[];
}

interface Header {
  id: string;
  title: string;
  source: string;
  clip: string;
  hash: string;
  axes: { step: AxisSpec; frame: AxisSpec | null };
  bounds: Bounds;
  shows_frame: number | null;
  off: string[];
  columns: number;
  line: string;
  track: TrackSpec | null;
  panels: PanelSpec[];
  charts: ChartSpec[];
  arrays: Record<string, ArraySpec>;
}

// ---- the board of results ----

interface BoardSeries {
  label: string;
  colour: string;
  shape: string;
  strong?: boolean;
  help?: string;
}

/** A row of a chart of any kind. */
interface BoardRow {
  label: string;
  values: (number | null)[];
  value: number;
  colour: string;
  text?: string;
  strong?: boolean;
  help?: string;
}

/** A chart of any kind. */
interface BoardSpec {
  kind: "dots" | "bars" | "gains";
  title: string;
  unit: string;
  note?: string;
  series: BoardSeries[];
  rows: BoardRow[];
  span: number;
  joined?: boolean;
}
