"""Hosts, as the node exporter tells of them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.parts import (
    ENDING,
    GREEN,
    NONE_EXPECTED,
    ORANGE,
    RATE,
    RED,
    Query,
    Row,
    board,
    choice,
    graph,
    number,
    states,
)

HOST = 'job="node",zone=~"$zone",host=~"$host"'
DISKS = f'{HOST},fstype!~"tmpfs|ramfs|squashfs|iso9660|overlay"'
"""The same file systems as in the alerts about disks."""


def hosts() -> Dashboard:
    """Return the dashboard of hosts."""
    cards = f'{HOST},device!~"lo|veth.*|docker.*|br-.*"'
    return board(
        "hosts",
        "Hosts",
        "Processor, memory, disks and network of each host, its units and its certificates.",
        [
            Row(
                "Now",
                (
                    number("Hosts", Query(f"count(node_uname_info{{{HOST}}})")),
                    number(
                        "Busiest processor",
                        Query(
                            f'max(1 - avg by (host) (rate(node_cpu_seconds_total{{{HOST},mode="idle"}}{RATE})))'
                        ),
                        unit="percentunit",
                        steps=ENDING,
                    ),
                    number(
                        "Least memory",
                        Query(
                            f"min(node_memory_MemAvailable_bytes{{{HOST}}} / node_memory_MemTotal_bytes{{{HOST}}})"
                        ),
                        unit="percentunit",
                        steps=((None, RED), (0.1, ORANGE), (0.2, GREEN)),
                    ),
                    number(
                        "Least disk",
                        Query(
                            f"min(node_filesystem_avail_bytes{{{DISKS}}} / node_filesystem_size_bytes{{{DISKS}}})"
                        ),
                        unit="percentunit",
                        steps=((None, RED), (0.05, ORANGE), (0.2, GREEN)),
                    ),
                    number(
                        "Failed units",
                        Query(f'sum(node_systemd_unit_state{{{HOST},state="failed"}})'),
                        steps=NONE_EXPECTED,
                    ),
                    number(
                        "First certificate ends",
                        Query(f"min(alicerce_certificate_end_timestamp_seconds{{{HOST}}}) - time()"),
                        unit="s",
                        steps=((None, RED), (3 * 86400, ORANGE), (30 * 86400, GREEN)),
                    ),
                ),
            ),
            Row(
                "Processor and memory",
                (
                    graph(
                        "Processor",
                        Query(
                            f'1 - avg by (host) (rate(node_cpu_seconds_total{{{HOST},mode="idle"}}{RATE}))',
                            "{{host}}",
                        ),
                        unit="percentunit",
                        maximum=1,
                    ),
                    graph(
                        "Load a processor",
                        Query(
                            f'node_load1{{{HOST}}} / on (host) count by (host) (node_cpu_seconds_total{{{HOST},mode="idle"}})',
                            "{{host}}",
                        ),
                        description="Processes that run or wait, on average of a minute.",
                    ),
                    graph(
                        "By kind of work",
                        Query(
                            f'sum by (mode) (rate(node_cpu_seconds_total{{{HOST},mode!="idle"}}{RATE}))',
                            "{{mode}}",
                        ),
                        description="Processors that are busy with it.",
                        stacked=True,
                    ),
                    graph(
                        "Memory in use",
                        Query(
                            f"1 - node_memory_MemAvailable_bytes{{{HOST}}} / node_memory_MemTotal_bytes{{{HOST}}}",
                            "{{host}}",
                        ),
                        unit="percentunit",
                        maximum=1,
                        steps=((None, GREEN), (0.9, RED)),
                    ),
                    graph(
                        "Waiting for memory and disk",
                        Query(
                            f"rate(node_pressure_memory_waiting_seconds_total{{{HOST}}}{RATE})",
                            "{{host}}: memory",
                        ),
                        Query(
                            f"rate(node_pressure_io_waiting_seconds_total{{{HOST}}}{RATE})", "{{host}}: disk"
                        ),
                        unit="percentunit",
                        description="Share of the time in which some process had to wait (the kernel's pressure).",
                    ),
                    graph(
                        "Killed for memory",
                        Query(f"increase(node_vmstat_oom_kill{{{HOST}}}{RATE})", "{{host}}"),
                    ),
                ),
            ),
            Row(
                "Disks",
                (
                    graph(
                        "Full",
                        Query(
                            f"1 - min by (host, device) (node_filesystem_avail_bytes{{{DISKS}}} / node_filesystem_size_bytes{{{DISKS}}})",
                            "{{host}} {{device}}",
                        ),
                        unit="percentunit",
                        maximum=1,
                        steps=((None, GREEN), (0.95, RED)),
                    ),
                    graph(
                        "Inodes",
                        Query(
                            f"1 - min by (host, device) (node_filesystem_files_free{{{DISKS}}} / node_filesystem_files{{{DISKS}}})",
                            "{{host}} {{device}}",
                        ),
                        unit="percentunit",
                        maximum=1,
                    ),
                    graph(
                        "Busy",
                        Query(
                            f"rate(node_disk_io_time_seconds_total{{{HOST}}}{RATE})", "{{host}} {{device}}"
                        ),
                        unit="percentunit",
                    ),
                    graph(
                        "Read",
                        Query(f"rate(node_disk_read_bytes_total{{{HOST}}}{RATE})", "{{host}} {{device}}"),
                        unit="Bps",
                    ),
                    graph(
                        "Written",
                        Query(f"rate(node_disk_written_bytes_total{{{HOST}}}{RATE})", "{{host}} {{device}}"),
                        unit="Bps",
                    ),
                    graph(
                        "Time of a write",
                        Query(
                            f"rate(node_disk_write_time_seconds_total{{{HOST}}}{RATE}) / rate(node_disk_writes_completed_total{{{HOST}}}{RATE})",
                            "{{host}} {{device}}",
                        ),
                        unit="s",
                    ),
                ),
            ),
            Row(
                "Network",
                (
                    graph(
                        "Received",
                        Query(
                            f"rate(node_network_receive_bytes_total{{{cards}}}{RATE})", "{{host}} {{device}}"
                        ),
                        unit="Bps",
                    ),
                    graph(
                        "Sent",
                        Query(
                            f"rate(node_network_transmit_bytes_total{{{cards}}}{RATE})", "{{host}} {{device}}"
                        ),
                        unit="Bps",
                    ),
                    graph(
                        "Dropped and broken",
                        Query(
                            f"sum by (host) (rate(node_network_receive_drop_total{{{cards}}}{RATE}) + rate(node_network_receive_errs_total{{{cards}}}{RATE}))",
                            "{{host}}: received",
                        ),
                        Query(
                            f"sum by (host) (rate(node_network_transmit_drop_total{{{cards}}}{RATE}) + rate(node_network_transmit_errs_total{{{cards}}}{RATE}))",
                            "{{host}}: sent",
                        ),
                        unit="pps",
                    ),
                ),
            ),
            Row(
                "System",
                (
                    states(
                        "Answers",
                        Query(f"max by (host) (up{{{HOST}}})", "{{host}}"),
                        description="Whether the node exporter answers.",
                        yes=("answers", GREEN),
                        no=("silent", RED),
                    ),
                    graph(
                        "Certificates end in",
                        Query(
                            f"alicerce_certificate_end_timestamp_seconds{{{HOST}}} - time()",
                            "{{host}}: {{certificate}}",
                        ),
                        unit="s",
                        span=12,
                    ),
                    graph(
                        "Failed units",
                        Query(
                            f'sum by (host) (node_systemd_unit_state{{{HOST},state="failed"}})', "{{host}}"
                        ),
                    ),
                    graph(
                        "Open files",
                        Query(f"node_filefd_allocated{{{HOST}}} / node_filefd_maximum{{{HOST}}}", "{{host}}"),
                        unit="percentunit",
                        steps=ENDING,
                    ),
                    graph(
                        "Up since", Query(f"time() - node_boot_time_seconds{{{HOST}}}", "{{host}}"), unit="s"
                    ),
                ),
            ),
        ],
        variables=[choice("zone", 'up{job="node"}'), choice("host", 'up{job="node",zone=~"$zone"}')],
    )
