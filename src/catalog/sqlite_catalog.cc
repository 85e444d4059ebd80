#include <array>
#include <mutex>
#include <thread>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/catalog.h"
#include "catalog/index_tables.h"
#include "catalog/search_documents.h"
#include "catalog/sqlite_database.h"

namespace tercet {
namespace {

constexpr int kBusyTimeoutMs = 10'000;
/// Marks the file as ours ("TRCT"), so that no other program's database is written to.
constexpr int64_t kApplicationId = 0x54524354;
/// Format 2 added what is said of entries, and the words by which they are found.
constexpr int64_t kFormat = 2;

/// `newest` remembers numbers once given, so that a version number that was dropped never comes to
/// mean something else by itself.
constexpr const char* kSchema = R"sql(
CREATE TABLE entries (
  id         INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL,
  name       TEXT NOT NULL,
  version    INTEGER NOT NULL,
  definition TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  revision   INTEGER NOT NULL,
  UNIQUE (kind, name, version));
CREATE TABLE dependencies (
  dependent  INTEGER NOT NULL REFERENCES entries(id) ON DELETE CASCADE,
  dependency INTEGER NOT NULL REFERENCES entries(id) ON DELETE RESTRICT,
  PRIMARY KEY (dependent, dependency)) WITHOUT ROWID;
CREATE INDEX dependents ON dependencies (dependency);
CREATE TABLE newest (
  kind    TEXT NOT NULL,
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (kind, name)) WITHOUT ROWID;
)sql";

bool HasOneVersion(Kind kind) {
  return kind == Kind::kRun || kind == Kind::kRelease || kind == Kind::kDeployment;
}

bool IsImmutable(Kind kind) {
  return kind == Kind::kFeatureView || kind == Kind::kTrainingDataset || kind == Kind::kModel ||
         kind == Kind::kRelease;
}

/// Names become folders, so none may escape one.
Status CheckEntryName(Kind kind, const std::string& name) {
  if (kind == Kind::kTrainingDataset) {
    ARROW_ASSIGN_OR_RAISE(const Ref view, Ref::Parse(name));
    if (view.version < 1) {
      return Status::Invalid("training dataset name '", ShortText(name),
                             "' must be its view's, with its version ('delay@1')");
    }
    return CheckName("feature view", view.name);
  }
  if (kind != Kind::kRun && kind != Kind::kRelease) return CheckName(KindNoun(kind), name);
  bool good = !name.empty() && name.size() <= 64;
  for (const char c : name) {
    good = good && (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_');
  }
  if (good) return Status::OK();
  return Status::Invalid(KindNoun(kind), " id '", ShortText(name),
                         "' must be 1 to 64 letters, digits, '_' or '-'");
}

/// The text to store; Invalid when it could not be read back (numbers that are not finite, or
/// nesting deeper than ParseJson takes).
Result<std::string> StorableText(const NounRef& noun, const json::object& definition) {
  std::string text = ToText(definition);
  const Status readable = ParseJson(text).status();
  if (!readable.ok()) return Explain(readable, "cannot store " + noun.ToText());
  return text;
}

class SqliteCatalog : public Catalog {
 public:
  SqliteCatalog(std::unique_ptr<SqliteDatabase> database, std::unique_ptr<SqliteDatabase> watcher,
                const Clock* clock)
      : clock_(clock),
        database_(std::move(database)),
        index_(database_.get()),
        watcher_(std::move(watcher)) {}

  Result<CatalogEntry> Put(Kind kind, const Ref& ref, const json::object& definition,
                           const std::vector<NounRef>& depends_on) override {
    ARROW_RETURN_NOT_OK(CheckEntryName(kind, ref.name));
    if (ref.version < 0 || (HasOneVersion(kind) && ref.version > 1)) {
      return Status::Invalid("cannot add ", NounRef{kind, ref}.ToText(), ": there is no version ",
                             ref.version, " of a ", KindNoun(kind));
    }
    CatalogEntry entry{.kind = kind, .ref = ref, .definition = definition};
    std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(auto transaction, SqliteDatabase::Transaction::Begin(database_.get()));
    if (ref.version == 0) {
      ARROW_ASSIGN_OR_RAISE(const int64_t newest, NewestEver(kind, ref.name));
      entry.ref.version = HasOneVersion(kind) ? 1 : newest + 1;
      // A definition says its own version; a number given here must be in it.
      if (entry.definition.contains("version")) entry.definition["version"] = entry.ref.version;
    }
    const NounRef noun{kind, entry.ref};
    ARROW_ASSIGN_OR_RAISE(const auto taken, IdOf(noun));
    if (taken) return Status::AlreadyExists(noun.ToText(), " exists");
    ARROW_ASSIGN_OR_RAISE(const std::string text, StorableText(noun, entry.definition));
    entry.created_us = clock_->NowMicros();
    ARROW_RETURN_NOT_OK(database_->Run(
        "INSERT INTO entries (kind, name, version, definition, created_us, revision) "
        "VALUES (?, ?, ?, ?, ?, 1)",
        KindName(kind), entry.ref.name, entry.ref.version, text, entry.created_us));
    const int64_t id = database_->last_insert_id();
    ARROW_RETURN_NOT_OK(AddDependencies(id, noun, depends_on));
    ARROW_RETURN_NOT_OK(index_.Index(id, kind, entry.ref, entry.definition));
    ARROW_RETURN_NOT_OK(database_->Run(
        "INSERT INTO newest (kind, name, version) VALUES (?, ?, ?) "
        "ON CONFLICT (kind, name) DO UPDATE SET version = max(version, excluded.version)",
        KindName(kind), entry.ref.name, entry.ref.version));
    ARROW_RETURN_NOT_OK(transaction.Commit());
    return entry;
  }

  Result<CatalogEntry> Update(Kind kind, const Ref& ref, int64_t expected_revision,
                              const json::object& definition,
                              const std::optional<std::vector<NounRef>>& depends_on) override {
    // What a training dataset was made of may have to be forgotten, which its entry then says.
    const bool forgets = kind == Kind::kTrainingDataset && definition.contains("lost");
    if (IsImmutable(kind) && !forgets) {
      return Status::Invalid("cannot change ", NounRef{kind, ref}.ToText(), ": a ",
                             KindNoun(kind), " never changes; add a new version");
    }
    std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(auto transaction, SqliteDatabase::Transaction::Begin(database_.get()));
    ARROW_ASSIGN_OR_RAISE(CatalogEntry entry, Existing(kind, ref));
    const NounRef noun{kind, entry.ref};
    if (entry.revision != expected_revision) {
      return Status::Cancelled("cannot change ", noun.ToText(), ": another writer was first (its ",
                               "revision is ", entry.revision, ", not ", expected_revision, ")");
    }
    ARROW_ASSIGN_OR_RAISE(const std::string text, StorableText(noun, definition));
    ARROW_ASSIGN_OR_RAISE(const auto id, IdOf(noun));
    ARROW_RETURN_NOT_OK(index_.FollowDefinition(*id, entry.definition, definition));
    // A run's log grows with every line, and is no word to find it by.
    const bool found_otherwise =
        DocumentsOf(kind, ref, definition, ColumnsIn(kind, definition), DeclaredIn(definition)) !=
        DocumentsOf(kind, ref, entry.definition, ColumnsIn(kind, entry.definition),
                    DeclaredIn(entry.definition));
    entry.revision += 1;
    entry.definition = definition;
    ARROW_RETURN_NOT_OK(
        database_->Run("UPDATE entries SET definition = ?, revision = ? WHERE id = ?", text,
                       entry.revision, *id));
    if (found_otherwise) {
      ARROW_RETURN_NOT_OK(index_.Index(*id, kind, entry.ref, definition));
    }
    if (depends_on) {
      ARROW_RETURN_NOT_OK(
          database_->Run("DELETE FROM dependencies WHERE dependent = ?", *id));
      ARROW_RETURN_NOT_OK(AddDependencies(*id, noun, *depends_on));
    }
    ARROW_RETURN_NOT_OK(transaction.Commit());
    // The log of the file still has what was there before; pages that were freed are zeroes.
    if (forgets) ARROW_RETURN_NOT_OK(database_->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
    return entry;
  }

  Result<CatalogEntry> Get(Kind kind, const Ref& ref) override {
    std::lock_guard lock(mutex_);
    return Existing(kind, ref);
  }

  Result<std::optional<CatalogEntry>> Find(Kind kind, const Ref& ref) override {
    std::lock_guard lock(mutex_);
    return FindEntry(kind, ref);
  }

  Result<std::vector<CatalogEntry>> List(Kind kind,
                                         const std::optional<std::string>& name) override {
    std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(
        auto query,
        database_->Prepare(name ? "SELECT name, version, definition, created_us, revision FROM "
                                  "entries WHERE kind = ? AND name = ? ORDER BY name, version"
                                : "SELECT name, version, definition, created_us, revision FROM "
                                  "entries WHERE kind = ? ORDER BY name, version"));
    query.Bind(KindName(kind));
    if (name) query.Bind(*name);
    std::vector<CatalogEntry> entries;
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
      if (!row) return entries;
      ARROW_ASSIGN_OR_RAISE(CatalogEntry entry, ReadEntry(kind, query));
      entries.push_back(std::move(entry));
    }
  }

  Result<int64_t> NextVersion(Kind kind, const std::string& name) override {
    std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(const int64_t newest, NewestEver(kind, name));
    return HasOneVersion(kind) ? 1 : newest + 1;
  }

  Status Drop(Kind kind, const Ref& ref) override {
    std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(auto transaction, SqliteDatabase::Transaction::Begin(database_.get()));
    ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, Existing(kind, ref));
    const NounRef noun{kind, entry.ref};
    ARROW_ASSIGN_OR_RAISE(const std::vector<NounRef> dependents, Neighbours(noun, kDependents));
    if (!dependents.empty()) {
      std::string names;
      for (size_t i = 0; i < dependents.size() && i < 10; ++i) {
        names += (i == 0 ? "" : ", ") + dependents[i].ToText();
      }
      if (dependents.size() > 10) {
        names += " and " + std::to_string(dependents.size() - 10) + " more";
      }
      return Status::Invalid("cannot drop ", noun.ToText(), ": needed by ", names);
    }
    ARROW_RETURN_NOT_OK(
        database_->Run("DELETE FROM entries WHERE kind = ? AND name = ? AND version = ?",
                       KindName(kind), entry.ref.name, entry.ref.version));
    return transaction.Commit();
  }

  Result<std::vector<NounRef>> Dependents(Kind kind, const Ref& ref) override {
    std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, Existing(kind, ref));
    return Neighbours({kind, entry.ref}, kDependents);
  }

