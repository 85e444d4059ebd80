#include "catalog/noun.h"

#include <charconv>

#include "base/name.h"
#include "base/short_text.h"

namespace tercet {
namespace {

struct KindText {
  Kind kind;
  std::string_view name, noun;
};

constexpr KindText kKinds[] = {
    {Kind::kFeatureGroup, "feature_group", "feature group"},
    {Kind::kFeatureView, "feature_view", "feature view"},
    {Kind::kTrainingDataset, "training_dataset", "training dataset"},
    {Kind::kRun, "run", "run"},
    {Kind::kModel, "model", "model"},
    {Kind::kRelease, "release", "release"},
    {Kind::kDeployment, "deployment", "deployment"},
};

const KindText& TextOf(Kind kind) { return kKinds[static_cast<int>(kind)]; }

}  // namespace

std::string_view KindName(Kind kind) { return TextOf(kind).name; }

std::string_view KindNoun(Kind kind) { return TextOf(kind).noun; }

Result<Kind> KindFromName(std::string_view name) {
  std::vector<std::string> names;
  for (const KindText& text : kKinds) {
    if (text.name == name) return text.kind;
    names.emplace_back(text.name);
  }
  return Status::Invalid("no kind of noun is named '", ShortText(name), "'",
                         Suggest(name, names));
}

std::string Ref::ToText() const {
  return version == 0 ? name : name + "@" + std::to_string(version);
}

Result<Ref> Ref::Parse(std::string_view text) {
  // The last '@': a training dataset's name has one itself ("delay@1@3").
  const size_t at = text.rfind('@');
  Ref ref{std::string(text.substr(0, at)), 0};
  if (at != std::string_view::npos) {
    const std::string_view digits = text.substr(at + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), ref.version);
    if (error != std::errc() || end != digits.data() + digits.size() || ref.version < 1) {
      return Status::Invalid("cannot read reference '", ShortText(text, 160), "': '",
                             ShortText(digits), "' is not a version number from 1");
    }
  }
  if (ref.name.empty()) {
    return Status::Invalid("cannot read reference '", ShortText(text, 160),
                           "': it has no name; write 'name' or 'name@version'");
  }
  return ref;
}

std::string NounRef::ToText() const {
  return std::string(KindNoun(kind)) + " '" + ref.ToText() + "'";
}

}  // namespace tercet
