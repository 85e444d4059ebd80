#include "online/owner_client.h"

namespace tercet {
namespace {

/// How long an answer may take beside what the call itself waits for. An owner that has just taken
/// over catches up first.
constexpr int64_t kAnswerTimeoutUs = 120LL * 1'000'000;

class OwnerLost : public arrow::StatusDetail {
 public:
  const char* type_id() const override { return "tercet.online.owner_lost"; }
  std::string ToString() const override { return "the owner is gone"; }
};

Status Lost(const Status& status) {
  return Status::FromDetailAndArgs(
      arrow::StatusCode::IOError, std::make_shared<OwnerLost>(),
      "the process that owns the online store does not answer: ", status.message());
}

}  // namespace

bool OwnerClient::IsOwnerLost(const Status& status) {
  return status.detail() != nullptr &&
         std::string_view(status.detail()->type_id()) == OwnerLost().type_id();
}

Result<std::unique_ptr<OwnerClient>> OwnerClient::Connect(const std::string& socket) {
  std::unique_ptr<OwnerClient> client(new OwnerClient(socket));
  ARROW_ASSIGN_OR_RAISE(UnixSocket first, UnixSocket::Connect(socket));
  client->idle_.push_back(std::move(first));
  return client;
}

Result<UnixSocket> OwnerClient::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      UnixSocket socket = std::move(idle_.back());
      idle_.pop_back();
      return socket;
    }
  }
  return UnixSocket::Connect(socket_);
}

Result<OwnerMessage> OwnerClient::Call(const OwnerMessage& request, int64_t timeout_us) {
  Result<UnixSocket> taken = Take();
  if (!taken.ok()) return Lost(taken.status());
  UnixSocket socket = std::move(taken).ValueUnsafe();
  ARROW_RETURN_NOT_OK(socket.SetTimeout(kAnswerTimeoutUs + timeout_us));
  const Status sent = socket.Send(request.ToBytes());
  if (sent.IsCapacityError()) return sent;
  if (!sent.ok()) return Lost(sent);
  Result<std::optional<std::string>> frame = socket.Receive();
  if (!frame.ok()) return Lost(frame.status());
  if (!*frame) return Lost(Status::IOError("it closed the connection"));
  ARROW_ASSIGN_OR_RAISE(OwnerMessage answer, OwnerMessage::FromBytes(std::move(**frame)));
  {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(socket));
  }
  ARROW_RETURN_NOT_OK(StatusFromJson(answer.header));
  return answer;
}

Result<std::vector<RowsAnswer>> OwnerClient::Read(const std::vector<RowsRequest>& requests) {
  ARROW_ASSIGN_OR_RAISE(const OwnerMessage request, ToMessage(requests));
  ARROW_ASSIGN_OR_RAISE(const OwnerMessage answer, Call(request, 0));
  return AnswersFromMessage(answer);
}

Status OwnerClient::SyncTo(const Ref& group, int64_t version, int64_t timeout_us) {
  const OwnerMessage request{{{"call", "sync_to"},
                              {"group", group.ToText()},
                              {"version", version},
                              {"timeout_us", timeout_us}},
                             {}};
  return Call(request, timeout_us).status();
}

Status OwnerClient::Rebuild(const Ref& group, int64_t version, int64_t timeout_us) {
  const OwnerMessage request{{{"call", "rebuild"},
                              {"group", group.ToText()},
                              {"version", version},
                              {"timeout_us", timeout_us}},
                             {}};
  return Call(request, timeout_us).status();
}

Result<int64_t> OwnerClient::AppliedVersion(const Ref& group) {
  const OwnerMessage request{{{"call", "applied_version"}, {"group", group.ToText()}}, {}};
  ARROW_ASSIGN_OR_RAISE(const OwnerMessage answer, Call(request, 0));
  return GetInt(answer.header, "version");
}

Status OwnerClient::Drop(const Ref& group) {
  return Call({{{"call", "drop"}, {"group", group.ToText()}}, {}}, 0).status();
}

}  // namespace tercet
