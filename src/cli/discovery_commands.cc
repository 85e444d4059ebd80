// Search, lineage, impact and annotations.
#include <iostream>

#include "cli/output.h"
#include "cli/session.h"
#include "platform/discovery.h"

namespace tercet {
namespace {

struct DiscoveryOptions {
  std::string object, format = "tree";
  bool upstream = false, downstream = false, columns = false;
  std::optional<int64_t> depth;
  std::vector<std::string> words;
  int64_t limit = 20;
  std::optional<std::string> description, owner;
  std::vector<std::string> tags, features;
};

Status ShowLineage(const Session& session, Platform* platform, const DiscoveryOptions& options) {
  LineageRequest request{.object = options.object,
                         .depth = options.depth,
                         .columns = options.columns};
  if (options.upstream != options.downstream) {
    request.direction =
        options.upstream ? LineageDirection::kUpstream : LineageDirection::kDownstream;
  }
  ARROW_ASSIGN_OR_RAISE(const LineageGraph graph, platform->discovery()->Lineage(request));
  ARROW_ASSIGN_OR_RAISE(const std::string text,
                        graph.ToText(session.json ? "json" : options.format));
  std::cout << text << (text.ends_with('\n') ? "" : "\n");
  return Status::OK();
}

Status ShowImpact(const Session& session, Platform* platform, const DiscoveryOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const ImpactReport report,
                        platform->discovery()->ImpactOf(options.object));
  if (session.json) {
    PrintJson(report.ToJson());
    return Status::OK();
  }
  std::vector<std::vector<std::string>> rows;
  for (const ImpactReport::Item& item : report.broken) {
    rows.push_back({item.kind, item.kind == "release" ? item.name.substr(0, 12) : item.name,
                    item.served ? "yes" : "no", item.uses ? "yes" : "through its view", item.path});
  }
  if (rows.empty()) {
    std::cout << "nothing depends on " << report.object << "\n";
  } else {
    PrintTable({"breaks", "name", "served now", "uses it", "path"}, rows);
  }
  for (const ImpactReport::Refusal& refusal : report.refused) {
    std::cout << "refused: " << refusal.operation << ": " << refusal.because << "\n";
  }
  return Status::OK();
}

std::string TagsText(const std::map<std::string, std::string>& tags) {
  std::string text;
  for (const auto& [name, value] : tags) {
    text += (text.empty() ? "" : ", ") + name + (value.empty() ? "" : "=" + value);
  }
  return text;
}

Status ShowSearch(const Session& session, Platform* platform, const DiscoveryOptions& options) {
  std::string query;
  for (const std::string& word : options.words) query += (query.empty() ? "" : " ") + word;
  ARROW_ASSIGN_OR_RAISE(const auto hits, platform->discovery()->Search(query, options.limit));
  json::array array;
  std::vector<std::vector<std::string>> rows;
  for (const SearchHit& hit : hits) {
    array.push_back(hit.ToJson());
    rows.push_back({hit.kind, hit.name + (hit.feature.empty() ? "" : "." + hit.feature), hit.owner,
                    TagsText(hit.tags), hit.snippet.empty() ? hit.description : hit.snippet});
  }
  if (session.json) {
    PrintJson(array);
  } else {
    PrintTable({"kind", "name", "owner", "tags", "found"}, rows);
  }
  return Status::OK();
}

/// "team=ops" → (team, ops).
Result<std::map<std::string, std::string>> Pairs(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> pairs;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::Invalid("'", text, "' must be NAME=TEXT");
    }
    pairs[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return pairs;
}

Status Annotate(const Session& session, Platform* platform, const DiscoveryOptions& options) {
  AnnotationChange change{.description = options.description, .owner = options.owner};
  if (!options.tags.empty()) {
    // "--tag ''" takes all away.
    std::vector<std::string> tags = options.tags;
    std::erase(tags, "");
    ARROW_ASSIGN_OR_RAISE(change.tags, Pairs(tags));
  }
  ARROW_ASSIGN_OR_RAISE(change.features, Pairs(options.features));
  const bool asks = change.ToJson().empty();
  ARROW_ASSIGN_OR_RAISE(const Annotation said,
                        asks ? platform->discovery()->GetAnnotation(options.object)
                             : platform->discovery()->Annotate(options.object, change));
  if (session.json) {
    PrintJson(said.ToJson());
    return Status::OK();
  }
  PrintMembers({{"description", said.description},
                {"owner", said.owner},
                {"tags", TagsText(said.tags)}});
  std::vector<std::vector<std::string>> rows;
  for (const auto& [feature, of] : said.features) rows.push_back({feature, of.description});
  if (!rows.empty()) PrintTable({"feature", "description"}, rows);
  return Status::OK();
}

}  // namespace

void AddDiscoveryCommands(CLI::App* app, Session* session) {
  auto options = std::make_shared<DiscoveryOptions>();
  constexpr const char* kObject = "As weather@1, weather@1.temp, delay@1@2 or model:delay@1";

  CLI::App* lineage = app->add_subcommand("lineage", "What something is made of, and what of it");
  lineage->add_option("object", options->object, kObject)->required();
  lineage->add_flag("--upstream", options->upstream, "Only what it is made of");
  lineage->add_flag("--downstream", options->downstream, "Only what is made of it");
  lineage->add_flag("--columns", options->columns, "Column by column");
  lineage->add_option("--depth", options->depth, "At most so many steps away");
  lineage->add_option("--format", options->format, "tree, mermaid, dot, svg or json")
      ->capture_default_str();
  OnRun(lineage, session,
        [=](Platform* platform) { return ShowLineage(*session, platform, *options); });

  CLI::App* impact = app->add_subcommand("impact", "What breaks if something is dropped");
  impact->add_option("object", options->object, kObject)->required();
  OnRun(impact, session,
        [=](Platform* platform) { return ShowImpact(*session, platform, *options); });

  CLI::App* search = app->add_subcommand("search", "Finds nouns and features by words");
  search->add_option("query", options->words,
                     "Words, \"words in a row\", begin*, -not, kind:model, tag:team=ops, "
                     "owner:anna")
      ->required();
  search->add_option("--limit", options->limit, "Hits to print")->capture_default_str();
  OnRun(search, session,
        [=](Platform* platform) { return ShowSearch(*session, platform, *options); });

  CLI::App* annotate =
      app->add_subcommand("annotate", "Shows or sets description, owner and tags of anything");
  annotate->add_option("object", options->object, kObject)->required();
  annotate->add_option("--description", options->description, "What it is");
  annotate->add_option("--owner", options->owner, "Whose it is");
  annotate->add_option("--tag", options->tags, "NAME=TEXT, in place of all tags; '' for none");
  annotate->add_option("--feature", options->features, "FEATURE=DESCRIPTION");
  OnRun(annotate, session,
        [=](Platform* platform) { return Annotate(*session, platform, *options); });
}

}  // namespace tercet
