#include <filesystem>

#include "base/time_text.h"
#include "cli/frame_file.h"
#include "cli/output.h"
#include "cli/session.h"

namespace tercet {
namespace {

/// Options of all group commands; they live as long as the commands do.
struct GroupOptions {
  std::string group, file, mode = "upsert", idempotency_key, as_of, start, end, output;
  std::string source, table, event_time, ttl, description;
  std::vector<std::string> primary_key, columns;
  int64_t since = -1, until = -1, limit = 20;
  bool online = false, wait_online = false;
  std::string retention, type, default_value;
  std::vector<std::string> properties, embeddings;
  bool dry_run = false, history = false;
};

void PrintCommits(const Session& session, const std::vector<Commit>& commits) {
  if (session.json) {
    json::array array;
    for (const Commit& commit : commits) array.push_back(commit.ToJson());
    return PrintJson(array);
  }
  std::vector<std::vector<std::string>> rows;
  for (const Commit& commit : commits) {
    rows.push_back({std::to_string(commit.version), FormatTime(commit.commit_time_us),
                    commit.operation + (commit.already_applied ? " (already applied)" : ""),
                    std::to_string(commit.rows_inserted), std::to_string(commit.rows_updated),
                    std::to_string(commit.rows_deleted)});
  }
  PrintTable({"commit", "commit time", "operation", "inserted", "updated", "deleted"}, rows);
}

Status List(const Session& session, Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto groups, platform->ListFeatureGroups());
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const FeatureGroupDefinition& group : groups) {
    array.push_back(group.ToJson());
    std::string key;
    for (const std::string& column : group.primary_key) key += (key.empty() ? "" : ", ") + column;
    rows.push_back({group.name, std::to_string(group.version), key, group.event_time,
                    group.ttl_us ? FormatDuration(*group.ttl_us) : "", group.online ? "yes" : "",
                    group.description});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"group", "version", "primary key", "event time", "ttl", "online", "description"},
               rows);
  }
  return Status::OK();
}

Status Show(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  ARROW_ASSIGN_OR_RAISE(const auto group, platform->GetFeatureGroup(ref));
  ARROW_ASSIGN_OR_RAISE(const json::object facts, platform->DescribeFeatureGroup(ref));
  json::object shown = group.ToJson();
  for (const auto& member : facts) shown[member.key()] = member.value();
  shown["version"] = group.version;
  if (const auto commit = facts.if_contains("version")) shown["commit"] = *commit;
  if (session.json) {
    PrintJson(shown);
  } else {
    shown.stable_erase("schema");
    if (group.ttl_us) shown["ttl"] = FormatDuration(*group.ttl_us);
    shown.stable_erase("ttl_us");
    PrintMembers(shown);
    if (group.schema != nullptr) {
      std::vector<std::vector<std::string>> rows;
      for (const auto& field : group.schema->fields()) {
        rows.push_back({field->name(), field->type()->ToString()});
      }
      PrintTable({"\ncolumn", "type"}, rows);
    }
  }
  return Status::OK();
}

/// "parquet:/data/*.parquet". Files are named as whoever opens the project later finds them.
Result<DataSource> SourceOf(const GroupOptions& options) {
  const size_t colon = options.source.find(':');
  if (colon == std::string::npos) {
    return Status::Invalid("a source is KIND:LOCATION, as parquet:weather.parquet, not '",
                           options.source, "'");
  }
  DataSource source{.kind = options.source.substr(0, colon),
                    .location = options.source.substr(colon + 1),
                    .table = options.table};
  ARROW_RETURN_NOT_OK(source.Check());
  if (source.kind != "postgres") {
    source.location = std::filesystem::absolute(source.location).lexically_normal().string();
  }
  return source;
}

/// "COLUMN=METRIC", or "COLUMN=METRIC:DIMENSION"; "COLUMN=", which takes one away, is nullopt.
Result<std::pair<std::string, std::optional<EmbeddingDefinition>>> EmbeddingOf(
    const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Status::Invalid("an embedding must be COLUMN=METRIC or COLUMN=METRIC:DIMENSION, not '",
                           text, "'");
  }
  const std::string column = text.substr(0, equals), rest = text.substr(equals + 1);
  if (rest.empty()) return std::pair(column, std::optional<EmbeddingDefinition>());
  EmbeddingDefinition embedding;
  const size_t colon = rest.find(':');
  ARROW_ASSIGN_OR_RAISE(embedding.metric, VectorMetricFromName(rest.substr(0, colon)));
  if (colon != std::string::npos) {
    char* end = nullptr;
    embedding.dimension = std::strtoll(rest.c_str() + colon + 1, &end, 10);
    if (*end != '\0') return Status::Invalid("'", rest.substr(colon + 1), "' is no dimension");
  }
  return std::pair(column, std::optional(embedding));
}

