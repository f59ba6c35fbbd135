// Draws the panels of a dashboard with Grafana's components. The data is in the page, as JSON in the element `data`;
// the shape is that of `grafana_picture.py`. The console has a line for each panel with what is in it.
import { Component, type ReactNode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  applyFieldOverrides,
  createTheme,
  type DataFrame,
  type DisplayValueAlignmentFactors,
  dateTime,
  FieldType,
  type FieldConfigPropertyItem,
  type FieldConfigSource,
  type FieldDisplay,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  identityOverrideProcessor,
  Registry,
  type ReduceDataOptions,
  standardTransformers,
  standardTransformersRegistry,
  type TimeRange,
  toDataFrame,
  transformDataFrame,
  VizOrientation,
} from "@grafana/data";
import {
  BigValue,
  type BigValueColorMode,
  type BigValueGraphMode,
  type BigValueJustifyMode,
  type BigValueTextMode,
  PanelChrome,
  Table,
  ThemeContext,
  TimeSeries,
  VizRepeater,
  type VizRepeaterRenderValueProps,
} from "@grafana/ui";
import "@fontsource/inter/latin-400.css";
import "@fontsource/inter/latin-500.css";
import "uplot/dist/uPlot.min.css";

interface Series {
  name: string;
  labels: Record<string, string>;
  points: Array<[number, number]>; // Unix seconds, value
}

interface Panel {
  type: string;
  title: string;
  fieldConfig: FieldConfigSource;
  options: Record<string, any>;
  transformations?: Array<{ id: string; options: Record<string, unknown> }>;
}

interface Placed {
  panel: Panel;
  queries: Array<{ name: string; series: Series[] }>;
  note: string; // what stands there instead of data
  wrong: boolean; // whether that is an error
  left: number;
  top: number;
  width: number;
  height: number;
}

interface Page {
  placed: Placed[];
  rows: Array<{ title: string; note: string; top: number; height: number }>;
  time: { start: number; end: number; step: number };
  width: number;
  height: number;
}

const theme = createTheme({ colors: { mode: "light" } });
const timeZone = "browser";
const TIME_WIDTH = 56;
const page: Page = JSON.parse(document.getElementById("data")!.textContent!);

// Whole ones: the range has no fractions, and a point beyond its end would not be on the axis.
function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000);
}

const timeRange: TimeRange = {
  from: dateTime(milliseconds(page.time.start)),
  to: dateTime(milliseconds(page.time.end)),
  raw: { from: "now-30s", to: "now" },
};

// Grafana registers its own; what a field of our dashboard may have, with the defaults of Grafana's panels.
const PLAIN = ["unit", "min", "max", "decimals", "displayName", "noValue", "thresholds", "mappings", "color"];
const CUSTOM: Record<string, unknown> = {
  drawStyle: "line",
  lineInterpolation: "linear",
  lineWidth: 1,
  fillOpacity: 0,
  pointSize: 5,
  showPoints: "auto",
  spanNulls: false,
  axisPlacement: "auto",
  axisSoftMax: undefined,
  thresholdsStyle: { mode: "off" },
  align: "auto",
  cellOptions: { type: "auto" },
};

function property(id: string, fallback?: unknown, isCustom = false): FieldConfigPropertyItem {
  return {
    id,
    path: id,
    name: id,
    isCustom,
    editor: () => null,
    override: () => null,
    process: (value) => identityOverrideProcessor(value) ?? fallback,
    shouldApply: () => true,
  };
}

const properties = new Registry<FieldConfigPropertyItem>(() => [
  ...PLAIN.map((id) => property(id)),
  ...Object.entries(CUSTOM).map(([id, fallback]) => property(id, fallback, true)),
]);
standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    description: transformation.description,
    editor: () => null,
    transformation: () => Promise.resolve(transformation),
    imageDark: "",
    imageLight: "",
  }))
);

// JSON has no infinity: Grafana reads the lowest step without a value as one.
function fieldConfig(panel: Panel): FieldConfigSource {
  const { defaults, overrides } = panel.fieldConfig;
  const steps = defaults.thresholds?.steps.map((step) => ({ ...step, value: step.value ?? -Infinity }));
  const thresholds = defaults.thresholds && { ...defaults.thresholds, steps: steps! };
  return { defaults: { ...defaults, thresholds }, overrides };
}

function withConfig(panel: Panel, frames: DataFrame[]): DataFrame[] {
  return applyFieldOverrides({
    data: frames,
    fieldConfig: fieldConfig(panel),
    fieldConfigRegistry: properties,
    replaceVariables: (text) => text,
    theme,
    timeZone,
  });
}

// A frame for each series, as those of Grafana's data source for Prometheus.
function framesOf(placed: Placed): DataFrame[] {
  return placed.queries.flatMap(({ name, series }) =>
    series.map((one) => {
      const points = withGaps(one.points);
      return toDataFrame({
        refId: name,
        fields: [
          { name: "Time", type: FieldType.time, values: points.map(([at]) => milliseconds(at)) },
          {
            name: "Value",
            type: FieldType.number,
            values: points.map(([, value]) => value),
            labels: one.labels,
            config: { displayNameFromDS: one.name },
          },
        ],
      });
    })
  );
}

// No value where a step has none, so that the line is interrupted. `TimeSeries` does that for the first series only.
function withGaps(points: Series["points"]): Array<[number, number | null]> {
  const { step } = page.time;
  return points.flatMap((point, index) => {
    const before = points[index - 1];
    return before && point[0] - before[0] > 1.5 * step ? [[before[0] + step, null], point] : [point];
  });
}

