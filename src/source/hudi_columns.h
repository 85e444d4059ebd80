#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "source/hudi_files.h"
#include "source/hudi_merge.h"

namespace tercet {

/// A column of a Hudi table, as DuckDB types it.
struct HudiColumn {
  std::string name;
  std::string type;  ///< in SQL
};

/// The columns of a table whose schema is this record of Avro's, in order, without those that Hudi
/// adds. Invalid for what is no such schema, NotImplemented for a union of several types.
Result<std::vector<HudiColumn>> HudiColumns(std::string_view avro_schema);

/// The rows of these slices as one relation of SQL with these columns: by name, null in files that
/// do not have one, of the wider type where files differ. `logged` is a relation of what
/// MergeHudiLogs gives, by the rule (source/hudi_merge.h); named only where slices have logs.
/// Filters and the choice of columns reach the base files.
std::string HudiRelation(const std::vector<HudiColumn>& columns,
                         const std::vector<HudiSlice>& slices, const HudiMergeRule& rule,
                         const std::string& logged);

}  // namespace tercet