Status Create(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  FeatureGroupDefinition definition;
  definition.name = ref.name;
  definition.version = ref.version == 0 ? 1 : ref.version;
  definition.primary_key = options.primary_key;
  definition.event_time = options.event_time;
  definition.online = options.online;
  if (!options.source.empty()) {
    ARROW_ASSIGN_OR_RAISE(definition.source, SourceOf(options));
  }
  definition.description = options.description;
  for (const std::string& text : options.embeddings) {
    ARROW_ASSIGN_OR_RAISE(const auto embedding, EmbeddingOf(text));
    if (embedding.second) definition.embeddings[embedding.first] = *embedding.second;
  }
  if (!options.ttl.empty()) {
    ARROW_ASSIGN_OR_RAISE(definition.ttl_us, ParseDuration(options.ttl));
  }
  ARROW_ASSIGN_OR_RAISE(const auto created, platform->DefineFeatureGroup(definition));
  if (session.json) {
    PrintJson(created.ToJson());
  } else {
    std::cout << "feature group '" << created.ref().ToText() << "'\n";
  }
  return Status::OK();
}

Status Insert(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  ARROW_ASSIGN_OR_RAISE(const InsertMode mode, InsertModeFromName(options.mode));
  ARROW_ASSIGN_OR_RAISE(const Frame rows, ReadFrameFile(options.file));
  ARROW_ASSIGN_OR_RAISE(
      const Commit commit,
      platform->Insert(ref, std::make_shared<arrow::TableBatchReader>(rows),
                       {.mode = mode,
                        .idempotency_key = options.idempotency_key,
                        .wait_online = options.wait_online}));
  PrintCommits(session, {commit});
  return Status::OK();
}

Status Delete(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  ARROW_ASSIGN_OR_RAISE(const Frame keys, ReadFrameFile(options.file));
  ARROW_ASSIGN_OR_RAISE(const Commit commit,
                        platform->Delete(ref, std::make_shared<arrow::TableBatchReader>(keys),
                                         options.wait_online));
  PrintCommits(session, {commit});
  return Status::OK();
}

Status Vacuum(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  VacuumRequest request{.dry_run = options.dry_run};
  if (!options.retention.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.retention_us, ParseDuration(options.retention));
  }
  ARROW_ASSIGN_OR_RAISE(const VacuumReport report, platform->Vacuum(ref, request));
  if (session.json) {
    PrintJson(report.ToJson());
    return Status::OK();
  }
  for (const std::string& file : report.files) std::cout << file << "\n";
  std::cerr << report.files.size() << " files of " << report.bytes << " bytes and "
            << report.log_files << " log files " << (report.dry_run ? "would go" : "removed")
            << "; commits from " << report.oldest_version << " are in the log, "
            << report.pinned.size() << " are pinned\n";
  return Status::OK();
}

/// "NAME=TEXT" sets a property, "NAME=" takes it away.
Status ReadProperties(const std::vector<std::string>& texts, FeatureGroupChange* change) {
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::Invalid("a property must be NAME=TEXT, not '", text, "'");
    }
    std::optional<std::string>& value = change->properties[text.substr(0, equals)];
    if (equals + 1 < text.size()) value = text.substr(equals + 1);
  }
  return Status::OK();
}

Status PrintAltered(const Session& session, Platform* platform, const Ref& ref,
                    const FeatureGroupChange& change) {
  ARROW_ASSIGN_OR_RAISE(const auto altered, platform->AlterFeatureGroup(ref, change));
  if (session.json) {
    PrintJson(altered.ToJson());
  } else {
    std::cout << "feature group '" << altered.ref().ToText() << "'\n";
  }
  return Status::OK();
}

Status Alter(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  FeatureGroupChange change;
  if (!options.description.empty()) change.description = options.description;
  if (!options.ttl.empty()) {
    change.change_ttl = true;
    if (options.ttl != "none") {
      ARROW_ASSIGN_OR_RAISE(change.ttl_us, ParseDuration(options.ttl));
    }
  }
  if (options.history) change.history = true;
  ARROW_RETURN_NOT_OK(ReadProperties(options.properties, &change));
  for (const std::string& text : options.embeddings) {
    ARROW_ASSIGN_OR_RAISE(const auto embedding, EmbeddingOf(text));
    change.embeddings[embedding.first] = embedding.second;
  }
  return PrintAltered(session, platform, ref, change);
}

Status AddFeature(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  FeatureGroupChange::NewFeature feature{.name = options.file};
  ARROW_ASSIGN_OR_RAISE(feature.type, TypeFromText(options.type));
  if (!options.default_value.empty()) {
    // A number or true is one; what is no JSON is meant as text.
    const Result<json::value> value = ParseJson(options.default_value);
    feature.default_value = value.ok() ? *value : json::value(options.default_value);
  }
  FeatureGroupChange change;
  change.add.push_back(std::move(feature));
  return PrintAltered(session, platform, ref, change);
}

