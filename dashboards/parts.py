"""The parts of which every dashboard is made: queries, panels, variables, and the board itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import prometheus as models

METRICS = common.DataSourceRef(type_val="prometheus", uid="prometheus")
LOGS = common.DataSourceRef(type_val="elasticsearch", uid="elasticsearch")
TRACES = common.DataSourceRef(type_val="jaeger", uid="jaeger")
"""The data sources; roles/grafana provisions them under these uids. Panels ask the first, and lead to the others."""
TAG = "alicerce"
"""All dashboards have it, and the menu of each leads to all others with it."""
GREEN, ORANGE, RED = "green", "orange", "red"
GRID = 24
"""Columns of a dashboard."""

RATE = "[$__rate_interval]"
"""What a rate is taken over: as much as the graph's steps need."""

Steps = Sequence[tuple[float | None, str]]
"""Colours from a value on; the first one has no value."""

WHOLE: Steps = ((None, RED), (0.5, ORANGE), (1, GREEN))
"""For a share of members: without a majority, with one, and all."""
NONE_EXPECTED: Steps = ((None, GREEN), (1, RED))
ENDING: Steps = ((None, GREEN), (0.8, ORANGE), (0.9, RED))
"""For the share of something limited that is used."""

Panel = Builder[dashboard.Panel]
Variable = Builder[dashboard.VariableModel]


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and the name of what it finds: text with `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Row:
    """Panels under one title."""

    title: str
    panels: tuple[Panel, ...]


def targets(
    queries: Iterable[Query], *, instant: bool = False, as_table: bool = False
) -> list[prometheus.Dataquery]:
    """Return the queries of one panel."""
    made = []
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        target = prometheus.Dataquery().ref_id(letter).expr(" ".join(query.expr.split())).datasource(METRICS)
        target = (target.instant() if instant else target.range()).legend_format(query.legend or "__auto")
        made.append(target.format(models.PromQueryFormat.TABLE) if as_table else target)
    return made


def thresholds(steps: Steps) -> boards.ThresholdsConfig:
    """Return what colours a panel."""
    return (
        boards.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=color) for value, color in steps])
    )


def graph(
    title: str,
    *queries: Query,
    unit: str = "short",
    description: str = "",
    steps: Steps = (),
    maximum: float | None = None,
    stacked: bool = False,
    span: int = 8,
) -> Panel:
    """Return values over time. `unit` is one of Grafana's; `steps` are drawn as lines."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(METRICS)
        .span(span)
        .height(8)
        .unit(unit)
        .min(0)
        .fill_opacity(30 if stacked else 8)
        .line_width(1)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            options.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            options.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    for target in targets(queries):
        panel = panel.with_target(target)
    if maximum is not None:
        panel = panel.max(maximum)
    if stacked:
        panel = panel.stacking(options.StackingConfig().mode(common.StackingMode.NORMAL))
    if steps:
        style = options.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(steps)).thresholds_style(style)
    return panel


def number(
    title: str,
    *queries: Query,
    unit: str = "short",
    description: str = "",
    steps: Steps = ((None, GREEN),),
    decimals: int | None = None,
    course: bool = True,
    span: int = 4,
    height: int = 4,
) -> Panel:
    """Return values of now, each with its course behind it, unless that would be too dear to be asked for."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(METRICS)
        .span(span)
        .height(height)
        .unit(unit)
        .no_value("none")
        .thresholds(thresholds(steps))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.AREA if course else common.BigValueGraphMode.NONE)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for target in targets(queries, instant=not course):
        panel = panel.with_target(target)
    return panel if decimals is None else panel.decimals(decimals)


def share(title: str, metric: str, description: str = "Share that answers.") -> Panel:
    """Return the share of members of which a metric says 1."""
    return number(title, Query(f"avg({metric})"), unit="percentunit", description=description, steps=WHOLE)


def states(
    title: str,
    *queries: Query,
    description: str = "",
    yes: tuple[str, str] = ("yes", GREEN),
    no: tuple[str, str] = ("no", RED),
    span: int = 12,
) -> Panel:
    """Return what was so (1) and what was not (0) over time, a line each; `yes` and `no` have their word and colour."""
    words = {"1": yes, "0": no}
    mapping = dashboard.ValueMap(
        {
            value: dashboard.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(words.items())
        }
    )
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(METRICS)
        .span(span)
        .height(8)
        .mappings([mapping])
        .show_value(common.VisibilityMode.NEVER)
        .fill_opacity(80)
        .legend(
            options.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for target in targets(queries):
        panel = panel.with_target(target)
    return panel


def listing(
    title: str, query: Query, columns: Sequence[str], *, description: str = "", span: int = GRID
) -> Panel:
    """Return what a query finds now as a table of some of its labels."""
    keep = dashboard.DataTransformerConfig(
        id_val="filterFieldsByName", options={"include": {"names": list(columns)}}
    )
    order = dashboard.DataTransformerConfig(
        id_val="organize", options={"indexByName": {name: place for place, name in enumerate(columns)}}
    )
    panel = table.Panel().title(title).description(description).datasource(METRICS).span(span).height(10)
    for target in targets([query], instant=True, as_table=True):
        panel = panel.with_target(target)
    return panel.with_transformation(keep).with_transformation(order)


def choice(name: str, metric: str, *, label: str = "") -> Variable:
    """Return a variable with the values of the label of its name, several of which may be chosen.

    Expressions use it as `label=~"$name"`.
    """
    return (
        boards.QueryVariable(name)
        .label(label or name.capitalize())
        .query({"query": f"label_values({metric}, {name})", "refId": name})
        .datasource(METRICS)
        .multi(True)
        .include_all(True)
        .current(dashboard.VariableOption(text="All", value="$__all", selected=True))
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.NATURAL_ASC)
    )


def deployments(matchers: str = "") -> boards.AnnotationQuery:
    """Return a mark in all graphs for the first five minutes of a release that was not there before."""
    releases = f"count by (job, release) (alicerce_release_info{{{matchers}}}"
    return (
        boards.AnnotationQuery()
        .name("Deployments")
        .datasource(METRICS)
        .enable(True)
        .icon_color("blue")
        .expr(f"{releases}) unless {releases} offset 5m)")
        .step("60s")
        .title_format("{{job}}: {{release}}")
    )


class DataLink(dashboard.DashboardLink):
    """A link of a panel's values, which has less to say than one of a whole dashboard."""

    def to_json(self) -> dict[str, object]:
        """Return what Grafana knows of it."""
        return {"title": self.title, "url": self.url, "targetBlank": self.target_blank}


def explore(title: str, source: common.DataSourceRef, query: Mapping[str, object]) -> DataLink:
    """Return a link that asks a data source for the time that is on the screen."""
    asked = {"refId": "A", "datasource": {"type": source.type_val, "uid": source.uid}, **query}
    window = {"from": "${__from}", "to": "${__to}"}
    panes = json.dumps({"A": {"datasource": source.uid, "queries": [asked], "range": window}})
    # Grafana's variables stay as they are: it fills them in.
    parts = re.split(r"(\$\{[^}]+\})", panes)
    address = "".join(part if part.startswith("${") else quote(part, safe="") for part in parts)
    return DataLink(title, url=f"/explore?schemaVersion=1&orgId=1&panes={address}", target_blank=True)


def links(legends: Sequence[str], logs: str, traces: str) -> list[dashboard.DashboardLink]:
    """Return what leads from a panel to logs and traces: of the board's, or of what a series names."""

    def named(label: str) -> bool:
        return bool(legends) and all(f"{{{{{label}}}}}" in legend for legend in legends)

    clauses = [logs] if logs else []
    for label in ("service", "proxy"):
        if named(label):
            traces = f"${{__field.labels.{label}}}"
            clauses = [f'service:"{traces}"']
    clauses += [f'{label}:"${{__field.labels.{label}}}"' for label in ("zone", "host") if named(label)]
    made: list[dashboard.DashboardLink] = []
    if clauses:
        query = {
            "query": " AND ".join(clauses),
            "metrics": [{"id": "1", "type": "logs"}],
            "bucketAggs": [],
            "timeField": "@timestamp",
        }
        made.append(explore("Logs", LOGS, query))
    if traces:
        made.append(explore("Traces", TRACES, {"queryType": "search", "service": traces, "limit": 20}))
    return made


def written_by(*services: str) -> str:
    """Return the query for logs of services, as docs/logs.md names them."""
    return f"service:({' OR '.join(services)})"


def board(
    uid: str,
    title: str,
    description: str,
    rows: Iterable[Row],
    *,
    variables: Iterable[Variable] = (),
    annotations: Iterable[boards.AnnotationQuery] = (),
    logs: str = "",
    traces: str = "",
) -> dashboard.Dashboard:
    """Return a dashboard. Its address is /d/`TAG`-`uid`, as long as the uid stays.

    Its panels lead to what `logs` finds, a query in Lucene's words, and to the traces of the service `traces`.
    """
    menu = (
        boards.DashboardLink("Dashboards")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .keep_time(True)
        .include_vars(True)
    )
    made = (
        boards.Dashboard(title)
        .uid(f"{TAG}-{uid}")
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .link(menu)
    )
    for variable in variables:
        made = made.with_variable(variable)
    for annotation in annotations:
        made = made.annotation(annotation)
    for row in rows:
        made = made.with_row(boards.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(panel)
    built = made.build()
    lay_out(built.panels or [])
    for item in built.panels or []:
        if isinstance(item, dashboard.Panel) and item.field_config and item.type_val != "table":
            legends = [target.legend_format or "" for target in asked(item)]
            item.field_config.defaults.links = links(legends, logs, traces) or None
    # In plain sight, as every version of Grafana shows them, and not in a menu of newer ones.
    for link in built.links or []:
        link.placement = None  # type: ignore[assignment]
    for mark in built.annotations.list_val or []:
        mark.placement = None  # type: ignore[assignment]
    return built


def asked(panel: dashboard.Panel) -> list[models.Dataquery]:
    """Return a panel's queries."""
    return [target for target in panel.targets or [] if isinstance(target, models.Dataquery)]


def lay_out(items: Iterable[dashboard.Panel | dashboard.RowPanel]) -> None:
    """Give panels their places, line by line within each row, and numbers that links to one panel can name."""
    x = y = line = 0
    for number_of, item in enumerate(items, start=1):
        item.id_val = number_of
        width, height = (item.grid_pos.w, item.grid_pos.h) if item.grid_pos else (GRID, 1)
        if isinstance(item, dashboard.RowPanel) or x + width > GRID:
            x, y, line = 0, y + line, 0
        item.grid_pos = dashboard.GridPos(x=x, y=y, w=width, h=height)
        x, line = x + width, max(line, height)
