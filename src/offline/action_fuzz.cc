// Lines of commit files, and `_last_checkpoint`: whatever the bytes, an answer or an error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "offline/data_file.h"
#include "offline/delta_log.h"
#include "offline/delta_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)tercet::ParseLastCheckpoint(text);
  const auto actions = tercet::ParseActions(text);
  if (!actions.ok()) return 0;
  for (const tercet::Action& action : *actions) {
    // What was understood must be understood again.
    if (!tercet::ParseAction(tercet::ToLine(action)).ok()) std::abort();
    if (const auto* add = std::get_if<tercet::AddFile>(&action)) {
      const auto file = tercet::MakeDataFile(*add, {}, 0, 0);
      if (file.ok()) (void)(*file)->RowCount();
    }
    if (const auto* metadata = std::get_if<tercet::Metadata>(&action)) {
      (void)tercet::ColumnsOf(*metadata);
    }
  }
  return 0;
}