Status Widen(const Session& session, Platform* platform, const GroupOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(options.group));
  FeatureGroupChange change;
  ARROW_ASSIGN_OR_RAISE(auto type, TypeFromText(options.type));
  change.widen.push_back(arrow::field(options.file, std::move(type)));
  return PrintAltered(session, platform, ref, change);
}

Status Erase(const Session& session, Platform* platform, const GroupOptions& options) {
  std::optional<Ref> group;
  if (options.group != "all") {
    ARROW_ASSIGN_OR_RAISE(group, Ref::Parse(options.group));
  }
  ARROW_ASSIGN_OR_RAISE(const Frame keys, ReadFrameFile(options.file));
  ARROW_ASSIGN_OR_RAISE(
      const ErasureReport report,
      platform->Erase(group, std::make_shared<arrow::TableBatchReader>(keys)));
  if (session.json) {
    PrintJson(report.ToJson());
    return Status::OK();
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, erased] : report.groups) {
    rows.push_back({name, std::to_string(erased.rows), std::to_string(erased.files),
                    std::to_string(erased.lost_versions.size())});
  }
  PrintTable({"group", "rows", "files removed", "commits lost"}, rows);
  for (const std::string& dataset : report.lost_datasets) {
    std::cout << "training dataset '" << dataset << "' can no longer be rebuilt\n";
  }
  for (const std::string& model : report.models) {
    std::cout << "model '" << model << "' has learned from such a dataset\n";
  }
  return Status::OK();
}

/// "7" is a commit, anything else a commit time.
Result<ReadRequest> RequestOf(const GroupOptions& options) {
  ReadRequest request;
  request.columns = options.columns;
  if (!options.as_of.empty() &&
      options.as_of.find_first_not_of("0123456789") == std::string::npos) {
    request.version = std::strtoll(options.as_of.c_str(), nullptr, 10);
  } else {
    ARROW_ASSIGN_OR_RAISE(request.as_of_us, TimeOption(options.as_of));
  }
  ARROW_ASSIGN_OR_RAISE(request.start_us, TimeOption(options.start));
  ARROW_ASSIGN_OR_RAISE(request.end_us, TimeOption(options.end));
  return request;
}

void AddReadOptions(CLI::App* command, GroupOptions* options) {
  command->add_option("--columns", options->columns, "Only these columns")->delimiter(',');
  command->add_option("--as-of", options->as_of, "A commit, or a commit time");
  command->add_option("--start", options->start, "Event time at or after this");
  command->add_option("--end", options->end, "Event time before this");
}

void AddOutputOptions(CLI::App* command, GroupOptions* options) {
  command->add_option("-o,--output", options->output, "Write a .parquet, .csv or .arrow file")
      ->check(FrameFileSlip);
  command->add_option("--limit", options->limit, "Rows to print")->capture_default_str();
}

}  // namespace

