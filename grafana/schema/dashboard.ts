// What Grafana reads, by the types that it publishes: a dashboard with each kind of panel, target and option that is used here.
// Those types leave options and targets of panels open; here each kind of panel has its own.
import type { Dataquery as PrometheusQuery } from "@grafana/grafana-foundation-sdk/prometheus";
import type { DashboardLink, DataQuery, DataSourceRef, FieldConfig, MatcherConfig, Panel, RowPanel, TableFieldOptions } from "@grafana/schema";
import type { Dashboard as AnyDashboard } from "@grafana/schema";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/// The same in JSON, where an enum is one of its texts.
type Json<T> = T extends string
  ? `${T}`
  : T extends ReadonlyArray<infer Item>
    ? Json<Item>[]
    : T extends object
      ? { [Key in keyof T]: Json<T[Key]> }
      : T;

type Source<Type extends string> = DataSourceRef & { type: Type; uid: string };

type FromPrometheus = Omit<PrometheusQuery, "datasource" | "refId" | "_implementsDataqueryVariant"> & {
  datasource: Source<"prometheus">;
  refId: string;
};

/// No package has the types of this one.
type FromPostgres = Omit<DataQuery, "datasource"> & {
  datasource: Source<"grafana-postgresql-datasource">;
  format: "table" | "time_series";
  rawQuery: true;
  rawSql: string;
};

type Link = { title: string; url: string; targetBlank?: boolean };

type Override = {
  matcher: MatcherConfig & { id: "byName"; options: string };
  properties: ({ id: "links"; value: Link[] } | { id: "unit"; value: string })[];
};

type PanelOf<Type extends string, Options, Custom, Target extends { datasource: unknown }> = Omit<
  Panel,
  "type" | "options" | "fieldConfig" | "targets" | "datasource" | "links"
> & {
  type: Type;
  title: string;
  description: string;
  datasource: Target["datasource"];
  targets: Target[];
  options: Options;
  fieldConfig: { defaults: Omit<FieldConfig, "custom" | "links"> & { custom?: Custom; links?: Link[] }; overrides: Override[] };
  links?: DashboardLink[];
};

type Row = Omit<RowPanel, "panels"> & { panels: [] };

type OnePanel =
  | PanelOf<"stat", stat.Options, never, FromPrometheus>
  | PanelOf<"timeseries", timeseries.Options, timeseries.FieldConfig, FromPrometheus>
  | PanelOf<"table", table.Options, TableFieldOptions, FromPostgres>
  | Row;

export type Dashboard = Json<Omit<AnyDashboard, "panels"> & { uid: string; title: string; panels: OnePanel[] }>;
