"""One dashboard a store. What a store tells further is one more panel in its function here."""

from __future__ import annotations

from collections.abc import Callable

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.parts import (
    ENDING,
    GREEN,
    NONE_EXPECTED,
    ORANGE,
    RATE,
    RED,
    WHOLE,
    Panel,
    Query,
    Row,
    board,
    graph,
    number,
    share,
    states,
    written_by,
)


def units(*names: str) -> Panel:
    """Return whether a store's units are active, host by host, as systemd says."""
    pattern = "|".join(name.replace(".", "[.]") for name in names)
    return states(
        "Units",
        Query(f'node_systemd_unit_state{{job="node",name=~"{pattern}",state="active"}}', "{{host}} {{name}}"),
        yes=("active", GREEN),
        no=("not active", RED),
    )


def working(unit: str) -> Panel:
    """Return the share of hosts on which a unit is active."""
    return share(
        unit.removesuffix(".service"),
        f'node_systemd_unit_state{{job="node",name="{unit}",state="active"}}',
        "Share of members that run.",
    )


def firing(services: str) -> Panel:
    """Return how many alerts of a store fire; `services` is a pattern of the label."""
    return number(
        "Alerts",
        Query(f'count(ALERTS{{alertstate="firing",service=~"{services}"}}) or vector(0)'),
        steps=NONE_EXPECTED,
    )


def backup(component: str) -> Panel:
    """Return how old the last backup of a component is, whichever member made it."""
    return number(
        "Last backup",
        Query(f'time() - max(alicerce_backup_last_success_timestamp_seconds{{component="{component}"}})'),
        unit="s",
        description="How long ago the last backup succeeded.",
    )


