#include <algorithm>
#include <limits>
#include <utility>

#include "source/avro_blocks.h"
#include "source/avro_node.h"
#include "source/avro_rows.h"
#include "source/field_id.h"
#include "source/iceberg_row_reader.h"

namespace tercet {
namespace {

/// What a batch ends at: a block may have many rows, or large ones.
constexpr int64_t kMostRows = 16'384;
constexpr size_t kMostBytes = 4 << 20;

class AvroReader : public IcebergRowReader {
 public:
  AvroReader(AvroBlocks blocks, std::set<int64_t> ids, std::unique_ptr<AvroRows> rows)
      : blocks_(std::move(blocks)), ids_(std::move(ids)), rows_(std::move(rows)) {}

  const std::set<int64_t>& ids() const override { return ids_; }

  Result<int64_t> Next(arrow::ArrayVector* columns) override {
    int64_t count = 0;
    size_t bytes = 0;
    while (count < kMostRows && bytes < kMostBytes) {
      if (left_ == 0) {
        ARROW_ASSIGN_OR_RAISE(const bool more, NextBlock());
        if (!more) break;
        continue;
      }
      const size_t before = block_.left();
      ARROW_RETURN_NOT_OK(rows_->Take(&block_));
      bytes += before - block_.left();
      ++count;
      if (--left_ == 0 && block_.left() != 0) {
        return Status::Invalid("a block's rows don't fill its bytes");
      }
    }
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows_->Finish());
    *columns = batch->columns();
    return count;
  }

 private:
  Result<bool> NextBlock() {
    AvroBlocks::Block block;
    ARROW_ASSIGN_OR_RAISE(const bool more, blocks_.Next(&block));
    if (!more) return false;
    if (!rows_->takes_space() && block.count > kMostRows) {
      return Status::Invalid("a block has ", block.count, " rows and no bytes for them");
    }
    if (block.count == 0 && !block.bytes.empty()) {
      return Status::Invalid("a block has bytes and no rows");
    }
    left_ = block.count;
    block_ = AvroBytes(block.bytes);
    return true;
  }

  AvroBlocks blocks_;
  const std::set<int64_t> ids_;
  const std::unique_ptr<AvroRows> rows_;
  AvroBytes block_{""};
  int64_t left_ = 0;  // rows in block_
};

}  // namespace

Result<std::unique_ptr<IcebergRowReader>> IcebergRowReader::OpenAvro(
    std::shared_ptr<arrow::io::RandomAccessFile> file,
    const std::shared_ptr<arrow::Schema>& wanted, const std::map<std::string, int64_t>& names) {
  ARROW_ASSIGN_OR_RAISE(AvroBlocks blocks, AvroBlocks::Open(std::move(file)));
  ARROW_ASSIGN_OR_RAISE(AvroNode node, ReadAvroNode(blocks.schema()));
  if (std::all_of(node.ids.begin(), node.ids.end(), [](int64_t id) { return id < 0; })) {
    for (size_t i = 0; i < node.ids.size(); ++i) {
      const auto known = names.find(node.names[i]);
      if (known != names.end()) node.ids[i] = known->second;
    }
  }
  // By ids alone: a column without one is not wanted, whatever its name is.
  for (int64_t& id : node.ids) {
    if (id < 0) id = std::numeric_limits<int64_t>::max();
  }
  std::set<int64_t> ids(node.ids.begin(), node.ids.end());
  ARROW_ASSIGN_OR_RAISE(auto rows, AvroRows::Make(node, wanted));
  return std::make_unique<AvroReader>(std::move(blocks), std::move(ids), std::move(rows));
}

}  // namespace tercet