  Result<std::vector<NounRef>> Dependencies(Kind kind, const Ref& ref) override {
    std::lock_guard lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, Existing(kind, ref));
    return Neighbours({kind, entry.ref}, kDependencies);
  }

  Result<int64_t> ChangeCounter() override {
    if (const auto digest = watcher_->CommitDigest()) return *digest;
    std::lock_guard lock(watcher_mutex_);
    return watcher_->ReadInt("PRAGMA data_version");
  }

 private:
  static constexpr std::string_view kDependents =
      "SELECT other.kind, other.name, other.version FROM entries this "
      "JOIN dependencies ON dependency = this.id JOIN entries other ON other.id = dependent "
      "WHERE this.kind = ? AND this.name = ? AND this.version = ? "
      "ORDER BY other.kind, other.name, other.version";
  static constexpr std::string_view kDependencies =
      "SELECT other.kind, other.name, other.version FROM entries this "
      "JOIN dependencies ON dependent = this.id JOIN entries other ON other.id = dependency "
      "WHERE this.kind = ? AND this.name = ? AND this.version = ? "
      "ORDER BY other.kind, other.name, other.version";

  // All below: mutex_ is held.

  Result<std::vector<NounRef>> Neighbours(const NounRef& noun, std::string_view sql) {
    ARROW_ASSIGN_OR_RAISE(auto query, database_->Prepare(sql));
    query.Bind(KindName(noun.kind)).Bind(noun.ref.name).Bind(noun.ref.version);
    std::vector<NounRef> found;
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
      if (!row) return found;
      ARROW_ASSIGN_OR_RAISE(const Kind kind, KindFromName(query.Text(0)));
      found.push_back({kind, {std::string(query.Text(1)), query.Int(2)}});
    }
  }

  Result<CatalogEntry> ReadEntry(Kind kind, const SqliteDatabase::Query& query) {
    CatalogEntry entry{
        .kind = kind, .ref = {std::string(query.Text(0)), query.Int(1)}, .definition = {}};
    Result<json::object> definition = ParseJsonObject(query.Text(2));
    if (!definition.ok()) {
      return Status::IOError("the catalog's entry of ", NounRef{kind, entry.ref}.ToText(),
                             " is damaged: ", definition.status().message());
    }
    entry.definition = *std::move(definition);
    entry.created_us = query.Int(3);
    entry.revision = query.Int(4);
    return entry;
  }

  Result<std::optional<CatalogEntry>> FindEntry(Kind kind, const Ref& ref) {
    ARROW_ASSIGN_OR_RAISE(
        auto query,
        database_->Prepare(
            ref.version == 0
                ? "SELECT name, version, definition, created_us, revision FROM entries "
                  "WHERE kind = ? AND name = ? ORDER BY version DESC LIMIT 1"
                : "SELECT name, version, definition, created_us, revision FROM entries "
                  "WHERE kind = ? AND name = ? AND version = ?"));
    query.Bind(KindName(kind)).Bind(ref.name);
    if (ref.version != 0) query.Bind(ref.version);
    ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
    if (!row) return std::nullopt;
    ARROW_ASSIGN_OR_RAISE(CatalogEntry entry, ReadEntry(kind, query));
    return entry;
  }

  Result<CatalogEntry> Existing(Kind kind, const Ref& ref) {
    ARROW_ASSIGN_OR_RAISE(std::optional<CatalogEntry> entry, FindEntry(kind, ref));
    if (entry) return *std::move(entry);
    return NotFound({kind, ref});
  }

  /// The error for a noun that does not exist: suggests a version when the name is known, else a
  /// name.
  Status NotFound(const NounRef& noun) {
    ARROW_ASSIGN_OR_RAISE(auto query, database_->Prepare(
        "SELECT name, max(version) FROM entries WHERE kind = ? GROUP BY name ORDER BY name"));
    query.Bind(KindName(noun.kind));
    std::vector<std::string> names;
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
      if (!row) break;
      names.emplace_back(query.Text(0));
      if (names.back() == noun.ref.name) {
        return Status::KeyError("there is no ", noun.ToText(), " (its newest version is ",
                                query.Int(1), ")");
      }
    }
    const NounRef unknown{noun.kind, {noun.ref.name, 0}};  // of no version
    return Status::KeyError("there is no ", unknown.ToText(), Suggest(noun.ref.name, names));
  }

  Result<std::optional<int64_t>> IdOf(const NounRef& noun) {
    ARROW_ASSIGN_OR_RAISE(
        auto query,
        database_->Prepare("SELECT id FROM entries WHERE kind = ? AND name = ? AND version = ?"));
    query.Bind(KindName(noun.kind)).Bind(noun.ref.name).Bind(noun.ref.version);
    ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
    if (!row) return std::nullopt;
    return query.Int(0);
  }

  Result<int64_t> NewestEver(Kind kind, const std::string& name) {
    ARROW_ASSIGN_OR_RAISE(
        auto query, database_->Prepare("SELECT version FROM newest WHERE kind = ? AND name = ?"));
    query.Bind(KindName(kind)).Bind(name);
    ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
    return row ? query.Int(0) : 0;
  }

  Status AddDependencies(int64_t id, const NounRef& noun, const std::vector<NounRef>& depends_on) {
    for (const NounRef& dependency : depends_on) {
      Result<CatalogEntry> entry = Existing(dependency.kind, dependency.ref);
      if (!entry.ok()) return Explain(entry.status(), "cannot add " + noun.ToText());
      ARROW_ASSIGN_OR_RAISE(const auto dependency_id, IdOf({dependency.kind, entry->ref}));
      if (*dependency_id == id) {
        return Status::Invalid("cannot add ", noun.ToText(), ": it depends on itself");
      }
      ARROW_RETURN_NOT_OK(database_->Run(
          "INSERT OR IGNORE INTO dependencies (dependent, dependency) VALUES (?, ?)", id,
          *dependency_id));
    }
    return Status::OK();
  }

  const Clock* const clock_;
  std::mutex mutex_;
  const std::unique_ptr<SqliteDatabase> database_;  ///< guarded by mutex_
  IndexTables index_;                               ///< guarded by mutex_
  std::mutex watcher_mutex_;
  /// A connection that never writes, guarded by watcher_mutex_ but for CommitDigest. Where there is
  /// none, SQLite's data_version tells a
  /// connection of the commits of all others, so this one hears of this process's own as well.
  const std::unique_ptr<SqliteDatabase> watcher_;
};