def etcd() -> Dashboard:
    """Return the dashboard of etcd, in which Patroni keeps who leads PostgreSQL."""
    member = 'job="etcd"'
    return board(
        "store-etcd",
        "Store: etcd",
        "PostgreSQL fails over by it: it must have a leader, and write fast.",
        [
            Row(
                "Cluster",
                (
                    share("Members", f"up{{{member}}}"),
                    number(
                        "Members with a leader",
                        Query(f"avg(etcd_server_has_leader{{{member}}})"),
                        unit="percentunit",
                        steps=WHOLE,
                    ),
                    number(
                        "Elections in an hour",
                        Query(f"max(increase(etcd_server_leader_changes_seen_total{{{member}}}[1h]))"),
                        steps=((None, GREEN), (3, ORANGE), (5.5, RED)),
                        decimals=0,
                    ),
                    number(
                        "Database",
                        Query(
                            f"max(etcd_mvcc_db_total_size_in_bytes{{{member}}} / etcd_server_quota_backend_bytes{{{member}}})"
                        ),
                        unit="percentunit",
                        description="Share of the size at which etcd refuses writes.",
                        steps=((None, GREEN), (0.5, ORANGE), (0.8, RED)),
                        decimals=1,
                    ),
                    number(
                        "Proposals pending",
                        Query(f"max(etcd_server_proposals_pending{{{member}}})"),
                        steps=((None, GREEN), (5, ORANGE)),
                    ),
                    firing("etcd"),
                    states(
                        "Leader",
                        Query(f"etcd_server_is_leader{{{member}}}", "{{host}}"),
                        yes=("leads", GREEN),
                        no=("follows", "text"),
                    ),
                    units("etcd.service"),
                ),
            ),
            Row(
                "Disk and network",
                (
                    graph(
                        "Writing the log",
                        Query(
                            f"histogram_quantile(0.99, sum by (le, host) (rate(etcd_disk_wal_fsync_duration_seconds_bucket{{{member}}}{RATE})))",
                            "{{host}}",
                        ),
                        unit="s",
                        description="99% of the calls of fsync are faster. A slow disk costs elections.",
                        steps=((None, GREEN), (0.1, RED)),
                    ),
                    graph(
                        "Writing the database",
                        Query(
                            f"histogram_quantile(0.99, sum by (le, host) (rate(etcd_disk_backend_commit_duration_seconds_bucket{{{member}}}{RATE})))",
                            "{{host}}",
                        ),
                        unit="s",
                        description="99% of the commits are faster.",
                    ),
                    graph(
                        "Between members",
                        Query(
                            f"histogram_quantile(0.99, sum by (le, host) (rate(etcd_network_peer_round_trip_time_seconds_bucket{{{member}}}{RATE})))",
                            "{{host}}",
                        ),
                        unit="s",
                        description="99% of the round trips to the others are faster.",
                    ),
                ),
            ),
            Row(
                "Work",
                (
                    graph(
                        "Proposals",
                        Query(
                            f"sum by (host) (rate(etcd_server_proposals_applied_total{{{member}}}{RATE}))",
                            "{{host}}",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "What went wrong",
                        Query(
                            f"sum(rate(etcd_server_proposals_failed_total{{{member}}}{RATE}))",
                            "proposals failed",
                        ),
                        Query(f"sum(rate(etcd_server_slow_apply_total{{{member}}}{RATE}))", "slow to apply"),
                        Query(
                            f"sum(rate(etcd_server_heartbeat_send_failures_total{{{member}}}{RATE}))",
                            "heartbeats late",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Memory",
                        Query(f"process_resident_memory_bytes{{{member}}}", "{{host}}"),
                        unit="bytes",
                    ),
                ),
            ),
        ],
        logs=written_by("etcd"),
    )


def postgresql() -> Dashboard:
    """Return the dashboard of PostgreSQL, as Patroni and its exporter tell of it."""
    member, server = 'job="patroni"', 'job="postgresql"'
    return board(
        "store-postgresql",
        "Store: PostgreSQL",
        "Who leads, who follows and how far behind, and what the servers do.",
        [
            Row(
                "Cluster",
                (
                    share("Members", f"patroni_postgres_running{{{member}}}"),
                    number(
                        "Primaries",
                        Query(f"sum(patroni_primary{{{member}}})"),
                        steps=((None, RED), (1, GREEN), (2, RED)),
                    ),
                    number(
                        "Synchronous standbys",
                        Query(
                            f"sum(patroni_quorum_standby{{{member}}}) + sum(patroni_sync_standby{{{member}}})"
                        ),
                        description="Without one, writes wait.",
                        steps=((None, RED), (1, GREEN)),
                    ),
                    number(
                        "Timeline",
                        Query(f"max(patroni_postgres_timeline{{{member}}})"),
                        description="Grows by one with each change of the primary.",
                    ),
                    backup("postgresql"),
                    firing("postgresql"),
                    states(
                        "Primary",
                        Query(f"patroni_primary{{{member}}}", "{{host}}"),
                        yes=("primary", GREEN),
                        no=("other", "text"),
                    ),
                    states(
                        "Synchronous",
                        Query(
                            f"patroni_quorum_standby{{{member}}} or patroni_sync_standby{{{member}}}",
                            "{{host}}",
                        ),
                        yes=("standby", GREEN),
                        no=("other", "text"),
                    ),
                ),
            ),
            Row(
                "Replication",
                (
                    graph(
                        "Written",
                        Query(f"max(rate(patroni_xlog_location{{{member}}}{RATE}))", "log of the primary"),
                        unit="Bps",
                    ),
                    graph(
                        "Behind the primary",
                        Query(
                            f"clamp_min(scalar(max(patroni_xlog_location{{{member}}})) - (patroni_xlog_replayed_location{{{member}}}"
                            f" and on (instance) patroni_replica{{{member}}} == 1), 0)",
                            "{{host}}",
                        ),
                        unit="bytes",
                        description="Log that a replica has not replayed yet.",
                    ),
                    graph(
                        "Streaming",
                        Query(
                            f"sum(patroni_postgres_streaming{{{member}}})", "replicas that follow the primary"
                        ),
                    ),
                ),
            ),
            Row(
                "Servers",
                (
                    graph(
                        "Connections",
                        Query(
                            f"sum by (host) (pg_stat_database_numbackends{{{server}}})"
                            f" / on (host) pg_settings_max_connections{{{server}}}",
                            "{{host}}",
                        ),
                        unit="percentunit",
                        description="Share of those that there may be.",
                        steps=ENDING,
                    ),
                    graph(
                        "Transactions",
                        Query(
                            f"sum by (host) (rate(pg_stat_database_xact_commit{{{server}}}{RATE}))",
                            "{{host}} committed",
                        ),
                        Query(
                            f"sum by (host) (rate(pg_stat_database_xact_rollback{{{server}}}{RATE}))",
                            "{{host}} rolled back",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Oldest transaction",
                        Query(
                            f"max by (host) (pg_long_running_transactions_oldest_timestamp_seconds{{{server}}})",
                            "{{host}}",
                        ),
                        unit="s",
                        description="How long it has been open. An old one keeps dead rows from going.",
                    ),
                    graph(
                        "Found in memory",
                        Query(
                            f"sum by (host) (rate(pg_stat_database_blks_hit{{{server}}}{RATE}))"
                            f" / (sum by (host) (rate(pg_stat_database_blks_hit{{{server}}}{RATE}))"
                            f" + sum by (host) (rate(pg_stat_database_blks_read{{{server}}}{RATE})))",
                            "{{host}}",
                        ),
                        unit="percentunit",
                        description="Share of the blocks that need not be read from files.",
                        maximum=1,
                    ),
                    graph(
                        "Size",
                        Query(f"max by (datname) (pg_database_size_bytes{{{server}}})", "{{datname}}"),
                        unit="bytes",
                        stacked=True,
                    ),
                    graph(
                        "Deadlocks and conflicts",
                        Query(
                            f"sum by (host) (rate(pg_stat_database_deadlocks{{{server}}}{RATE}))",
                            "{{host}} deadlocks",
                        ),
                        Query(
                            f"sum by (host) (rate(pg_stat_database_conflicts{{{server}}}{RATE}))",
                            "{{host}} queries that stood in replication's way",
                        ),
                        unit="ops",
                    ),
                ),
            ),
            Row(
                "Patroni",
                (
                    graph(
                        "Silence of etcd",
                        Query(f"time() - patroni_dcs_last_seen{{{member}}}", "{{host}}"),
                        unit="s",
                        description="How long ago Patroni last heard of etcd.",
                    ),
                    graph(
                        "What waits for somebody",
                        Query(
                            f"sum(patroni_pending_restart{{{member}}})",
                            "members with settings that want a restart",
                        ),
                        Query(f"max(patroni_is_paused{{{member}}})", "Patroni is paused"),
                    ),
                    graph(
                        "Age of the server",
                        Query(f"time() - patroni_postmaster_start_time{{{member}}}", "{{host}}"),
                        unit="s",
                    ),
                    units("patroni.service"),
                ),
            ),
        ],
        logs=written_by("patroni"),
    )


def rabbitmq() -> Dashboard:
    """Return the dashboard of RabbitMQ."""
    node, queues = 'job="rabbitmq"', 'job="rabbitmq_queues"'
    return board(
        "store-rabbitmq",
        "Store: RabbitMQ",
        "Queues, what flows through them, and what its nodes have to spare.",
        [
            Row(
                "Cluster",
                (
                    share("Members", f"up{{{node}}}"),
                    number(
                        "Nodes cut off",
                        Query(f"sum(rabbitmq_unreachable_cluster_peers_count{{{node}}})"),
                        steps=NONE_EXPECTED,
                    ),
                    number(
                        "Alarms",
                        Query(
                            f'sum({{__name__=~"rabbitmq_alarms_(memory_used_watermark|free_disk_space_watermark|file_descriptor_limit)",{node}}})'
                        ),
                        description="Short of memory, disk or files: publishers are held back.",
                        steps=NONE_EXPECTED,
                    ),
                    number(
                        "Dead letters",
                        Query(
                            f'sum(max by (queue) (rabbitmq_detailed_queue_messages{{{queues},queue=~".+[.]dead"}}))'
                        ),
                        description="Events that could not be handled.",
                        steps=NONE_EXPECTED,
                    ),
                    backup("rabbitmq"),
                    firing("rabbitmq"),
                ),
            ),
            Row(
                "Queues",
                (
                    graph(
                        "Messages that wait",
                        Query(
                            f"max by (queue) (rabbitmq_detailed_queue_messages_ready{{{queues}}})",
                            "{{queue}}",
                        ),
                    ),
                    graph(
                        "Messages being handled",
                        Query(
                            f"max by (queue) (rabbitmq_detailed_queue_messages_unacked{{{queues}}})",
                            "{{queue}}",
                        ),
                    ),
                    graph(
                        "Consumers",
                        Query(f"max by (queue) (rabbitmq_detailed_queue_consumers{{{queues}}})", "{{queue}}"),
                    ),
                    graph(
                        "Delivered",
                        Query(
                            f"sum by (queue) (rate(rabbitmq_detailed_queue_messages_delivered_ack_total{{{queues}}}{RATE}))",
                            "{{queue}}",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Acknowledged",
                        Query(
                            f"sum by (queue) (rate(rabbitmq_detailed_queue_messages_acked_total{{{queues}}}{RATE}))",
                            "{{queue}}",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Delivered once more",
                        Query(
                            f"sum by (queue) (rate(rabbitmq_detailed_queue_messages_redelivered_total{{{queues}}}{RATE}))",
                            "{{queue}}",
                        ),
                        unit="ops",
                    ),
                ),
            ),
            Row(
                "Publishers",
                (
                    graph(
                        "Published",
                        Query(
                            f"sum(rate(rabbitmq_global_messages_received_total{{{node}}}{RATE}))", "received"
                        ),
                        Query(
                            f"sum(rate(rabbitmq_global_messages_confirmed_total{{{node}}}{RATE}))",
                            "confirmed",
                        ),
                        Query(
                            f"sum(rate(rabbitmq_global_messages_unroutable_returned_total{{{node}}}{RATE}))",
                            "returned, since no queue takes them",
                        ),
                        unit="ops",
                    ),
                    graph("Connections", Query(f"rabbitmq_connections{{{node}}}", "{{host}}")),
                    graph("Channels", Query(f"rabbitmq_channels{{{node}}}", "{{host}}")),
                ),
            ),
            Row(
                "Nodes",
                (
                    graph(
                        "Memory",
                        Query(
                            f"rabbitmq_process_resident_memory_bytes{{{node}}} / rabbitmq_resident_memory_limit_bytes{{{node}}}",
                            "{{host}}",
                        ),
                        unit="percentunit",
                        description="Share of the amount at which publishers are held back.",
                        steps=ENDING,
                    ),
                    graph(
                        "Free disk",
                        Query(f"rabbitmq_disk_space_available_bytes{{{node}}}", "{{host}}"),
                        Query(
                            f"max(rabbitmq_disk_space_available_limit_bytes{{{node}}})",
                            "publishers are held back below",
                        ),
                        unit="bytes",
                    ),
                    graph(
                        "Open files",
                        Query(
                            f"rabbitmq_process_open_fds{{{node}}} / rabbitmq_process_max_fds{{{node}}}",
                            "{{host}}",
                        ),
                        unit="percentunit",
                        steps=ENDING,
                    ),
                    graph(
                        "Raft: not applied yet",
                        Query(
                            f"rabbitmq_raft_log_commit_index{{{node}}} - rabbitmq_raft_log_last_applied_index{{{node}}}",
                            "{{host}}",
                        ),
                        description="Entries that the members of the queues have agreed on and this node has still to apply.",
                        span=12,
                    ),
                    units("rabbitmq-server.service"),
                ),
            ),
        ],
        logs=written_by("rabbitmq-server"),
    )


def mongodb() -> Dashboard:
    """Return the dashboard of MongoDB, as its members tell of themselves."""
    member = 'job="mongodb"'
    applied = f"mongodb_replica_set_applied_timestamp_seconds{{{member}}}"
    return board(
        "store-mongodb",
        "Store: MongoDB",
        "Who is the primary, how far the others are behind, and what the members do.",
        [
            Row(
                "Replica set",
                (
                    share("Members", f"mongodb_up{{{member}}}"),
                    number(
                        "Primaries",
                        Query(f"sum(mongodb_replica_set_state{{{member}}} == bool 1)"),
                        steps=((None, RED), (1, GREEN), (2, RED)),
                    ),
                    number(
                        "Furthest behind",
                        Query(f"max({applied}) - min({applied})"),
                        unit="s",
                        steps=((None, GREEN), (10, ORANGE)),
                    ),
                    working("mongod.service"),
                    backup("mongodb"),
                    firing("mongodb"),
                    states(
                        "Primary",
                        Query(f"mongodb_replica_set_state{{{member}}} == bool 1", "{{host}}"),
                        yes=("primary", GREEN),
                        no=("other", "text"),
                    ),
                    units("mongod.service"),
                ),
            ),
            Row(
                "Work",
                (
                    graph(
                        "Operations",
                        Query(
                            f"sum by (kind) (rate(mongodb_operations_total{{{member}}}{RATE}))", "{{kind}}"
                        ),
                        unit="ops",
                        stacked=True,
                    ),
                    graph(
                        "Mean time of an operation",
                        Query(
                            f"sum by (kind) (rate(mongodb_latency_seconds_total{{{member}}}{RATE}))"
                            f" / sum by (kind) (rate(mongodb_latency_operations_total{{{member}}}{RATE}))",
                            "{{kind}}",
                        ),
                        unit="s",
                    ),
                    graph(
                        "Operations that wait",
                        Query(
                            f"sum by (host, kind) (mongodb_queued_operations{{{member}}})",
                            "{{host}} {{kind}}",
                        ),
                    ),
                    graph(
                        "Behind the others",
                        Query(f"scalar(max({applied})) - {applied}", "{{host}}"),
                        unit="s",
                        description="Time between the last write that any member has and the last one of this member.",
                    ),
                    graph(
                        "Connections",
                        Query(f'mongodb_connections{{{member},state="current"}}', "{{host}}"),
                    ),
                    graph(
                        "Cache",
                        Query(
                            f"mongodb_cache_bytes{{{member}}} / mongodb_cache_max_bytes{{{member}}}",
                            "{{host}} used",
                        ),
                        Query(
                            f"mongodb_cache_dirty_bytes{{{member}}} / mongodb_cache_max_bytes{{{member}}}",
                            "{{host}} not on disk yet",
                        ),
                        unit="percentunit",
                        description="Operations have to make room themselves from 95 % used or 20 % not on disk.",
                    ),
                ),
            ),
        ],
        logs=written_by("mongod"),
    )


def redis() -> Dashboard:
    """Return the dashboard of Redis and Sentinel, and of who does without them."""
    member, sentinel = 'job="redis"', 'job="sentinel"'
    return board(
        "store-redis",
        "Store: Redis",
        "Who is the primary, what the members do, and which services do without them.",
        [
            Row(
                "Primary, replicas and Sentinels",
                (
                    share("Members", f"redis_up{{{member}}}"),
                    number(
                        "Primaries",
                        Query(f'count(redis_instance_info{{{member},role="master"}})'),
                        steps=((None, RED), (1, GREEN), (2, RED)),
                    ),
                    share(
                        "Sentinels in agreement",
                        f"redis_sentinel_master_ckquorum_status{{{sentinel}}}",
                        "Share that reaches enough others to make another primary.",
                    ),
                    working("redis-server.service"),
                    working("redis-sentinel.service"),
                    firing("redis|sentinel"),
                    states(
                        "Replicas that follow",
                        Query(f"min by (host) (redis_master_link_up{{{member}}})", "{{host}}"),
                        yes=("follows", GREEN),
                        no=("does not follow", RED),
                    ),
                    units("redis-server.service", "redis-sentinel.service"),
                ),
            ),
            Row(
                "Work",
                (
                    graph(
                        "Commands",
                        Query(f"sum by (host) (rate(redis_commands_total{{{member}}}{RATE}))", "{{host}}"),
                        unit="ops",
                    ),
                    graph(
                        "Found",
                        Query(
                            f"sum(rate(redis_keyspace_hits_total{{{member}}}{RATE}))"
                            f" / (sum(rate(redis_keyspace_hits_total{{{member}}}{RATE}))"
                            f" + sum(rate(redis_keyspace_misses_total{{{member}}}{RATE})))",
                            "share of the keys that were asked for",
                        ),
                        unit="percentunit",
                        maximum=1,
                    ),
                    graph("Clients", Query(f"redis_connected_clients{{{member}}}", "{{host}}")),
                    graph(
                        "Memory",
                        Query(f"redis_memory_used_bytes{{{member}}}", "{{host}}"),
                        unit="bytes",
                    ),
                    graph(
                        "Keys that went",
                        Query(f"sum(rate(redis_expired_keys_total{{{member}}}{RATE}))", "their time was up"),
                        Query(
                            f"sum(rate(redis_evicted_keys_total{{{member}}}{RATE}))",
                            "there was no room for them",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Behind the primary",
                        Query(
                            f"clamp_min(scalar(max(redis_master_repl_offset{{{member}}}))"
                            f" - max by (host) (redis_slave_repl_offset{{{member}}}), 0)",
                            "{{host}}",
                        ),
                        unit="bytes",
                        description="What the primary has sent and a replica has not received yet.",
                    ),
                ),
            ),
            Row(
                "Services",
                (
                    states(
                        "Circuit breakers",
                        Query(
                            "max by (service, host, breaker) (alicerce_breaker_open)",
                            "{{service}} on {{host}}: {{breaker}}",
                        ),
                        description="Open: the service does without it, until a trial succeeds.",
                        yes=("open", RED),
                        no=("closed", GREEN),
                    ),
                    graph(
                        "Breakers opened",
                        Query(
                            f"sum by (service, breaker) (rate(alicerce_breaker_opened_total{RATE}))",
                            "{{service}}: {{breaker}}",
                        ),
                        unit="ops",
                        span=12,
                    ),
                ),
            ),
        ],
        logs=written_by("redis-server", "redis-sentinel"),
    )


def elasticsearch() -> Dashboard:
    """Return the dashboard of Elasticsearch, which keeps the logs."""
    node = 'job="elasticsearch"'
    heap = f'{node},area="heap"'
    indexed = f"elasticsearch_indices_indexing_index_total{{{node}}}"
    searched = f"elasticsearch_indices_search_query_total{{{node}}}"
    search_time = f"elasticsearch_indices_search_query_time_seconds{{{node}}}"
    retained = "alicerce_elasticsearch_retention"
    shipped = "alicerce_logs"
    disk = (
        f"1 - sum by (host) (elasticsearch_filesystem_data_available_bytes{{{node}}})"
        f" / sum by (host) (elasticsearch_filesystem_data_size_bytes{{{node}}})"
    )
    return board(
        "store-elasticsearch",
        "Store: Elasticsearch",
        "Whether it takes the logs, how many days it keeps, and how much room is left.",
        [
            Row(
                "Cluster",
                (
                    number(
                        "Nodes",
                        Query(f"max(elasticsearch_cluster_health_number_of_nodes{{{node}}})"),
                        steps=((None, RED), (1, GREEN)),
                    ),
                    number(
                        "Shards without a place",
                        Query(f"max(elasticsearch_cluster_health_unassigned_shards{{{node}}})"),
                        steps=NONE_EXPECTED,
                    ),
                    number("Days of logs", Query(f"max({retained}_kept_days)")),
                    working("elasticsearch.service"),
                    number(
                        "Last look for old logs",
                        Query(f"time() - max({retained}_last_success_timestamp_seconds)"),
                        unit="s",
                        steps=((None, GREEN), (7200, ORANGE)),
                    ),
                    firing("elasticsearch"),
                    states(
                        "Health",
                        Query(
                            f'max by (color) (elasticsearch_cluster_health_status{{{node},color=~"green|yellow|red"}})',
                            "{{color}}",
                        ),
                        yes=("yes", "text"),
                        no=("no", "transparent"),
                    ),
                    units("elasticsearch.service"),
                ),
            ),
            Row(
                "Logs",
                (
                    graph("Lines that arrive", Query(f"sum(rate({indexed}{RATE}))", "lines"), unit="cps"),
                    graph("Lines kept", Query(f"sum(elasticsearch_indices_docs{{{node}}})", "lines")),
                    graph(
                        "Size",
                        Query(
                            f"sum by (host) (elasticsearch_indices_store_size_bytes{{{node}}})", "{{host}}"
                        ),
                        unit="bytes",
                    ),
                    graph(
                        "Searches", Query(f"sum by (host) (rate({searched}{RATE}))", "{{host}}"), unit="ops"
                    ),
                    graph(
                        "Mean time of a search",
                        Query(
                            f"sum by (host) (rate({search_time}{RATE})) / sum by (host) (rate({searched}{RATE}))",
                            "{{host}}",
                        ),
                        unit="s",
                    ),
                    graph(
                        "Indices dropped",
                        Query(
                            f"sum by (reason) (increase({retained}_dropped_indices_total[1d]))",
                            "for {{reason}}",
                        ),
                        description="For their age, or because a disk was too full; in a day.",
                    ),
                ),
            ),
            Row(
                "On the way",
                (
                    graph(
                        "Records that hosts send",
                        Query(
                            f"sum by (sender) (rate({shipped}_received_records_total{RATE}))", "{{sender}}"
                        ),
                        unit="cps",
                        stacked=True,
                    ),
                    graph(
                        "Records that wait",
                        Query(f"sum by (host, queue) ({shipped}_queue_records)", "{{host}}: {{queue}}"),
                        description="In rsyslog's queues, in memory and on disk: on each host (ship) and at the receiver.",
                    ),
                    graph(
                        "Records lost or refused",
                        Query(
                            f"sum by (host) (rate({shipped}_discarded_records_total{RATE}))",
                            "{{host}}: thrown away",
                        ),
                        Query(
                            f"sum by (host) (rate({shipped}_unread_records_total{RATE}))",
                            "{{host}}: not read",
                        ),
                        Query(
                            f"sum by (host) (rate({shipped}_refused_records_total{RATE}))",
                            "{{host}}: refused by Elasticsearch",
                        ),
                        unit="cps",
                    ),
                ),
            ),
            Row(
                "Room",
                (
                    graph(
                        "Disk used",
                        Query(disk, "{{host}}"),
                        unit="percentunit",
                        steps=((None, GREEN), (0.85, ORANGE), (0.95, RED)),
                        maximum=1,
                        description="From 85 % on no new index is put there; at 95 % no more lines are taken.",
                    ),
                    graph(
                        "Heap used",
                        Query(
                            f"sum by (host) (elasticsearch_jvm_memory_used_bytes{{{heap}}})"
                            f" / sum by (host) (elasticsearch_jvm_memory_max_bytes{{{heap}}})",
                            "{{host}}",
                        ),
                        unit="percentunit",
                        maximum=1,
                    ),
                    graph(
                        "Time spent on collecting garbage",
                        Query(
                            f"sum by (host) (rate(elasticsearch_jvm_gc_collection_seconds_sum{{{node}}}{RATE}))",
                            "{{host}}",
                        ),
                        unit="percentunit",
                    ),
                    graph(
                        "Work refused",
                        Query(
                            "sum by (host, type) (rate(elasticsearch_thread_pool_rejected_count"
                            f'{{{node},type=~"write|search"}}{RATE}))',
                            "{{host}} {{type}}",
                        ),
                        unit="ops",
                        description="Since its queue was full; who sent it tries again.",
                    ),
                ),
            ),
        ],
        logs=written_by("elasticsearch", "rsyslog"),
    )


def jaeger() -> Dashboard:
    """Return the dashboard of Jaeger, which keeps the traces."""
    one = 'job="jaeger"'

    def spans(kind: str) -> str:
        # Releases differ in the suffix.
        return f'sum by (host) (rate({{{one},__name__=~"otelcol_{kind}_spans(_total)?"}}{RATE}))'

    return board(
        "store-jaeger",
        "Store: Jaeger",
        "Whether it takes the spans that services send, and writes them.",
        [
            Row(
                "Jaeger",
                (
                    share("Jaeger", f"up{{{one}}}"),
                    working("jaeger.service"),
                    number(
                        "Queue",
                        Query(
                            f"max(otelcol_exporter_queue_size{{{one}}} / otelcol_exporter_queue_capacity{{{one}}})"
                        ),
                        unit="percentunit",
                        description="Batches that wait for the disk, of those that may; further ones are lost.",
                        steps=ENDING,
                    ),
                    firing("jaeger"),
                    number("Memory", Query(f"max(otelcol_process_memory_rss_bytes{{{one}}})"), unit="bytes"),
                    number(
                        "Size",
                        Query(
                            f"sum(jaeger_storage_badger_size_bytes_lsm{{{one}}}) + sum(jaeger_storage_badger_size_bytes_vlog{{{one}}})"
                        ),
                        unit="bytes",
                        description="Of keys and values on the disk.",
                    ),
                ),
            ),
            Row(
                "Spans",
                (
                    graph("Spans that arrive", Query(spans("receiver_accepted"), "{{host}}"), unit="cps"),
                    graph(
                        "Spans that Jaeger loses",
                        Query(spans("receiver_refused"), "{{host}}: refused"),
                        Query(spans("receiver_failed"), "{{host}}: failed"),
                        Query(spans("exporter_send_failed"), "{{host}}: not written"),
                        Query(spans("exporter_enqueue_failed"), "{{host}}: no room in the queue"),
                        unit="cps",
                    ),
                    graph(
                        "Spans that services drop",
                        Query(
                            f"sum by (service, reason) (rate(alicerce_spans_dropped_total{RATE}))",
                            "{{service}}: {{reason}}",
                        ),
                        unit="cps",
                    ),
                    graph(
                        "Calls of the store",
                        Query(
                            f"sum by (operation, result) (rate(jaeger_storage_requests_total{{{one}}}{RATE}))",
                            "{{operation}}: {{result}}",
                        ),
                        unit="ops",
                    ),
                ),
            ),
        ],
        logs=written_by("jaeger"),
    )


STORES: dict[str, Callable[[], Dashboard]] = {
    "etcd": etcd,
    "postgresql": postgresql,
    "rabbitmq": rabbitmq,
    "mongodb": mongodb,
    "redis": redis,
    "elasticsearch": elasticsearch,
    "jaeger": jaeger,
}
"""By the group of hosts that are its members."""
