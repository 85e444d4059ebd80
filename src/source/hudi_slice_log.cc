#include "source/hudi_slice_log.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/short_text.h"

namespace tercet {
namespace {

constexpr char kRollback[] = "0";

class SliceBlocks {
 public:
  SliceBlocks(FileSystem* file_system, const HudiTimeline& timeline, const std::string& as_of)
      : file_system_(file_system), timeline_(timeline), as_of_(as_of) {}

  Result<std::vector<HudiPlacedBlock>> Read(const HudiSlice& slice) {
    for (const std::string& path : slice.logs) {
      ARROW_ASSIGN_OR_RAISE(const auto file, file_system_->OpenMapped(path));
      ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
      ARROW_ASSIGN_OR_RAISE(const auto bytes, file->ReadAt(0, size));
      auto blocks = ReadHudiLog(std::string_view(*bytes));
      if (!blocks.ok()) return Explain(blocks.status(), "Hudi log file '" + path + "'");
      for (HudiLogBlock& block : *blocks) {
        ARROW_RETURN_NOT_OK(Add({std::move(block), bytes, path}));
      }
    }
    return Ordered();
  }

 private:
  Status Add(HudiPlacedBlock placed) {
    const HudiLogBlock& block = placed.block;
    if (block.kind == HudiLogBlock::Kind::kCommand) {
      if (block.command != kRollback) {
        return Status::NotImplemented("the command ", ShortText(block.command), " of '",
                                      placed.path, "' at byte ", block.offset, " is not known");
      }
      std::erase(instants_, block.target);
      blocks_.erase(block.target);
      return Status::OK();
    }
    if (block.kind == HudiLogBlock::Kind::kCorrupt || block.instant > as_of_ ||
        !timeline_.IsCommitted(block.instant)) {
      return Status::OK();
    }
    std::vector<HudiPlacedBlock>& same = blocks_[block.instant];
    if (same.empty()) instants_.push_back(block.instant);
    same.push_back(std::move(placed));
    return Status::OK();
  }

  /// By the writes as they come, where one that made others into one block stands in for them.
  std::vector<HudiPlacedBlock> Ordered() {
    std::map<std::string, std::string> stands_in;  // for a write
    std::set<std::string> taken;
    std::vector<std::string> newest_first;
    for (auto instant = instants_.rbegin(); instant != instants_.rend(); ++instant) {
      const auto other = stands_in.find(*instant);
      const std::string of = other == stands_in.end() ? *instant : other->second;
      std::string compacted = blocks_[*instant].front().block.compacted;
      while (!compacted.empty()) {
        const size_t comma = std::min(compacted.find(','), compacted.size());
        stands_in[compacted.substr(0, comma)] = of;
        compacted.erase(0, comma + 1);
      }
      const bool stands = !blocks_[*instant].front().block.compacted.empty();
      if (!stands && taken.insert(of).second) newest_first.push_back(of);
    }
    std::vector<HudiPlacedBlock> ordered;
    for (auto instant = newest_first.rbegin(); instant != newest_first.rend(); ++instant) {
      for (HudiPlacedBlock& placed : blocks_[*instant]) ordered.push_back(std::move(placed));
    }
    return ordered;
  }

  FileSystem* const file_system_;
  const HudiTimeline& timeline_;
  const std::string& as_of_;
  std::vector<std::string> instants_;  // as they come
  std::map<std::string, std::vector<HudiPlacedBlock>> blocks_;
};

}  // namespace

Result<std::vector<HudiPlacedBlock>> ReadHudiSliceLog(FileSystem* file_system,
                                                      const HudiTimeline& timeline,
                                                      const HudiSlice& slice,
                                                      const std::string& as_of) {
  return SliceBlocks(file_system, timeline, as_of).Read(slice);
}

}  // namespace tercet
