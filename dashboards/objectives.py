"""What is left of a service's objectives, by the recording rules of roles/prometheus/templates/rules/availability.yml.j2."""

WINDOW = "30d"
"""What objectives are about; Prometheus may remember less (prometheus_retention), and then it is that."""
KEPT = "Over thirty days, or as long as Prometheus remembers. Below zero the objective is missed."


def failing(matchers: str) -> str:
    """Return the share of requests that fail, or are late."""
    return f"service:slo_failures:rate5m{{{matchers}}} / service:slo_requests:rate5m{{{matchers}}}"


def burning(matchers: str, window: str) -> str:
    """Return how many times faster than allowed the budget is used up."""
    return (
        f"sum_over_time(service:slo_failures:rate5m{{{matchers}}}[{window}])"
        f" / sum_over_time(service:slo_requests:rate5m{{{matchers}}}[{window}])"
        f" / (1 - service:slo_objective:ratio{{{matchers}}})"
    )


def left(matchers: str) -> str:
    """Return the share of the allowed failures that is not used up."""
    return f"1 - {burning(matchers, WINDOW)}"