// The format `table`: a frame for each query, with a column for each label.
function tablesOf(placed: Placed): DataFrame[] {
  return placed.queries.map(({ name, series }) => {
    const labels = [...new Set(series.flatMap((one) => Object.keys(one.labels)))].sort();
    const last = series.map((one) => one.points[one.points.length - 1]);
    return toDataFrame({
      refId: name,
      fields: [
        { name: "Time", type: FieldType.time, values: last.map(([at]) => milliseconds(at)) },
        ...labels.map((label) => ({
          name: label,
          type: FieldType.string,
          values: series.map((one) => one.labels[label] ?? ""),
        })),
        { name: `Value #${name}`, type: FieldType.number, values: last.map(([, value]) => value) },
      ],
    });
  });
}

interface Size {
  width: number;
  height: number;
}

function StatPanel({ placed, width, height }: { placed: Placed } & Size) {
  const { panel } = placed;
  const { options } = panel;
  const values = () =>
    getFieldDisplayValues({
      data: withConfig(panel, framesOf(placed)),
      fieldConfig: fieldConfig(panel),
      reduceOptions: options.reduceOptions as ReduceDataOptions,
      replaceVariables: (text) => text,
      theme,
      timeZone,
    });
  const tile = ({
    value,
    width,
    height,
    count,
    alignmentFactors,
  }: VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>) => (
    <BigValue
      value={value.display}
      count={count}
      alignmentFactors={alignmentFactors}
      colorMode={options.colorMode as BigValueColorMode}
      graphMode={options.graphMode as BigValueGraphMode}
      justifyMode={options.justifyMode as BigValueJustifyMode}
      textMode={options.textMode as BigValueTextMode}
      width={width}
      height={height}
      theme={theme}
    />
  );
  return (
    <VizRepeater
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={tile}
      width={width}
      height={height}
      source={placed}
      itemSpacing={3}
      autoGrid
      renderCounter={0}
      orientation={options.orientation as VizOrientation}
    />
  );
}

function TimeSeriesPanel({ placed, width, height }: { placed: Placed } & Size) {
  const [frames] = useState(() => withConfig(placed.panel, framesOf(placed)));
  return (
    <TimeSeries
      frames={frames}
      timeRange={timeRange}
      timeZone={timeZone}
      legend={placed.panel.options.legend}
      width={width}
      height={height}
    >
      {(builder) => {
        // The last time under the axis is whole then.
        builder.setPadding([null, TIME_WIDTH / 2, null, null]);
        return null;
      }}
    </TimeSeries>
  );
}

function TablePanel({ placed, width, height }: { placed: Placed } & Size) {
  const [frame, setFrame] = useState<DataFrame>();
  useEffect(() => {
    const transformed = transformDataFrame(placed.panel.transformations ?? [], tablesOf(placed));
    const subscription = transformed.subscribe((frames) => setFrame(withConfig(placed.panel, frames)[0]));
    return () => subscription.unsubscribe();
  }, [placed]);
  return frame ? <Table data={frame} width={width} height={height} /> : null;
}

const KINDS: Record<string, (props: { placed: Placed } & Size) => ReactNode> = {
  stat: StatPanel,
  table: TablePanel,
  timeseries: TimeSeriesPanel,
};

function UnknownPanel({ placed }: { placed: Placed }): ReactNode {
  throw new Error(`no component draws a panel of the type ${placed.panel.type}`);
}

// Without it, an error in one panel would leave the whole page empty.
class Caught extends Component<{ children: ReactNode }, { error: string }> {
  state = { error: "" };
  static getDerivedStateFromError(error: Error) {
    return { error: error.message || "an error without a text" };
  }
  render() {
    return this.state.error ? <div data-error={this.state.error} /> : this.props.children;
  }
}

function PlacedPanel({ placed }: { placed: Placed }) {
  const Kind = KINDS[placed.panel.type] ?? UnknownPanel;
  const { left, top, width, height, panel, note, wrong } = placed;
  return (
    <div className="panel" data-title={panel.title} style={{ left, top, width, height }}>
      <Caught>
        <PanelChrome title={panel.title} width={width} height={height}>
          {(innerWidth, innerHeight) =>
            note ? (
              <div className={wrong ? "note wrong" : "note"} style={{ width: innerWidth, height: innerHeight }}>
                {note}
              </div>
            ) : (
              <Kind placed={placed} width={innerWidth} height={innerHeight} />
            )
          }
        </PanelChrome>
      </Caught>
    </div>
  );
}

function Dashboard() {
  return (
    <ThemeContext.Provider value={theme}>
      <div style={{ position: "relative", width: page.width, height: page.height }}>
        {page.rows.map((row) => (
          <div key={row.title} className="row" style={{ top: row.top, height: row.height }}>
            {row.title} <span>{row.note}</span>
          </div>
        ))}
        {page.placed.map((placed) => (
          <PlacedPanel key={placed.panel.title} placed={placed} />
        ))}
      </div>
    </ThemeContext.Provider>
  );
}

// What a reader sees of each panel, in one line: its text, and whether its lines were drawn.
function report() {
  for (const found of document.querySelectorAll<HTMLElement>(".panel")) {
    const panel = {
      title: found.dataset.title,
      error: found.querySelector<HTMLElement>("[data-error]")?.dataset.error ?? "",
      text: found.innerText.replace(/\s+/g, " "),
      plot: [...found.querySelectorAll("canvas")].some(hasInk),
    };
    console.log(`panel ${JSON.stringify(panel)}`);
  }
}

function hasInk(canvas: HTMLCanvasElement): boolean {
  const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value > 0);
}

// Grafana measures texts in its font before it draws them.
Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`))).then(() => {
  createRoot(document.getElementById("root")!).render(<Dashboard />);
  // The screenshot comes later; time goes on when the page has nothing left to do.
  setTimeout(report, 5000);
});
