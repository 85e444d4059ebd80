#include "offline/protocol_features.h"

#include <algorithm>

namespace tercet {
namespace {

std::vector<std::string> LegacyWriterFeatures(int64_t version) {
  std::vector<std::string> features = {"appendOnly", "invariants"};
  if (version >= 3) features.push_back("checkConstraints");
  if (version >= 4) features.insert(features.end(), {"changeDataFeed", "generatedColumns"});
  if (version >= 5) features.push_back("columnMapping");
  if (version >= 6) features.push_back("identityColumns");
  return features;
}

void AddFeature(std::string_view feature, std::vector<std::string>* features) {
  if (std::find(features->begin(), features->end(), feature) == features->end()) {
    features->emplace_back(feature);
  }
}

}  // namespace

std::optional<Protocol> WithFeature(const Protocol& before, std::string_view feature) {
  Protocol protocol = before;
  if (!protocol.writer_features) {
    protocol.writer_features = LegacyWriterFeatures(protocol.min_writer_version);
  }
  if (!protocol.reader_features) {
    protocol.reader_features.emplace();
    if (protocol.min_reader_version == 2) protocol.reader_features->push_back("columnMapping");
  }
  AddFeature(feature, &*protocol.reader_features);
  AddFeature(feature, &*protocol.writer_features);
  if (protocol.reader_features == before.reader_features &&
      protocol.writer_features == before.writer_features) {
    return std::nullopt;
  }
  protocol.min_reader_version = 3;
  protocol.min_writer_version = 7;
  return protocol;
}

}  // namespace tercet
