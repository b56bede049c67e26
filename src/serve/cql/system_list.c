/* SPDX-License-Identifier: MIT */
/*
 * The tables of the system keyspaces, as Cassandra 5.0 has them: name, comment, id,
 * gc_grace_seconds, default_time_to_live, and the columns: name and type, then P for partition key,
 * C for clustering and D for descending. Programs ask for some of them by name; the others are
 * there because tools list them.
 */
#include "serve/cql/system_list.h"

const struct system_definition system_definitions[] = {
    {"system", "IndexInfo", "built column indexes", "9f5c6374-d485-3229-9a0a-5094af9ad1e3", 0, 0,
     "table_name text P; index_name text C; value blob"},
    {"system", "available_ranges",
     "available keyspace/ranges during bootstrap/replace that are ready to be served",
     "c539fcab-d65a-31d1-8133-d25605643ee3", 0, 0, "keyspace_name text P; ranges set<blob>"},
    {"system", "available_ranges_v2",
     "available keyspace/ranges during bootstrap/replace that are ready to be served",
     "4224a088-2ac9-3d0c-889d-fbb5f0facda0", 0, 0,
     "keyspace_name text P; full_ranges set<blob>; transient_ranges set<blob>"},
    {"system", "batches", "batches awaiting replay", "919a4bc5-7a33-3573-b03e-13fc3f68b465", 0, 0,
     "id timeuuid P; mutations list<blob>; version int"},
    {"system", "built_views", "built views", "4b3c50a9-ea87-3d76-9101-6dbc9c38494a", 0, 0,
     "keyspace_name text P; view_name text C; status_replicated boolean"},
    {"system", "compaction_history", "week-long compaction history",
     "b4dbb7b4-dc49-3fb5-b3bf-ce6e434832ca", 0, 604800,
     "id timeuuid P; bytes_in bigint; bytes_out bigint; columnfamily_name text; compacted_at "
     "timestamp; compaction_properties frozen<map<text, text>>; keyspace_name text; rows_merged "
     "map<int, bigint>"},
    {"system", "local", "information about the local node", "7ad54392-bcdd-35a6-8417-4e047860b377",
     0, 0,
     "key text P; bootstrapped text; broadcast_address inet; broadcast_port int; cluster_name "
     "text; cql_version text; data_center text; gossip_generation int; host_id uuid; "
     "listen_address inet; listen_port int; native_protocol_version text; partitioner text; rack "
     "text; release_version text; rpc_address inet; rpc_port int; schema_version uuid; tokens "
     "set<text>; truncated_at map<uuid, blob>"},
    {"system", "paxos", "in-progress paxos proposals", "b7b7f0c2-fd0a-3410-8c05-3ef614bb7c2d", 0, 0,
     "row_key blob P; cf_id uuid C; in_progress_ballot timeuuid; in_progress_read_ballot timeuuid; "
     "most_recent_commit blob; most_recent_commit_at timeuuid; most_recent_commit_version int; "
     "proposal blob; proposal_ballot timeuuid; proposal_version int"},
    {"system", "paxos_repair_history", "paxos repair history",
     "ecb86667-40b2-3316-bb91-e612c8047457", 0, 0,
     "keyspace_name text P; table_name text C; points frozen<list<frozen<tuple<blob, timeuuid>>>>"},
    {"system", "peer_events", "events related to peers", "59dfeaea-8db2-3341-91ef-109974d81484", 0,
     0, "peer inet P; hints_dropped map<timeuuid, int>"},
    {"system", "peer_events_v2", "events related to peers", "0e65065f-e401-38ed-9507-b9213fae8d11",
     0, 0, "peer inet P; peer_port int C; hints_dropped map<timeuuid, int>"},
    {"system", "peers", "information about known peers in the cluster",
     "37f71aca-7dc2-383b-a706-72528af04d4f", 0, 0,
     "peer inet P; data_center text; host_id uuid; preferred_ip inet; rack text; release_version "
     "text; rpc_address inet; schema_version uuid; tokens set<text>"},
    {"system", "peers_v2", "information about known peers in the cluster",
     "c4325fbb-8e5e-3baf-bd07-0f9250ed818e", 0, 0,
     "peer inet P; peer_port int C; data_center text; host_id uuid; native_address inet; "
     "native_port int; preferred_ip inet; preferred_port int; rack text; release_version text; "
     "schema_version uuid; tokens set<text>"},
    {"system", "prepared_statements", "prepared statements", "18a9c257-6a0c-3841-ba71-8cd529849fef",
     0, 0, "prepared_id blob P; logged_keyspace text; query_string text"},
    {"system", "repairs", "repairs", "a3d277d1-cfaf-36f5-a2a7-38d5eea9ad6a", 0, 0,
     "parent_id timeuuid P; cfids set<uuid>; coordinator inet; coordinator_port int; last_update "
     "timestamp; participants set<inet>; participants_wp set<text>; ranges set<blob>; repaired_at "
     "timestamp; started_at timestamp; state int"},
    {"system", "size_estimates",
     "per-table primary range size estimates, table is deprecated in favor of table_estimates",
     "618f817b-005f-3678-b8a4-53f3930b8e86", 0, 0,
     "keyspace_name text P; table_name text C; range_start text C; range_end text C; "
     "mean_partition_size bigint; partitions_count bigint"},
    {"system", "sstable_activity", "historic sstable read rates",
     "5a1ff267-ace0-3f12-8563-cfae6103c65e", 0, 0,
     "keyspace_name text P; columnfamily_name text P; generation int P; rate_120m double; rate_15m "
     "double"},
    {"system", "sstable_activity_v2", "historic sstable read rates",
     "62efe31f-3be8-310c-8d29-8963439c1288", 0, 0,
     "keyspace_name text P; table_name text P; id text P; rate_120m double; rate_15m double"},
    {"system", "table_estimates", "per-table range size estimates",
     "176c39cd-b93d-33a5-a218-8eb06a56f66e", 0, 0,
     "keyspace_name text P; table_name text C; range_type text C; range_start text C; range_end "
     "text C; mean_partition_size bigint; partitions_count bigint"},
    {"system", "top_partitions", "Stores the top partitions",
     "7e5a361c-317c-351f-b15f-ffd8afd3dd4b", 0, 0,
     "keyspace_name text P; table_name text C; top_type text C; last_update timestamp; top "
     "frozen<list<frozen<tuple<text, bigint>>>>"},
    {"system", "transferred_ranges", "record of transferred ranges for streaming operation",
     "6cad20f7-d4f5-3af2-b6e2-0da33c6c1f83", 0, 0,
     "operation text P; keyspace_name text P; peer inet C; ranges set<blob>"},
    {"system", "transferred_ranges_v2", "record of transferred ranges for streaming operation",
     "1ff78f1a-7df1-3a2a-a998-6f4932270af5", 0, 0,
     "operation text P; keyspace_name text P; peer inet C; peer_port int C; ranges set<blob>"},
    {"system", "view_builds_in_progress", "views builds current progress",
     "6c22df66-c3bd-3df6-b74d-21179c6a9fe9", 0, 0,
     "keyspace_name text P; view_name text C; start_token text C; end_token text C; keys_built "
     "bigint; last_token text"},
    {"system_auth", "cidr_groups", "cidr groups to cidrs mapping",
     "9c48af00-13f6-3059-bb0e-8fcabba6eecb", 7776000, 0,
     "cidr_group text P; cidrs frozen<set<frozen<tuple<inet, smallint>>>>"},
    {"system_auth", "cidr_permissions", "user cidr permissions",
     "b8b43d5f-d6c0-331c-8f7d-765ea658f4c4", 7776000, 0,
     "role text P; cidr_groups frozen<set<text>>"},
    {"system_auth", "identity_to_role", "mtls authorized identities lookup table",
     "0bd47a48-d6ba-3c8e-b442-0f6349329bda", 7776000, 0, "identity text P; role text"},
    {"system_auth", "network_permissions", "user network permissions",
     "d46780c2-2f1c-3db9-b4c1-b8d9fbc0cc23", 7776000, 0, "role text P; dcs frozen<set<text>>"},
    {"system_auth", "resource_role_permissons_index",
     "index of db roles with permissions granted on a resource",
     "5f2fbdad-91f1-3946-bd25-d5da3a5c35ec", 7776000, 0, "resource text P; role text C"},
    {"system_auth", "role_members", "role memberships lookup table",
     "0ecdaa87-f8fb-3e60-88d1-74fb36fe5c0d", 7776000, 0, "role text P; member text C"},
    {"system_auth", "role_permissions", "permissions granted to db roles",
     "3afbe79f-2194-31a7-add7-f5ab90d8ec9c", 7776000, 0,
     "role text P; resource text C; permissions set<text>"},
    {"system_auth", "roles", "role definitions", "5bc52802-de25-35ed-aeab-188eecebb090", 7776000, 0,
     "role text P; can_login boolean; is_superuser boolean; member_of set<text>; salted_hash text"},
    {"system_distributed", "parent_repair_history", "Repair history",
     "deabd734-b99d-3b9c-92e5-fd92eb5abf14", 864000, 2592000,
     "parent_id timeuuid P; columnfamily_names set<text>; exception_message text; "
     "exception_stacktrace text; finished_at timestamp; keyspace_name text; options map<text, "
     "text>; requested_ranges set<text>; started_at timestamp; successful_ranges set<text>"},
    {"system_distributed", "partition_denylist", "Partition keys which have been denied access",
     "d6123acc-8649-3496-9d4e-f3fe39a6018b", 864000, 0,
     "ks_name text P; table_name text P; key blob C"},
    {"system_distributed", "repair_history", "Repair history",
     "759fffad-624b-3181-80ee-fa9a52d1f627", 864000, 2592000,
     "keyspace_name text P; columnfamily_name text P; id timeuuid C; coordinator inet; "
     "coordinator_port int; exception_message text; exception_stacktrace text; finished_at "
     "timestamp; parent_id timeuuid; participants set<inet>; participants_v2 set<text>; "
     "range_begin text; range_end text; started_at timestamp; status text"},
    {"system_distributed", "view_build_status", "Materialized View build status",
     "5582b59f-8e4e-35e1-b913-3acada51eb04", 864000, 0,
     "keyspace_name text P; view_name text P; host_id uuid C; status text"},
    {"system_schema", "aggregates", "user defined aggregate definitions",
     "924c5587-2e3a-345b-b10c-12f37c1ba895", 604800, 0,
     "keyspace_name text P; aggregate_name text C; argument_types frozen<list<text>> C; final_func "
     "text; initcond text; return_type text; state_func text; state_type text"},
    {"system_schema", "column_masks", "column dynamic data masks",
     "738cc5ed-0168-3268-b9d1-853d4bc278af", 604800, 0,
     "keyspace_name text P; table_name text C; column_name text C; function_argument_nulls "
     "frozen<list<boolean>>; function_argument_types frozen<list<text>>; function_argument_values "
     "frozen<list<text>>; function_keyspace text; function_name text"},
    {"system_schema", "columns", "column definitions", "24101c25-a2ae-3af7-87c1-b40ee1aca33f",
     604800, 0,
     "keyspace_name text P; table_name text C; column_name text C; clustering_order text; "
     "column_name_bytes blob; kind text; position int; type text"},
    {"system_schema", "dropped_columns", "dropped column registry",
     "5e7583b5-f3f4-3af1-9a39-b7e1d6f5f11f", 604800, 0,
     "keyspace_name text P; table_name text C; column_name text C; dropped_time timestamp; kind "
     "text; type text"},
    {"system_schema", "functions", "user defined function definitions",
     "96489b79-80be-3e14-a701-66a0b9159450", 604800, 0,
     "keyspace_name text P; function_name text C; argument_types frozen<list<text>> C; "
     "argument_names frozen<list<text>>; body text; called_on_null_input boolean; language text; "
     "return_type text"},
    {"system_schema", "indexes", "secondary index definitions",
     "0feb57ac-311f-382f-ba6d-9024d305702f", 604800, 0,
     "keyspace_name text P; table_name text C; index_name text C; kind text; options "
     "frozen<map<text, text>>"},
    {"system_schema", "keyspaces", "keyspace definitions", "abac5682-dea6-31c5-b535-b3d6cffd0fb6",
     604800, 0,
     "keyspace_name text P; durable_writes boolean; replication frozen<map<text, text>>"},
    {"system_schema", "tables", "table definitions", "afddfb9d-bc1e-3068-8056-eed6c302ba09", 604800,
     0,
     "keyspace_name text P; table_name text C; additional_write_policy text; allow_auto_snapshot "
     "boolean; bloom_filter_fp_chance double; caching frozen<map<text, text>>; cdc boolean; "
     "comment text; compaction frozen<map<text, text>>; compression frozen<map<text, text>>; "
     "crc_check_chance double; dclocal_read_repair_chance double; default_time_to_live int; "
     "extensions frozen<map<text, blob>>; flags frozen<set<text>>; gc_grace_seconds int; id uuid; "
     "incremental_backups boolean; max_index_interval int; memtable text; "
     "memtable_flush_period_in_ms int; min_index_interval int; read_repair text; "
     "read_repair_chance double; speculative_retry text"},
    {"system_schema", "triggers", "trigger definitions", "4df70b66-6b05-3251-95a1-32b54005fd48",
     604800, 0,
     "keyspace_name text P; table_name text C; trigger_name text C; options frozen<map<text, "
     "text>>"},
    {"system_schema", "types", "user defined type definitions",
     "5a8b1ca8-6602-3f77-a045-9273d308917a", 604800, 0,
     "keyspace_name text P; type_name text C; field_names frozen<list<text>>; field_types "
     "frozen<list<text>>"},
    {"system_schema", "views", "view definitions", "9786ac1c-dd58-3201-a7cd-ad556410c985", 604800,
     0,
     "keyspace_name text P; view_name text C; additional_write_policy text; allow_auto_snapshot "
     "boolean; base_table_id uuid; base_table_name text; bloom_filter_fp_chance double; caching "
     "frozen<map<text, text>>; cdc boolean; comment text; compaction frozen<map<text, text>>; "
     "compression frozen<map<text, text>>; crc_check_chance double; dclocal_read_repair_chance "
     "double; default_time_to_live int; extensions frozen<map<text, blob>>; gc_grace_seconds int; "
     "id uuid; include_all_columns boolean; incremental_backups boolean; max_index_interval int; "
     "memtable text; memtable_flush_period_in_ms int; min_index_interval int; read_repair text; "
     "read_repair_chance double; speculative_retry text; where_clause text"},
    {"system_traces", "events", "tracing events", "8826e8e9-e16a-3728-8753-3bc1fc713c25", 0, 0,
     "session_id uuid P; event_id timeuuid C; activity text; source inet; source_elapsed int; "
     "source_port int; thread text"},
    {"system_traces", "sessions", "tracing sessions", "c5e99f16-8677-3914-b17e-960613512345", 0, 0,
     "session_id uuid P; client inet; command text; coordinator inet; coordinator_port int; "
     "duration int; parameters map<text, text>; request text; started_at timestamp"},
    {"system_views", "clients", "currently connected clients", "", 0, 0,
     "address inet P; port int C; client_options frozen<map<text, text>>; connection_stage text; "
     "driver_name text; driver_version text; hostname text; keyspace_name text; protocol_version "
     "int; request_count bigint; ssl_cipher_suite text; ssl_enabled boolean; ssl_protocol text; "
     "username text"},
    {"system_virtual_schema", "columns", "virtual column definitions", "", 0, 0,
     "keyspace_name text P; table_name text C; column_name text C; clustering_order text; "
     "column_name_bytes blob; kind text; position int; type text"},
    {"system_virtual_schema", "keyspaces", "virtual keyspace definitions", "", 0, 0,
     "keyspace_name text P"},
    {"system_virtual_schema", "tables", "virtual table definitions", "", 0, 0,
     "keyspace_name text P; table_name text C; comment text"},
};
const size_t system_definition_count = sizeof(system_definitions) / sizeof(system_definitions[0]);