/// Makes the tables of format 2 and fills them with the words of all entries that there are.
Status AddIndex(SqliteDatabase* database) {
  ARROW_RETURN_NOT_OK(database->Execute(IndexTables::Schema()));
  IndexTables index(database);
  ARROW_ASSIGN_OR_RAISE(
      auto query, database->Prepare("SELECT id, kind, name, version, definition FROM entries"));
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool row, query.Step());
    if (!row) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const Kind kind, KindFromName(query.Text(1)));
    const Ref ref{std::string(query.Text(2)), query.Int(3)};
    // A damaged entry is told of when it is read; until then it is found by its name.
    const json::object definition = ParseJsonObject(query.Text(4)).ValueOr(json::object());
    ARROW_RETURN_NOT_OK(index.Index(query.Int(0), kind, ref, definition));
  }
}

/// Readers don't block the writer, and each transaction is on disk when it returns.
Status SetUp(SqliteDatabase* database) {
  // Changing the journal mode needs the file alone, and SQLite does not wait for that: another
  // process that is opening the same new file makes it fail at once.
  Status wal = database->Execute("PRAGMA journal_mode = WAL");
  for (int tries = 0; !wal.ok() && tries < 100 &&
                      wal.message().find("locked") != std::string::npos; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    wal = database->Execute("PRAGMA journal_mode = WAL");
  }
  ARROW_RETURN_NOT_OK(wal);
  return database->Execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
                           "PRAGMA secure_delete = ON;");
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::Open(const std::string& path, const Clock* clock) {
  ARROW_ASSIGN_OR_RAISE(auto database, SqliteDatabase::Open(path, kBusyTimeoutMs));
  // Looked at before anything is written: a foreign database is left as it is.
  ARROW_ASSIGN_OR_RAISE(const int64_t tables,
                        database->ReadInt("SELECT count(*) FROM sqlite_schema"));
  ARROW_ASSIGN_OR_RAISE(int64_t application, database->ReadInt("PRAGMA application_id"));
  if (tables > 0 && application != kApplicationId) {
    return Status::IOError("'", path, "' is a SQLite database, but not a Tercet catalog");
  }
  ARROW_RETURN_NOT_OK(SetUp(database.get()));
  {
    ARROW_ASSIGN_OR_RAISE(auto transaction, SqliteDatabase::Transaction::Begin(database.get()));
    ARROW_ASSIGN_OR_RAISE(const int64_t format, database->ReadInt("PRAGMA user_version"));
    if (format > kFormat) {
      return Status::IOError("catalog '", path, "' has the format ", format,
                             ", which is newer than this Tercet reads (", kFormat,
                             "); upgrade Tercet");
    }
    if (format == 0) {
      ARROW_RETURN_NOT_OK(database->Execute(kSchema));
      ARROW_RETURN_NOT_OK(
          database->Execute("PRAGMA application_id = " + std::to_string(kApplicationId)));
    }
    if (format < 2) ARROW_RETURN_NOT_OK(AddIndex(database.get()));
    if (format != kFormat) {
      ARROW_RETURN_NOT_OK(database->Execute("PRAGMA user_version = " + std::to_string(kFormat)));
    }
    ARROW_RETURN_NOT_OK(transaction.Commit());
  }
  ARROW_ASSIGN_OR_RAISE(auto watcher, SqliteDatabase::Open(path, kBusyTimeoutMs));
  ARROW_RETURN_NOT_OK(watcher->ReadInt("PRAGMA data_version").status());
  watcher->WatchCommits();
  return std::make_unique<SqliteCatalog>(std::move(database), std::move(watcher), clock);
}

}  // namespace tercet
