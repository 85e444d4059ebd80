#pragma once

#include <vector>

#include "platform/platform.h"
#include "server/router.h"

namespace tercet {

/// REST routes of queries and steps in SQL. `platform` must outlive them.
std::vector<Route> SqlRoutes(Platform* platform);

/// A client's query as a server runs it: none of the server's files, and an end; few at once, each
/// until its rows are let go. NotImplemented when it asks for files, CapacityError when others
/// keep it waiting.
Result<SqlData> ServeSql(Platform* platform, SqlRequest request);

}  // namespace tercet
