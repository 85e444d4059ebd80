#pragma once

#include <memory>
#include <string>

#include "source/record_sink.h"

namespace tercet {

/// A table of PostgreSQL, "name" or "schema.name", made when it is not there: record_id (SHA-256 of
/// the record, the primary key, so that what is written again is kept once), request_id,
/// event_time and record (jsonb). Each write is one statement. By libpq.
Result<std::unique_ptr<RecordSink>> OpenPostgresSink(const std::string& connection,
                                                     const std::string& table);

}  // namespace tercet
