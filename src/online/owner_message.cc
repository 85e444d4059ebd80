#include "online/owner_message.h"

#include <cstring>

#include <arrow/array.h>

#include "base/batch_bytes.h"

namespace tercet {
namespace {

constexpr char kTimes[] = "__event_times_us";
constexpr char kStatus[] = "__status";
constexpr char kCommits[] = "__commits";

template <typename T>
void AppendNumber(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

Status Malformed() {
  return Status::IOError("online store: a malformed message between processes");
}

template <typename CType, typename ArrowType>
std::shared_ptr<arrow::Array> Wrapped(const void* values, int64_t count) {
  return std::make_shared<arrow::NumericArray<ArrowType>>(
      count,
      std::make_shared<arrow::Buffer>(static_cast<const uint8_t*>(values), count * sizeof(CType)));
}

/// Takes the last column, which must be of this name and type without nulls, off a batch.
Result<std::shared_ptr<arrow::Array>> TakeColumn(std::shared_ptr<arrow::RecordBatch>* batch,
                                                 std::string_view name, arrow::Type::type type) {
  const int last = (*batch)->num_columns() - 1;
  if (last < 0 || (*batch)->schema()->field(last)->name() != name ||
      (*batch)->column(last)->type_id() != type || (*batch)->column(last)->null_count() != 0) {
    return Malformed();
  }
  std::shared_ptr<arrow::Array> column = (*batch)->column(last);
  ARROW_ASSIGN_OR_RAISE(*batch, (*batch)->RemoveColumn(last));
  return column;
}

}  // namespace

std::string OwnerMessage::ToBytes() const {
  const std::string text = ToText(header);
  std::string out;
  size_t size = 4 + text.size();
  for (const auto& body : bodies) size += 8 + body->size();
  out.reserve(size);
  AppendNumber(static_cast<uint32_t>(text.size()), &out);
  out += text;
  for (const auto& body : bodies) {
    AppendNumber(static_cast<uint64_t>(body->size()), &out);
    out.append(reinterpret_cast<const char*>(body->data()), body->size());
  }
  return out;
}

Result<OwnerMessage> OwnerMessage::FromBytes(std::string frame) {
  const std::shared_ptr<arrow::Buffer> whole = arrow::Buffer::FromString(std::move(frame));
  const std::string_view bytes(*whole);
  uint32_t header_size = 0;
  if (bytes.size() < sizeof(header_size)) return Malformed();
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  size_t at = sizeof(header_size);
  if (bytes.size() - at < header_size) return Malformed();
  OwnerMessage message;
  ARROW_ASSIGN_OR_RAISE(message.header, ParseJsonObject(bytes.substr(at, header_size)));
  at += header_size;
  while (at < bytes.size()) {
    uint64_t size = 0;
    if (bytes.size() - at < sizeof(size)) return Malformed();
    std::memcpy(&size, bytes.data() + at, sizeof(size));
    at += sizeof(size);
    if (bytes.size() - at < size) return Malformed();
    message.bodies.push_back(arrow::SliceBuffer(whole, at, size));
    at += size;
  }
  return message;
}

json::object StatusToJson(const Status& status) {
  return {{"code", static_cast<int64_t>(status.code())}, {"message", status.message()}};
}

Status StatusFromJson(const json::object& header) {
  ARROW_ASSIGN_OR_RAISE(const int64_t code, GetInt(header, "code"));
  if (code == 0) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(header, "message"));
  return Status(static_cast<arrow::StatusCode>(code), text);
}

Result<OwnerMessage> ToMessage(const std::vector<RowsRequest>& requests) {
  OwnerMessage message;
  json::array list;
  for (const RowsRequest& request : requests) {
    if (request.keys == nullptr ||
        static_cast<int64_t>(request.event_times_us.size()) != request.keys->num_rows()) {
      return Status::Invalid("online read of feature group '", request.group.ToText(),
                             "': as many event times as keys are needed");
    }
    json::object item = {{"group", request.group.ToText()},
                         {"columns", ToJsonArray(request.columns)}};
    if (request.ttl_us) item["ttl_us"] = *request.ttl_us;
    json::array given;
    for (const RowsRequest::KeyFrom& from : request.keys_from) {
      given.push_back(json::array{from.key, from.request, from.column});
    }
    if (!given.empty()) item["keys_from"] = std::move(given);
    list.push_back(std::move(item));
    const int columns = request.keys->num_columns();
    const auto times =
        Wrapped<int64_t, arrow::Int64Type>(request.event_times_us.data(), request.keys->num_rows());
    ARROW_ASSIGN_OR_RAISE(const auto batch, request.keys->AddColumn(columns, kTimes, times));
    ARROW_ASSIGN_OR_RAISE(message.bodies.emplace_back(), WriteBatch(*batch));
  }
  message.header = {{"call", "read"}, {"requests", std::move(list)}};
  return message;
}

Result<std::vector<RowsRequest>> RequestsFromMessage(const OwnerMessage& message) {
  ARROW_ASSIGN_OR_RAISE(const json::array list, FindArray(message.header, "requests"));
  if (list.size() != message.bodies.size()) return Malformed();
  std::vector<RowsRequest> requests(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) return Malformed();
    const json::object& item = list[i].as_object();
    RowsRequest& request = requests[i];
    ARROW_ASSIGN_OR_RAISE(const std::string group, GetString(item, "group"));
    ARROW_ASSIGN_OR_RAISE(request.group, Ref::Parse(group));
    ARROW_ASSIGN_OR_RAISE(request.columns, FindStrings(item, "columns"));
    ARROW_ASSIGN_OR_RAISE(request.ttl_us, FindInt(item, "ttl_us"));
    ARROW_ASSIGN_OR_RAISE(const json::array given, FindArray(item, "keys_from"));
    for (const json::value& from : given) {
      const json::array* part = from.if_array();
      if (part == nullptr || part->size() != 3 || !(*part)[2].is_string()) return Malformed();
      const int64_t* key = (*part)[0].if_int64();
      const int64_t* source = (*part)[1].if_int64();
      if (key == nullptr || source == nullptr || *key < 0 || *source < 0) return Malformed();
      request.keys_from.push_back({.key = static_cast<size_t>(*key),
                                   .request = static_cast<size_t>(*source),
                                   .column = std::string((*part)[2].as_string())});
    }
    ARROW_ASSIGN_OR_RAISE(request.keys, ReadBatch(message.bodies[i]));
    ARROW_ASSIGN_OR_RAISE(const auto times, TakeColumn(&request.keys, kTimes, arrow::Type::INT64));
    const auto* values = static_cast<const arrow::Int64Array&>(*times).raw_values();
    request.event_times_us.assign(values, values + times->length());
  }
  return requests;
}

