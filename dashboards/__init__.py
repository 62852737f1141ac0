"""Grafana's dashboards as typed code; `scripts/grafana_dashboards` writes them as JSON (docs/dashboards.md)."""

import warnings

# It speaks for a form that only Grafana 13 reads, where every version reads the one used here.
warnings.filterwarnings("ignore", message="Prefer using dashboardv2", category=DeprecationWarning)