void AddFeatureGroupCommands(CLI::App* app, Session* session) {
  CLI::App* groups = app->add_subcommand("groups", "Feature groups: tables of features");
  groups->require_subcommand(1);
  auto options = std::make_shared<GroupOptions>();
  const auto add = [&](const char* name, const char* description,
                       Status (*work)(const Session&, Platform*, const GroupOptions&)) {
    CLI::App* command = groups->add_subcommand(name, description);
    command->add_option("group", options->group, "NAME or NAME@VERSION")->required();
    OnRun(command, session,
          [=](Platform* platform) { return work(*session, platform, *options); });
    return command;
  };

  OnRun(groups->add_subcommand("list", "All feature groups"), session,
        [=](Platform* platform) { return List(*session, platform); });
  add("show", "Definition, schema, rows and commits of a group", &Show);

  CLI::App* create = add("create", "Creates a group, or checks that it is defined so", &Create);
  create->add_option("--primary-key", options->primary_key, "Columns")->delimiter(',')->required();
  create->add_option("--event-time", options->event_time, "Column that says when a row was true");
  create->add_option("--source", options->source,
                     "KIND:LOCATION of an external group's rows, as parquet:/data/*.parquet");
  create->add_option("--table", options->table, "Of a source that is a database");
  create->add_option("--ttl", options->ttl, "Age past which a row is not seen, as 3h or 7d");
  create->add_option("--description", options->description, "What it is");
  create->add_flag("--online", options->online, "Serve the newest rows at low latency, too");
  create->add_option("--embedding", options->embeddings,
                     "COLUMN=METRIC[:DIMENSION] of vectors to find neighbours in: cosine, l2 or "
                     "inner_product");

  CLI::App* insert = add("insert", "Writes the rows of a file as one commit", &Insert);
  insert->add_option("file", options->file, ".parquet, .csv or .arrow")->required();
  insert->add_option("--mode", options->mode, "upsert, append or overwrite")
      ->capture_default_str();
  insert->add_option("--idempotency-key", options->idempotency_key,
                     "A second insert with this key changes nothing");
  insert->add_flag("--wait-online", options->wait_online, "Return when online readers see it");

  CLI::App* erase = add("delete", "Deletes the rows whose keys a file has", &Delete);
  erase->add_option("file", options->file, "Primary keys, with or without event times")
      ->required();
  erase->add_flag("--wait-online", options->wait_online, "Return when online readers see it");

  CLI::App* read = add("read", "Prints or exports rows",
                       [](const Session& s, Platform* platform, const GroupOptions& o) -> Status {
                         ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(o.group));
                         ARROW_ASSIGN_OR_RAISE(const ReadRequest request, RequestOf(o));
                         ARROW_ASSIGN_OR_RAISE(const auto rows, platform->Read(ref, request));
                         return PrintOrWrite(rows.get(), s.json, o.limit, o.output);
                       });
  AddReadOptions(read, options.get());
  AddOutputOptions(read, options.get());

  add("commits", "All commits, oldest first",
      [](const Session& s, Platform* platform, const GroupOptions& o) -> Status {
        ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(o.group));
        ARROW_ASSIGN_OR_RAISE(const auto commits, platform->Commits(ref));
        PrintCommits(s, commits);
        return Status::OK();
      });

  CLI::App* changes =
      add("changes", "Row changes after a commit",
          [](const Session& s, Platform* platform, const GroupOptions& o) -> Status {
            ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(o.group));
            ARROW_ASSIGN_OR_RAISE(const auto rows, platform->Changes(ref, o.since, o.until));
            return PrintOrWrite(rows.get(), s.json, o.limit, o.output);
          });
  changes->add_option("--since", options->since, "Changes after this commit")->required();
  changes->add_option("--until", options->until, "Up to this commit; by default the newest");
  AddOutputOptions(changes, options.get());

  CLI::App* statistics =
      add("statistics", "Statistics of each column",
          [](const Session&, Platform* platform, const GroupOptions& o) -> Status {
            ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(o.group));
            ARROW_ASSIGN_OR_RAISE(const ReadRequest request, RequestOf(o));
            ARROW_ASSIGN_OR_RAISE(const auto columns, platform->Statistics(ref, request));
            PrintJson(columns);
            return Status::OK();
          });
  AddReadOptions(statistics, options.get());

  add("materialize", "Loads what an external group's source has now into the online store",
      [](const Session&, Platform* platform, const GroupOptions& o) -> Status {
        ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(o.group));
        return platform->Materialize(ref);
      });
  add("compact", "Merges small files into large ones",
      [](const Session& s, Platform* platform, const GroupOptions& o) -> Status {
        ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(o.group));
        ARROW_ASSIGN_OR_RAISE(const Commit commit, platform->Compact(ref));
        PrintCommits(s, {commit});
        return Status::OK();
      });
  CLI::App* vacuum = add("vacuum", "Removes files that nobody can need any more", &Vacuum);
  vacuum->add_option("--retention", options->retention,
                     "How long commits stay readable, as 7d; by default as the table says");
  vacuum->add_flag("--dry-run", options->dry_run, "Say what would go, and leave it");

  CLI::App* alter = add("alter", "Changes description, TTL or table properties", &Alter);
  alter->add_option("--description", options->description, "What it is");
  alter->add_option("--ttl", options->ttl, "Age past which a row is not seen, as 3h, or none");
  alter->add_flag("--history", options->history, "Keep every commit from now on");
  alter->add_option("--property", options->properties, "NAME=TEXT; NAME= takes one away");
  alter->add_option("--embedding", options->embeddings,
                    "COLUMN=METRIC[:DIMENSION]; COLUMN= takes one away");

  CLI::App* new_feature = add("add-feature", "Adds a column", &AddFeature);
  new_feature->add_option("name", options->file, "Its name")->required();
  new_feature->add_option("type", options->type, "As int64, double, string")->required();
  new_feature->add_option("--default", options->default_value,
                          "Of rows that don't say; else they are null");

  CLI::App* widen = add("widen", "Gives a column a wider type", &Widen);
  widen->add_option("name", options->file, "The column")->required();
  widen->add_option("type", options->type, "The wider type")->required();

  CLI::App* forget =
      add("erase", "Removes entities from a group (or 'all') and its history", &Erase);
  forget->add_option("file", options->file, "Values of columns of the primary key")->required();

  add("drop", "Removes a group and its data, unless something depends on it",
      [](const Session&, Platform* platform, const GroupOptions& o) -> Status {
        ARROW_ASSIGN_OR_RAISE(const Ref ref, Ref::Parse(o.group));
        return platform->DropFeatureGroup(ref);
      });
}

}  // namespace tercet