Result<OwnerMessage> ToMessage(const std::vector<RowsAnswer>& answers) {
  OwnerMessage message;
  message.header = StatusToJson(Status::OK());
  json::array versions;
  for (const RowsAnswer& answer : answers) {
    versions.push_back(answer.version);
    const auto n = static_cast<int64_t>(answer.status.size());
    const int columns = answer.rows->num_columns();
    ARROW_ASSIGN_OR_RAISE(auto batch, answer.rows->AddColumn(columns, kStatus,
                                                             Wrapped<uint8_t, arrow::UInt8Type>(
                                                                 answer.status.data(), n)));
    ARROW_ASSIGN_OR_RAISE(batch, batch->AddColumn(columns + 1, kTimes,
                                                  Wrapped<int64_t, arrow::Int64Type>(
                                                      answer.event_times_us.data(), n)));
    ARROW_ASSIGN_OR_RAISE(batch, batch->AddColumn(columns + 2, kCommits,
                                                  Wrapped<int64_t, arrow::Int64Type>(
                                                      answer.commits.data(), n)));
    ARROW_ASSIGN_OR_RAISE(message.bodies.emplace_back(), WriteBatch(*batch));
  }
  message.header["versions"] = std::move(versions);
  return message;
}

Result<std::vector<RowsAnswer>> AnswersFromMessage(const OwnerMessage& message) {
  std::vector<RowsAnswer> answers(message.bodies.size());
  ARROW_ASSIGN_OR_RAISE(const json::array versions, FindArray(message.header, "versions"));
  if (versions.size() != answers.size()) return Malformed();
  for (size_t i = 0; i < answers.size(); ++i) {
    RowsAnswer& answer = answers[i];
    if (!versions[i].is_int64()) return Malformed();
    answer.version = versions[i].as_int64();
    ARROW_ASSIGN_OR_RAISE(answer.rows, ReadBatch(message.bodies[i]));
    ARROW_ASSIGN_OR_RAISE(const auto commits,
                          TakeColumn(&answer.rows, kCommits, arrow::Type::INT64));
    ARROW_ASSIGN_OR_RAISE(const auto times, TakeColumn(&answer.rows, kTimes, arrow::Type::INT64));
    ARROW_ASSIGN_OR_RAISE(const auto status, TakeColumn(&answer.rows, kStatus, arrow::Type::UINT8));
    const auto* time = static_cast<const arrow::Int64Array&>(*times).raw_values();
    const auto* code = static_cast<const arrow::UInt8Array&>(*status).raw_values();
    answer.event_times_us.assign(time, time + times->length());
    const auto* commit = static_cast<const arrow::Int64Array&>(*commits).raw_values();
    answer.commits.assign(commit, commit + commits->length());
    for (int64_t row = 0; row < status->length(); ++row) {
      if (code[row] > static_cast<uint8_t>(RowStatus::kStale)) return Malformed();
      answer.status.push_back(static_cast<RowStatus>(code[row]));
    }
  }
  return answers;
}

}  // namespace tercet
